"""The view that every resource's views are."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping
from typing import Any, ClassVar, cast

from django.db.models.expressions import Combinable
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.settings import api_settings
from rest_framework.views import APIView

from accounts.actors import Actor, key_actor, require
from accounts.models import Account, ApiKey
from accounts.origins import origin_of
from accounts.roles import Right
from api.authentication import KeyAuthentication
from api.masks import fields_of
from api.parsing import sendable
from api.refusals import invalid
from api.sentences import sentence_of
from wire.casing import camel, snake
from wire.errors import InvalidArgument, NotFound, Violation, capped
from wire.masks import MaskError, apply_mask, parse_mask

WILDCARD = "-"
UPDATE_MASK = OpenApiParameter("updateMask", str, description="Fields of the body to take; all of them by default.")
WRITING = ("POST", "PUT", "PATCH", "DELETE")
NON_FIELD = api_settings.NON_FIELD_ERRORS_KEY


class ResourceView(APIView):
    """Called with a key; `actor` acts with its rights, in its one account."""

    takes: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Query parameters of the writing methods; POST and PATCH take `readMask`, too."""
    beside_key: ClassVar[Callable[[], Combinable] | None] = None
    """Makes what is read before all else, in the query that finds the key: the key's `beside` then."""

    def get_authenticators(self) -> list[BaseAuthentication]:
        """By key alone."""
        return [KeyAuthentication(type(self).beside_key)]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Check the key, and that whoever writes mistyped no parameter, which would then be written without it."""
        super().initial(request, *args, **kwargs)
        method = request.method or ""
        if method in WRITING and hasattr(self, method.lower()):
            answers = () if method == "DELETE" else ("readMask",)
            _refuse_unknown(request, (*self.takes.get(method, ()), *answers))

    @property
    def key(self) -> ApiKey:
        """The caller's key."""
        return cast(ApiKey, self.request.auth)

    @property
    def actor(self) -> Actor:
        """The key's user, bounded by its scope."""
        return key_actor(self.key, request_id=getattr(self.request, "request_id", ""), origin=origin_of(self.request))

    @property
    def mine(self) -> list[int]:
        """The accounts whose private things the key may see: its own."""
        return [self.key.account_id]

    def own_account(self, account_id: str) -> Account:
        """The key's account, where that is the one named. Errors: `NotFound` for every other one."""
        if account_id != self.key.account.account_id:
            raise NotFound(f"There is no account {account_id[:80]} that this API key is for.")
        require(self.actor, self.key.account, Right.VIEW)
        return self.key.account

    def listed_account(self, account_id: str) -> Account:
        """The same, for a list, which `-` asks for, too. Errors: `NotFound`."""
        return self.own_account(self.key.account.account_id if account_id == WILDCARD else account_id)

    def answer(self, serializer: type[Serializer[Any]], resource: Any) -> Response:
        """One resource, with the fields that `readMask` asks for."""
        body = one_of(serializer).to_representation(resource)
        return Response(apply_mask(body, read_mask(self.request, serializer)))


@functools.cache
def one_of(serializer: type[Serializer[Any]]) -> Serializer[Any]:
    """One for all requests, which keeps nothing of them: each that is made makes copies of all its fields."""
    return serializer()


class NothingSerializer(serializers.Serializer[Any]):
    """The body of a method that needs none."""


@extend_schema(exclude=True)
class UnservedView(ResourceView):
    """Whatever else is asked for under /v1."""

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """Refuse every method alike, once the key is checked."""
        self.http_method_names = []
        return super().dispatch(request, *args, **kwargs)

    def http_method_not_allowed(self, request: Any, *args: Any, **kwargs: Any) -> Response:  # noqa: ARG002
        """There is nothing here, whatever the method."""
        raise NotFound(f"There is no {request.path[:200]} in this API. See /api/docs for what there is.")


def asked(request: Request, name: str) -> str:
    """A query parameter, which may be in snake case, too; "" where it is left out, or blank.

    Errors: `InvalidArgument` where it was sent twice.
    """
    given = [value for key in dict.fromkeys((name, snake(name))) for value in request.query_params.getlist(key)]
    if len(given) > 1:
        raise invalid(name, f"It was sent {len(given)} times. Send it once.")
    return given[0] if given and given[0].strip() else ""


def read_mask(request: Request, serializer: type[Serializer[Any]]) -> frozenset[tuple[str, ...]]:
    """The paths of `readMask`; none for everything. Errors: `InvalidArgument`."""
    try:
        return parse_mask(asked(request, "readMask"), fields_of(serializer))
    except MaskError as error:
        raise invalid("readMask", str(error)) from None


def read_body(serializer: type[Serializer[Any]], data: Any) -> dict[str, Any]:
    """What a request's body says, shape and types checked; the fields that were not sent are absent.

    Errors: `InvalidArgument` with every field that is wrong, and every one that is unknown.
    """
    if not isinstance(data, dict):
        raise invalid("body", "It is not a JSON object.")
    reader, read = one_of(serializer), None
    found = capped(_unknown(data, reader, ""), field="body")
    try:
        read = reader.run_validation(data)
    except ValidationError as refusal:
        found += _wrong(refusal.detail, reader, data, "")
    if found:
        raise InvalidArgument(found)
    return cast(dict[str, Any], read)


def read_masked_body(view: ResourceView, serializer: type[Serializer[Any]]) -> dict[str, Any]:
    """What the body says of the fields that `updateMask` names; of all of them where it names none."""
    body = read_body(serializer, view.request.data)
    try:
        paths = parse_mask(asked(view.request, "updateMask"), fields_of(serializer))
    except MaskError as error:
        raise invalid("updateMask", str(error)) from None
    if absent := sorted(".".join(path) for path in paths if not _stands_in(body, path)):
        named = ", ".join(absent)[:80]
        raise invalid("updateMask", f"{named} is not in the body, or cannot be set. Send a value, or leave it out.")
    return apply_mask(body, paths)


def _stands_in(body: Any, path: tuple[str, ...]) -> bool:
    return not path or (isinstance(body, dict) and path[0] in body and _stands_in(body[path[0]], path[1:]))


def refuse_body(request: Request) -> None:
    """Let a method that takes no body take an empty object. Errors: `InvalidArgument` for JSON that says more."""
    if (request.content_type or "").partition(";")[0].strip() == "application/json":
        read_body(NothingSerializer, request.data)


def _refuse_unknown(request: Request, known: Collection[str]) -> None:
    unknown = [name for name in request.query_params if camel(name) not in known]
    remedy = f"Use {', '.join(known)}" if known else "Leave it out"
    sentence = f"There is no such query parameter. {remedy}."
    if unknown:
        raise InvalidArgument(capped([Violation(sendable(name)[:80], sentence) for name in unknown], field="query"))


def _unknown(data: dict[str, Any], reader: Any, prefix: str) -> list[Violation]:
    found = []
    for name, value in data.items():
        field = reader.fields.get(name)
        if field is None:
            found.append(Violation(sendable(f"{prefix}{name}")[:80], _no_such_field(reader)))
        elif isinstance(value, dict) and hasattr(field, "fields"):
            found += _unknown(value, field, f"{prefix}{name}.")
    return found


def _no_such_field(reader: Any) -> str:
    offered = [name for name, field in reader.fields.items() if getattr(field, "offered", True)]
    remedy = f"Use {', '.join(offered)}" if offered else "Leave it out"
    return f"There is no such field. {remedy}."


def _wrong(errors: Any, field: Any, given: Any, prefix: str) -> list[Violation]:
    """What a reader found, each in a sentence with what was given."""
    if isinstance(errors, dict) and NON_FIELD not in errors:
        found = []
        for name, inner in errors.items():
            value = given.get(name) if isinstance(given, dict) else None
            part = getattr(field, "fields", {}).get(name) or getattr(field, "child", None)
            found += _wrong(inner, part, value, f"{prefix}{sendable(str(name))}.")
        return found
    path = prefix.rstrip(".")[:80]
    told = errors[NON_FIELD] if isinstance(errors, dict) else errors
    return [Violation(path, sentence_of(field, error, given)) for error in told]
