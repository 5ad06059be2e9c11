"""The OpenAPI document as a page for people: what can be asked for, with what, and what every field means.

A page of our own, because the viewers that there are bring styles inline, which the content security policy refuses.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import condition, require_safe
from drf_spectacular.generators import SchemaGenerator

from wire.status import Code

RESOURCES = {
    "accounts": "Accounts",
    "models": "Models",
    "trainingShapes": "Training shapes",
    "versions": "Versions of shapes",
    "rlorTrainerJobs": "Trainer jobs",
    "checkpoints": "Checkpoints",
    "operations": "Operations",
    "deploymentShapes": "Deployment shapes",
    "deployments": "Deployments",
    "datasets": "Datasets",
}
"""Collections of the paths, in the order of the page."""
_METHODS = ("get", "post", "put", "patch", "delete")
TAKEN = "Request"
"""What the names of objects that are taken end with."""
_SUCCESS = "200"
NOTHING = "Nothing"
"""Stands for an object without fields."""
DOCUMENT_SECONDS = 300
"""How long a cache may keep the OpenAPI document, which another release may change."""

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Field:
    """A parameter, or a field of a resource."""

    name: str
    kind: str
    meaning: str
    choices: tuple[str, ...] = ()
    required: bool = False
    read_only: bool = False


@dataclass(frozen=True)
class Operation:
    """One method of one path; `takes` and `gives` name objects, or a file's media type."""

    name: str
    method: str
    path: str
    meaning: str
    parameters: tuple[Field, ...]
    takes: str
    gives: str
    refusals: str


@dataclass(frozen=True)
class Resource:
    """A collection with its methods."""

    anchor: str
    title: str
    operations: tuple[Operation, ...]


@dataclass(frozen=True)
class ApiObject:
    """An object that goes over the wire."""

    name: str
    meaning: str
    fields: tuple[Field, ...]


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """The page; it says nothing of what is in the database, so everybody may read it."""
    document = read_document()
    return render(
        request,
        "api/docs.html",
        {
            "address": f"{settings.SLIPWAY_URL}/v1",
            "resources": resources_of(document),
            "objects": objects_of(document),
            "codes": [(int(code), code.name, code.http_status) for code in Code],
            "example": f'curl -H "X-Api-Key: $SLIPWAY_API_KEY" {settings.SLIPWAY_URL}/v1/accounts',
        },
    )


@functools.cache
def _as_json() -> tuple[bytes, str]:
    """The document as it is sent, and its entity tag."""
    body = json.dumps(read_document(), ensure_ascii=False).encode()
    return body, f'"{hashlib.sha256(body).hexdigest()[:32]}"'


@require_safe
@condition(etag_func=lambda _: _as_json()[1])
def openapi(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    """The document for programs: built once, and not sent again to who has it."""
    headers = {"Cache-Control": f"public, max-age={DOCUMENT_SECONDS}"}
    return HttpResponse(_as_json()[0], content_type="application/vnd.oai.openapi+json", headers=headers)


@functools.cache
def read_document() -> Json:
    """The OpenAPI document, which is the same for as long as the process runs."""
    document: Json = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return document


def resources_of(document: Json) -> list[Resource]:
    """The operations, by the collection that they are about."""
    found: dict[str, list[Operation]] = {name: [] for name in RESOURCES}
    for path, methods in document["paths"].items():
        collection = next(part for part in reversed(path.split("/")) if part in RESOURCES)
        if "deploymentShapes" in path:
            collection = "deploymentShapes"
        found[collection] += [_operation(path, name, methods[name]) for name in _METHODS if name in methods]
    return [Resource(name, RESOURCES[name], tuple(operations)) for name, operations in found.items() if operations]


def objects_of(document: Json) -> list[ApiObject]:
    """What requests and answers hold. What is taken has the fields of what is given, but for the read-only ones."""
    schemas = document["components"]["schemas"]
    names = [name for name, schema in schemas.items() if "properties" in schema and not _also_given(name, schemas)]
    return [
        ApiObject(name.removesuffix(TAKEN), _plain(schemas[name]), tuple(_fields(schemas[name], schemas)))
        for name in names
        if not name.startswith("List") and schemas[name]["properties"]
    ]


def _also_given(name: str, schemas: Json) -> bool:
    """Whether it is taken only, and told of where it is given."""
    return name.endswith(TAKEN) and name.removesuffix(TAKEN) in schemas


def _operation(path: str, method: str, said: Json) -> Operation:
    parameters = [
        Field(
            name=given["name"],
            kind=f"{_kind(given['schema'])} in the {given['in']}",
            meaning=_plain(given),
            required=given.get("required", False),
        )
        for given in sorted(said.get("parameters", ()), key=lambda given: given["in"] != "path")
    ]
    answers = said["responses"]
    return Operation(
        name=said["operationId"],
        method=method.upper(),
        path=path,
        meaning=_plain(said),
        parameters=tuple(parameters),
        takes=_held(said["requestBody"]) if "requestBody" in said else "",
        gives=_held(answers[_SUCCESS]) if _SUCCESS in answers else "",
        refusals=", ".join(status for status in answers if status != _SUCCESS),
    )


def _plain(said: Json) -> str:
    """What is said of it, without Markdown's quotes of code."""
    return str(said.get("description", "")).replace("`", "")


def _held(said: Json) -> str:
    ((kind, content),) = said["content"].items()
    if kind != "application/json":
        return str(kind)
    name = _reference(content["schema"])
    return name.removeprefix("Patched").removesuffix("Request") or NOTHING


def _fields(schema: Json, schemas: Json) -> Iterable[Field]:
    for name, said in schema["properties"].items():
        referred = schemas.get(_reference(said), {})
        yield Field(
            name=name,
            kind=_kind(said, schemas),
            meaning=_plain(said),
            choices=tuple(str(choice) for choice in referred.get("enum", ())),
            required=name in schema.get("required", ()),
            read_only=said.get("readOnly", False),
        )


def _kind(said: Json, schemas: Json | None = None) -> str:
    if name := _reference(said):
        return "one of" if "enum" in (schemas or {}).get(name, {}) else name
    if said.get("type") == "array":
        return f"list of {_kind(said['items'], schemas)}"
    return str(said.get("format") or said.get("type") or "any")


def _reference(said: Json) -> str:
    """The name that a schema refers to; "" where it says what it is itself."""
    holder = next(iter(said.get("allOf", ())), said)
    return str(holder.get("$ref", "")).rpartition("/")[2]
