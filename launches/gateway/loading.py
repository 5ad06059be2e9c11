"""Calls to another control plane that name what has another name there, which their bodies are brought to.

`cross_job://JOB/NAME` of a load call names a job by its id here, and a model is created by its base model's name here.
Of these calls alone, which are short, the body is read before it is passed on. Only jobs of the caller's own account
are known by a reference: on the other side several accounts may share one.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any
from urllib.parse import unquote_to_bytes

from asgiref.sync import sync_to_async
from django.db import connections
from django.db.models import Q

from accounts.models import Account
from api.outages import UNASKABLE
from connections.models import Connection
from connections.opened import open_provider
from connections.providers.catalogs import NamesModels
from connections.providers.errors import ProviderError
from launches.gateway.admission import Refused, database_away, no_such_job
from launches.gateway.exchange import Body, CallerGone, CutOff
from launches.models import Attempt
from wire.names import CROSS_JOB, is_id
from wire.status import Code

LOAD, CREATE = b"load_weights", b"create_model"
"""The last part of the path. Source: the official SDK; no other call takes a reference, or names a base model."""
BASE_MODEL = "base_model"
LARGEST = 64 * 1024
MOST_REFERENCES = 8


def may_name(target: bytes) -> bool:
    """Whether a request for the target may name a job or a base model, however its path is written."""
    path = unquote_to_bytes(target.partition(b"?")[0]).rstrip(b"/")
    return path.rpartition(b"/")[2].partition(b";")[0].lower() in (LOAD, CREATE)


async def translated_body(body: Body, fields: Iterable[tuple[bytes, bytes]], attempt: int) -> Body:
    """The body with the names that things have there. `attempt` is the one (primary key) whose trainer is asked.

    Errors: `Refused`, `CallerGone`, `CutOff`.
    """
    told = await with_ids_there(parsed(await whole_body(body, fields, LARGEST)), partial(_ids_there, attempt))
    if isinstance(told, dict) and isinstance(base := told.get(BASE_MODEL), str):
        told[BASE_MODEL] = await _model_there(attempt, base) or base
    return body.replaced(json.dumps(told).encode())


async def with_ids_there(asked: Any, look_up: Callable[[set[str]], Awaitable[Mapping[str, str]]]) -> Any:
    """The JSON with the ids that jobs have there, which `look_up` tells of those here. Errors: `Refused`."""
    with _read_as_json():
        jobs = {job for job, _ in _references(asked)}
    if len(jobs) > MOST_REFERENCES:
        raise Refused(Code.INVALID_ARGUMENT, f"{len(jobs)} jobs in one call; name at most {MOST_REFERENCES}.")
    there = await look_up(jobs) if jobs else {}
    with _read_as_json():
        return _rewritten(asked, there)


@contextmanager
def _read_as_json() -> Iterator[None]:
    """Errors: `Refused` where the block finds no JSON, or such as nests too deep to be gone through."""
    try:
        yield
    except (ValueError, RecursionError):
        raise Refused(Code.INVALID_ARGUMENT, "The body of this call has to be JSON.") from None


def parsed(data: bytes) -> Any:
    """What the body says. Errors: `Refused`."""
    with _read_as_json():
        return json.loads(data)


async def whole_body(body: Body, fields: Iterable[tuple[bytes, bytes]], most: int) -> bytes:
    """All of it, of at most so many bytes. Errors: `Refused`, `CallerGone`, `CutOff`."""
    if any(name.lower() == b"content-encoding" and value.strip().lower() != b"identity" for name, value in fields):
        raise Refused(Code.INVALID_ARGUMENT, "Send the body of this call as it is, without Content-Encoding.")
    if await body.is_empty():
        return b""
    came = bytearray()
    async for data, _ in body.pieces():
        came += data
        if len(came) > most:
            sentence = f"This call has a body of at most {most // 1024:,} KiB."
            raise Refused(Code.INVALID_ARGUMENT, sentence, http_status=413)
        if body.is_over:
            return bytes(came)
    raise CutOff if came else CallerGone


def parse_reference(text: str) -> tuple[str, str] | None:
    """Job and the rest of a reference; None for any other text."""
    plain = text.strip()
    if not plain.lower().startswith(CROSS_JOB):
        return None
    job, _, rest = plain[len(CROSS_JOB) :].partition("/")
    return job, rest


def _references(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str) and (found := parse_reference(value)):
        yield found
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def _rewritten(value: Any, there: Mapping[str, str]) -> Any:
    if isinstance(value, str) and (found := parse_reference(value)):
        return f"{CROSS_JOB}{there[found[0]]}/{found[1]}"
    if isinstance(value, Mapping):
        return {name: _rewritten(inner, there) for name, inner in value.items()}
    return [_rewritten(inner, there) for inner in value] if isinstance(value, list) else value


@contextmanager
def _database() -> Iterator[None]:
    """Ask the database in the block, on a thread that keeps no connection. Errors: `Refused` where it is away."""
    try:
        yield
    except UNASKABLE as error:
        raise database_away(error) from error
    finally:
        connections.close_all()


@sync_to_async(thread_sensitive=False)
def _ids_there(attempt: int, jobs: Iterable[str]) -> Mapping[str, str]:
    with _database():
        return ids_there(attempt, jobs)


@sync_to_async(thread_sensitive=False)
def _model_there(attempt: int, base_model: str) -> str:
    with _database():
        return model_there(attempt, base_model)


def model_there(attempt: int, base_model: str) -> str:
    """The base model under its name on the attempt's connection; "" where that has none of its own for it."""
    row = Attempt.objects.select_related("launch__connection").defer("log_tail").get(pk=attempt)
    try:
        provider = open_provider(row.launch.connection)
    except ProviderError:  # the trainer is asked all the same, and says what it finds
        return ""
    return provider.model_there(base_model) if isinstance(provider, NamesModels) else ""


def ids_there(attempt: int, jobs: Iterable[str]) -> Mapping[str, str]:
    """As `jobs_there`, of the account and the connection of the attempt's launch. Errors: `Refused`."""
    mine = Attempt.objects.select_related("launch__account", "launch__connection").get(pk=attempt).launch
    return jobs_there(mine.account, mine.connection, jobs)


@sync_to_async(thread_sensitive=False)
def ask_for_jobs_there(account: Account, connection: Connection, jobs: Iterable[str]) -> Mapping[str, str]:
    """As `jobs_there`, for an event loop. Errors: `Refused`."""
    with _database():
        return jobs_there(account, connection, jobs)


def jobs_there(account: Account, connection: Connection, jobs: Iterable[str]) -> Mapping[str, str]:
    """By its id here, or the one there where somebody knows that, the job's id on the connection.

    Errors: `Refused`, for a job of another account as for one that there is not.
    """
    named = [job for job in jobs if is_id(job)]
    rows = Attempt.objects.select_related("launch__account", "launch__connection").defer("log_tail")
    rows = rows.filter(Q(launch__job_id__in=named) | Q(remote_id__in=named), launch__account=account)
    found = list(rows.order_by("number"))
    ids: dict[str, str] = {}
    for job in jobs:
        its = [each for each in found if job in (each.launch.job_id, each.remote_id)]
        if not its:
            raise no_such_job(account.account_id, job)
        launch = its[-1].launch
        if launch.connection_id != connection.pk:
            sentence = f"The checkpoints of {launch.name} lie on {launch.connection}, and what is asked is on"
            raise Refused(Code.NOT_FOUND, f"{sentence} {connection}, which cannot load them.")
        known = [each.remote_id for each in its if each.remote_id]
        if not known:
            raise Refused(Code.NOT_FOUND, f"{launch.name} was never on {connection}, and has no checkpoint there.")
        ids[job] = known[-1]
    return ids
