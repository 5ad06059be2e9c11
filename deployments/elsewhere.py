"""A deployment that another control plane runs: under which names it and its base model are asked for there.

Whoever asks names them as they are called here, and is answered so. The connection's key opens more there than this one
deployment, so nothing of what is asked may name another one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from accounts.models import Account
from connections.models import Connection
from launches.gateway.admission import Refused
from launches.gateway.exchange import Body
from launches.gateway.loading import (
    LARGEST,
    ask_for_jobs_there,
    parse_reference,
    parsed,
    whole_body,
    with_ids_there,
)
from launches.gateway.renaming import Names
from wire.names import CROSS_JOB
from wire.status import Code

NAMED, MODEL = b"fireworks-deployment", b"fireworks-model"
LARGEST_TRANSLATED = 8 * 1024 * 1024
WITHHELD = frozenset(
    {
        *(NAMED, MODEL, b"accept-encoding"),  # names are found in an answer that is not packed
        *(b"x-fireworks-hot-load-source-url", b"x-fireworks-hot-load-cmek-resource"),  # an address of the caller's
    }
)


@dataclass(frozen=True)
class NamesThere:
    """Resource names here and there, of a base model "" where it is not offered there.

    `job` is the id of the trainer, "" where there is none, or none there.
    """

    deployment: str
    deployment_there: str
    base_model: str
    base_model_there: str
    account: Account
    connection: Connection
    job: str = ""
    job_there: str = ""

    @property
    def fields(self) -> tuple[tuple[bytes, bytes], ...]:
        """What is sent along."""
        named = ((NAMED, self.deployment_there), (MODEL, self.base_model_there), (b"accept-encoding", "identity"))
        return tuple((name, value.encode()) for name, value in named if value)

    @property
    def renamed(self) -> Names:
        """What an answer calls otherwise: the deployment wherever it stands, its base model where it is a whole name.

        A quotation mark inside a text is escaped in JSON, so no text that was generated is changed by the latter.
        """
        names = [(self.deployment_there.encode(), self.deployment.encode())]
        if self.base_model_there and self.base_model_there != self.base_model:
            for end in ('"', "#"):
                names.append((f'"{self.base_model_there}{end}'.encode(), f'"{self.base_model}{end}'.encode()))
        if self.job_there:
            names.append((f"{CROSS_JOB}{self.job_there}/".encode(), f"{CROSS_JOB}{self.job}/".encode()))
        return names

    async def translate_load(self, body: Body) -> Body:
        """The body of a hot load: a job has its id there, where it is of this account; no model there is named.

        The account there is shared by others of this Slipway. Errors: `Refused`.
        """
        asked = parsed(await whole_body(body, (), LARGEST))
        told = await with_ids_there(asked, partial(ask_for_jobs_there, self.account, self.connection))
        identity = told.get("identity") if isinstance(told, Mapping) else None
        if not isinstance(identity, str):
            raise Refused(Code.INVALID_ARGUMENT, "The body of this call has to be a JSON object with an identity.")
        if _is_path(identity):
            where = f"{identity[:200]} is not at {self.connection}, where {self.deployment} runs."
            raise Refused(Code.NOT_FOUND, f"{where} Load what a trainer there saved, by its name.")
        return body.replaced(json.dumps(told).encode())

    async def translate(self, body: Body) -> Body:
        """The body of what asks for completions, which names the model as it is called there. Errors: `Refused`."""
        asked = parsed(await whole_body(body, (), LARGEST_TRANSLATED))
        if not isinstance(asked, Mapping):
            raise Refused(Code.INVALID_ARGUMENT, "The body of this call has to be a JSON object.")
        model = asked.get("model")
        told: dict[str, Any] = {**asked, "model": await self.model(model if isinstance(model, str) else "")}
        return body.replaced(json.dumps(told, separators=(",", ":")).encode())

    async def model(self, model: str) -> str:
        """The name there of `DEPLOYMENT`, `BASE_MODEL#DEPLOYMENT` or `DEPLOYMENT#SNAPSHOT`.

        What names none gets this one: a base model alone would be asked of whatever serves it there. Errors: `Refused`.
        """
        parts = model.split("#") if model else []
        if self.deployment not in parts:
            parts.append(self.deployment)
        place = parts.index(self.deployment)
        base, snapshots = parts[:place], parts[place + 1 :]
        is_known = not base or (base == [self.base_model] and self.base_model_there)
        if not is_known or len(snapshots) > 1 or any(map(_is_path, snapshots)):
            told = (
                f"{model[:200]} is not at {self.connection}, where {self.deployment} runs. Name the deployment alone."
            )
            raise Refused(Code.INVALID_ARGUMENT, told)
        named = await with_ids_there(snapshots, partial(ask_for_jobs_there, self.account, self.connection))
        return "#".join([*([self.base_model_there] if base else []), self.deployment_there, *named])


def _is_path(identity: str) -> bool:
    """Whether it may be the name of something there that is no snapshot, however it is written."""
    reference = parse_reference(identity)
    return "/" in (reference[1] if reference else identity)
