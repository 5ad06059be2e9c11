"""The request that a launch stands for, as JSON, curl and Python. Pure; the only renderer of it.

The JSON is the resolved spec, whole, as the provider is told it. curl and Python show how the control plane's API is
asked for the same job: they hold what the user may set and name the pinned version, which brings the rest.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from catalog.fields.launch_fields import PLACES
from catalog.usage import KEY_VARIABLE, URL_VARIABLE
from connections.providers.spec import TrainerMode, TrainerSpec
from launches.settings_on_wire import written_value
from wire.casing import camel_keys
from wire.names import account_name, job_name
from wire.order import in_order

_ARGUMENTS = (
    "base_model",
    "training_shape_ref",
    "lora_rank",
    "learning_rate",
    "display_name",
    "forward_only",
    "region",
)


@dataclass(frozen=True)
class Address:
    """Whose API the snippets are for: its name for people, its base URL, and how they are told of it."""

    label: str
    base_url: str
    caution: str = ""


@dataclass(frozen=True)
class RenderedRequest:
    """The three renderings and whom curl and Python address."""

    json: str
    curl: str
    python: str
    address: Address


def render_request(spec: TrainerSpec, *, account: str, job: str, address: Address) -> RenderedRequest:
    """Render the spec as job `job` of `account`."""
    body = _body(spec)
    query = urlencode({"rlorTrainerJobId": job, "trainingShape": spec.training_shape_version}, safe="/")
    url = f"${URL_VARIABLE}/v1/{account_name(account)}/rlorTrainerJobs?{query}"
    resolved = {"name": job_name(account, job), **camel_keys(spec.as_json())}
    return RenderedRequest(
        json=json.dumps(resolved, indent=2, ensure_ascii=False),
        curl=_curl(url, body),
        python=_python(spec),
        address=address,
    )


def _body(spec: TrainerSpec) -> dict[str, Any]:
    body: dict[str, Any] = {"serviceMode": True, "keepAlive": False}
    for name, place in PLACES.items():
        part, _, last = place.wire.rpartition(".")
        if last and (value := written_value(spec, name)) not in (None, ""):
            (body.setdefault(part, {}) if part else body)[last] = value
    if spec.adapter:
        body["trainingConfig"]["warmStartFrom"] = spec.adapter
    return body | ({"forwardOnly": True} if spec.trainer_mode is TrainerMode.FORWARD_ONLY else {})


def _curl(url: str, body: dict[str, Any]) -> str:
    return " \\\n  ".join(
        (
            f'curl --fail-with-body -sS -X POST "{url}"',
            f'-H "X-Api-Key: ${KEY_VARIABLE}"',
            "-H 'Content-Type: application/json'",
            f"-d {shlex.quote(json.dumps(body, indent=2, ensure_ascii=False))}",
        )
    )


def _python(spec: TrainerSpec) -> str:
    arguments: dict[str, Any] = {"training_shape_ref": spec.training_shape_version}
    for name, place in PLACES.items():
        if place.sdk and (value := written_value(spec, name)) not in (None, ""):
            arguments[place.sdk] = value
    if spec.trainer_mode is TrainerMode.FORWARD_ONLY:
        arguments["forward_only"] = True
    arguments = in_order(arguments, _ARGUMENTS)
    lines = "".join(f"    {name}={value!r},\n" for name, value in arguments.items())
    return (
        "import os\n\n"
        "from fireworks.training.sdk import TrainerJobConfig, TrainerJobManager\n\n"
        "manager = TrainerJobManager(\n"
        f'    api_key=os.environ["{KEY_VARIABLE}"],\n'
        f'    base_url=os.environ["{URL_VARIABLE}"],\n'
        ")\n"
        f"endpoint = manager.create_and_wait(TrainerJobConfig(\n{lines}))\n"
        "print(endpoint.base_url)\n"
    )
