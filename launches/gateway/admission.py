"""Whom the gateway lets through, and to where.

Looked up in one short database scope. What was let through is remembered for REMEMBER_SECONDS, so a key that is
revoked and a launch that ends stop within that time. Refusals are not remembered, and none is given that was looked up
before the request came: what becomes possible is so at once. That a sampler let through did not answer is another
matter: the gateway remembers it for half a second (`silence`).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import structlog
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connections
from django.db.models import BigIntegerField, F, QuerySet, TextField
from django.utils import timezone

from accounts.actors import Actor, key_actor, require, right_to_control
from accounts.domain.authenticate_key import authenticate_key
from accounts.domain.create_api_key import hash_secret
from accounts.models import Account, ApiKey
from accounts.origins import UNKNOWN, Origin
from accounts.roles import Right
from accounts.tables import explain
from api.outages import RETRY_SECONDS, UNASKABLE, outage
from connections.opened import open_provider
from connections.providers.base import Provider
from connections.providers.errors import ProviderError
from connections.providers.optional import HasAddress, OpensTunnels
from connections.sealing import Unsealable, unseal
from launches.gateway.exchange import Body
from launches.gateway.pool import Endpoint
from launches.gateway.renaming import Names
from launches.models import Attempt
from launches.other_versions import waiting_for_a_yes
from launches.tokens import takes_own_token, token_of
from launches.validation_runs import is_validation_run
from lists.prepared import Given, Prepared
from queues.bulkheads import Bulkhead, Crowded
from wire.errors import NotFound, PermissionDenied
from wire.names import job_name
from wire.status import Code

REMEMBER_SECONDS = 2.0
MOST_REMEMBERED = 4096
MOST_WAITING = 1024
"""To be looked up; those that ask for the same are looked up together."""
HTTPS_PORT = 443
CROWDED = "Too many requests wait to be let through; repeat it shortly."
NO_ANSWER = "Slipway cannot ask its database; repeat the request shortly."

log = structlog.get_logger(__name__)


class Refused(Exception):
    """Why a request is not passed on; `http_status` where the code's own does not say it, `retry_after` in seconds."""

    def __init__(
        self, code: Code, message: str, *, http_status: int | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.http_status = http_status or code.http_status
        self.retry_after = retry_after


class Answered(Exception):
    """What a request is answered with JSON by who looks it up, so that nobody else is asked."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        super().__init__("answered")
        self.told = told


@dataclass(frozen=True)
class Admitted:
    """The process that a caller may talk to, and what to show it; `connection` is what people call where it runs.

    `attempt_elsewhere` is the attempt (primary key) where no trainer of ours runs it: jobs have other ids there. None
    where one of ours does. `draws_curve` says whether its records are read from what passes, which needs nobody where a
    trainer or a recipe of ours writes them. `fields` are sent along, and those of the caller
    in `withheld` are not. `renamed` is what an answer calls otherwise than we do, `translate` brings a body to that.
    """

    endpoint: Endpoint
    token: bytes
    connection: str = ""
    attempt_elsewhere: int | None = None
    draws_curve: bool = False
    fields: tuple[tuple[bytes, bytes], ...] = ()
    withheld: frozenset[bytes] = frozenset()
    renamed: Names = ()
    translate: Callable[[Body], Awaitable[Body]] | None = None


LookUp = Callable[[str, str, str, Origin], Admitted]
Unheard = Callable[[str, str], None]
"""Is told account and job of what did not answer."""


def look_up_trainer(secret: str, account: str, job: str, origin: Origin) -> Admitted:
    """The trainer of the job's newest attempt, for a key that may drive it. Errors: `Refused`."""
    attempt = _attempt_for(secret, account, job, origin)
    token, is_own = _credential_for(attempt)
    endpoint, provider = _endpoint_of(attempt), _provider_of(attempt)
    if not is_own:
        demand_address(attempt.endpoint, provider, f"trainer of {attempt.launch.name}")
    dial = provider.dial if isinstance(provider, OpensTunnels) else None
    endpoint = replace(endpoint, is_own=is_own, dial=dial)
    return Admitted(
        endpoint,
        token.encode(),
        str(attempt.launch.connection),
        attempt_elsewhere=None if is_own else attempt.pk,
        draws_curve=not (is_own or attempt.launch.spec.get("recipe_beside")),
    )


def look_up_account(secret: str, account: str, job: str, origin: Origin) -> str:  # noqa: ARG001
    """The id of the account that the key is for. Errors: `Refused`."""
    return authenticated(secret, origin).account.account_id


def _credential_for(attempt: Attempt) -> tuple[str, bool]:
    """What opens the endpoint: the token of a trainer of ours (and whether it is one), or the connection's secret."""
    launch = attempt.launch
    try:
        if takes_own_token(launch):
            return token_of(attempt), True
        return unseal(launch.connection.secret), False
    except (ProviderError, Unsealable) as error:
        log.warning("gateway.connection_unusable", connection=launch.connection.name, error=str(error))
        raise Refused(Code.UNAVAILABLE, f"The connection {launch.connection} cannot be used: {error}") from error


def _provider_of(attempt: Attempt) -> Provider:
    try:
        return open_provider(attempt.launch.connection)
    except ProviderError as error:
        raise Refused(
            Code.UNAVAILABLE, f"The connection {attempt.launch.connection} cannot be used: {error}"
        ) from error


def _attempt_for(secret: str, account: str, job: str, origin: Origin) -> Attempt:
    """The job's newest attempt, for a key that may drive its trainer.

    A job of an account that the key is not for is not there. Job and attempt are read at the same moment, or a resumed
    job could seem to be over.
    """
    key = authenticated(secret, origin, job=job)
    attempt = _NEWEST.first(owner=key.account.pk, account=account, job=job)
    if attempt is None:
        raise no_such_job(account, job)
    launch, actor = attempt.launch, key_actor(key)
    demand(actor, launch.account, right_to_control(actor, launch))
    if is_validation_run(launch):
        raise Refused(
            Code.PERMISSION_DENIED,
            f"{launch.name} measures a version for its validation, which alone drives it. Launch a validated version.",
        )
    return attempt


def _newest() -> QuerySet[Attempt, Attempt]:
    return (
        Attempt.objects.select_related("launch__account", "launch__connection")
        .defer("log_tail")
        .filter(
            launch__account=Given("owner", BigIntegerField()),
            launch__account__account_id=Given("account", TextField()),
            launch__job_id=Given("job", TextField()),
            launch__deleted_at=None,
            number=F("launch__attempt_count"),
        )
    )


_NEWEST = Prepared(_newest)


def authenticated(secret: str, origin: Origin, *, job: str = "") -> ApiKey:
    """The key that the secret opens, for all jobs or for this one. Errors: `Refused`."""
    key = authenticate_key(secret=secret, now=timezone.now(), origin=origin)
    if key is None:
        raise Refused(Code.UNAUTHENTICATED, "Send an API key that is in use, as X-Api-Key or as Authorization: Bearer.")
    if key.job not in ("", job):
        raise Refused(Code.PERMISSION_DENIED, f"This API key is for the trainer of {key.job} alone.")
    return key


def demand(actor: Actor, account: Account, right: Right) -> None:
    """The right, of somebody who needs it. Errors: `Refused`."""
    try:
        require(actor, account, right)
    except NotFound as refusal:
        raise Refused(Code.NOT_FOUND, refusal.message) from None
    except PermissionDenied as refusal:
        raise Refused(Code.PERMISSION_DENIED, refusal.message) from None


def database_away(error: Exception) -> Refused:
    """The refusal where the database cannot be asked."""
    log.warning("gateway.database_lost", error=str(error))
    return Refused(Code.UNAVAILABLE, outage(error) or explain(error) or NO_ANSWER, retry_after=RETRY_SECONDS)


def no_such_job(account: str, job: str) -> Refused:
    """The refusal for a job that is not there, or not for the key."""
    return Refused(Code.NOT_FOUND, f"There is no job {job_name(account, job)[:200]} that this API key is for.")


def _endpoint_of(attempt: Attempt) -> Endpoint:
    name = attempt.launch.name
    if attempt.is_final:
        raise Refused(Code.NOT_FOUND, f"{name} is over ({attempt.state}). Resume it to train on.")
    if sentence := waiting_for_a_yes(attempt.launch, attempt):
        raise Refused(Code.UNAVAILABLE, sentence, retry_after=RETRY_SECONDS)
    if not attempt.endpoint:
        raise Refused(
            Code.UNAVAILABLE,
            f"The trainer of {name} does not listen yet ({attempt.state}). {attempt.detail}".rstrip(),
            retry_after=RETRY_SECONDS,
        )
    return endpoint_at(attempt.endpoint, f"trainer of {name}")


def demand_address(endpoint: str, provider: Provider, what: str) -> None:
    """That `what` listens below the address that the connection's secret is for; it may have had another one when that
    was looked at. Errors: `Refused`, until the next look.
    """
    if isinstance(provider, HasAddress) and not f"{endpoint}/".startswith(f"{provider.address}/"):
        told = f"The {what} was last seen at another address than its connection has now: it is looked for there."
        raise Refused(Code.UNAVAILABLE, told, retry_after=RETRY_SECONDS)


def endpoint_at(address: str, what: str) -> Endpoint:
    """Where the address leads; `what` listens there, in words. Errors: `Refused`."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port or (HTTPS_PORT if parts.scheme == "https" else None)
    except ValueError as error:  # a port above 65535, half an IPv6 address
        raise _out_of_reach(what) from error
    if not host or not port or parts.scheme not in {"http", "https"}:
        raise _out_of_reach(what)
    return Endpoint(host, port, parts.scheme == "https", parts.path.rstrip("/").encode())


def _out_of_reach(what: str) -> Refused:
    return Refused(Code.UNAVAILABLE, f"The gateway cannot reach the {what}.", http_status=502)


@dataclass(frozen=True)
class AdmissionRequest:
    """Who asks (the hash of their secret), from where, for which job or deployment, and who tells."""

    secret_hash: str
    account: str
    job: str
    origin: Origin = UNKNOWN
    look_up: Callable[[str, str, str, Origin], Any] = look_up_trainer


class Admission:
    """The answers of one event loop: many requests at once ask the database once."""

    def __init__(self) -> None:
        self._known: OrderedDict[AdmissionRequest, tuple[float, Any]] = OrderedDict()
        self._asked: dict[AdmissionRequest, asyncio.Task[Any]] = {}
        self._bulkhead = Bulkhead(
            settings.SLIPWAY_GATEWAY_AT_ONCE, MOST_WAITING, longest_wait=settings.SLIPWAY_WAITING_SECONDS
        )

    async def admit(self, question: AdmissionRequest, secret: str) -> Admitted:
        """The launch's trainer, or what else the question's `look_up` tells. Errors: `Refused`."""
        admitted: Admitted = await self._answer(question, secret)
        return admitted

    async def account_of(self, secret: str, origin: Origin) -> str:
        """The id of the account that the key is for. Errors: `Refused`."""
        account: str = await self._answer(
            AdmissionRequest(hash_secret(secret), "", "", origin, look_up_account), secret
        )
        return account

    async def _answer(self, question: AdmissionRequest, secret: str) -> Any:
        until, known = self._known.get(question, (0.0, None))
        if known is not None and time.monotonic() < until:
            return known
        if (begun := self._asked.get(question)) is not None:
            with contextlib.suppress(Refused):  # it may have been asked before what makes this request possible
                return await asyncio.shield(begun)
        task = self._asked.get(question)
        if task is None:
            task = self._asked[question] = asyncio.create_task(self._ask(question, secret))
        return await asyncio.shield(task)

    def forget(self, question: AdmissionRequest) -> None:
        """The next one is looked up again: the trainer is not where it was."""
        self._known.pop(question, None)

    async def _ask(self, question: AdmissionRequest, secret: str) -> Any:
        asked_at = time.monotonic()
        try:
            async with self._bulkhead.place():
                found = await _look_up(secret, question)
        except Crowded:
            raise Refused(Code.UNAVAILABLE, CROWDED, retry_after=RETRY_SECONDS) from None
        finally:
            del self._asked[question]
        self._known.pop(question, None)
        self._known[question] = (asked_at + REMEMBER_SECONDS, found)
        if len(self._known) > MOST_REMEMBERED:
            self._known.popitem(last=False)
        return found


@sync_to_async(thread_sensitive=False)
def tell(unheard: Unheard, account: str, job: str) -> None:
    """Have it noted; who asks is refused either way, so a database that is away is no matter here."""
    try:
        unheard(account, job)
    except UNASKABLE as error:
        log.warning("gateway.unnoted", account=account, job=job, error=str(error))
    finally:
        connections.close_all()


@sync_to_async(thread_sensitive=False)
def _look_up(secret: str, question: AdmissionRequest) -> Any:
    try:
        return question.look_up(secret, question.account, question.job, question.origin)
    except UNASKABLE as error:
        raise database_away(error) from error
    finally:
        connections.close_all()
