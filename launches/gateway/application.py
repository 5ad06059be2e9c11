"""`/training/v1/rlorTrainerJobs/{account}/{job}/...`: the ASGI application of the gateway.

What leads to other processes than trainers brings a `Reader` of its own (`deployments.gateway`).

A plain ASGI app beside Django, like the event stream: long polls are open for half a minute each, a thousand at a time.
What lies below the job is passed on byte for byte; where to is looked up by the job, never read from the request.

400 no request that can be passed on, or a path to a trainer elsewhere that may lead out of its job (`targets`),
401 no key that is in use, 403 may not control the launch or it is a validation's, 404 no such job or it is over,
503 it does not listen yet or the database cannot be asked, 502 it does not answer, 429 too much at once. Bodies are
google.rpc.Status.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from http import HTTPStatus
from typing import Any

import h11
import structlog

from accounts.domain.create_api_key import hash_secret
from accounts.origins import Origin, origin_in
from launches.gateway import headers
from launches.gateway.admission import (
    Admission,
    AdmissionRequest,
    Admitted,
    Answered,
    LookUp,
    Refused,
    Unheard,
    look_up_trainer,
    tell,
)
from launches.gateway.curves import Curves
from launches.gateway.exchange import Body, CallerGone, CutOff, Exchange, NoAnswer, Receive, Send, WrongTrainer
from launches.gateway.loading import may_name, translated_body
from launches.gateway.pool import Pool
from launches.gateway.renaming import Renaming
from launches.gateway.silence import Silence
from launches.gateway.targets import PLAIN_PATHS_ALONE, may_lead_out
from launches.gateway.upstream import Upstream
from wire.names import account_name, is_id, job_name
from wire.status import CUT_OFF, FAULT, Code, status_body

PREFIX = "/training/v1/rlorTrainerJobs/"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Not TRACE, which would show the launch's token, nor CONNECT."""
MOST_OPEN = 3000
"""Requests in progress in this process: below what the server takes, so that pages are served whatever happens here."""
MOST_OF_ONE_ACCOUNT = 1200
"""Of these for one account: room for a thousand long polls, and left for others whatever two accounts do."""

REFUSES_OURS = (
    "What listens at its address does not take the token that Slipway shows it: it was started under another "
    "SLIPWAY_SECRET_KEY, or is another program. Whoever runs Slipway puts the former key back and restarts web, worker "
    "and beat; or cancel the launch and resume it, which starts a trainer under the key of now."
)
"""Why a trainer of ours refuses, and what can be done, for whoever drives it."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class GatewayRequest:
    """What a request asks for: its target as bytes that nobody interpreted, of a job's trainer or another `server`.

    `name` is what people call that which the server belongs to; `prefix` stands before the server's own path. Where
    `retry_after` seconds are named, a server that does not answer is expected back: 503 says so, and no 502; and
    `unheard` is told of it, in a thread, with account and job.
    """

    secret: str
    account: str
    job: str
    target: bytes
    origin: Origin
    body: Body
    name: str
    prefix: bytes
    server: str = "trainer"
    look_up: LookUp = look_up_trainer
    retry_after: int | None = None
    unheard: Unheard | None = None

    @cached_property
    def question(self) -> AdmissionRequest:
        """What `Admission` is asked, without the secret."""
        return AdmissionRequest(hash_secret(self.secret), self.account, self.job, self.origin, self.look_up)


class Gateway:
    """The application, with the connections and the answers that it remembers, for one event loop."""

    def __init__(self) -> None:
        self.admission = Admission()
        self._pool = Pool()
        self._curves = Curves()
        self._silence = Silence()
        self._open = 0
        self._held: Counter[str] = Counter()
        """Requests in progress by account, of those who were let through."""

    async def __call__(
        self, scope: MutableMapping[str, Any], receive: Receive, send: Send, *, read: Reader | None = None
    ) -> None:
        """Serve one request, which `read` reads: by default one to a trainer.

        Errors: `Broken`, `Stalled` where the answer breaks off, and then for the caller too.
        For that the server must not end an answer neatly whose application raised: Granian closes the connection.
        """
        began = False

        async def noted(message: MutableMapping[str, Any]) -> None:
            nonlocal began
            began = True
            await send(message)

        try:
            await self._serve(scope, receive, noted, read or read_trainer_request)
        except Exception as error:
            if began:
                raise
            log.exception("gateway.fault", error=repr(error))
            await _refuse(send, Refused(Code.INTERNAL, FAULT), last=True)

    async def _serve(self, scope: MutableMapping[str, Any], receive: Receive, send: Send, read: Reader) -> None:
        self._open += 1
        try:
            if self._open > MOST_OPEN:
                raise Refused(Code.RESOURCE_EXHAUSTED, "Too many requests at once; repeat it shortly.", retry_after=1)
            asked = await read(self, scope, receive)
            self._silence.require_none(asked.question)
            admitted = await self.admission.admit(asked.question, asked.secret)
            with self.place(asked.account):
                await self._forward(asked, scope, send, admitted)
        except Refused as refusal:
            await _refuse(send, refusal, last=headers.announces_body(scope["headers"]))
        except Answered as answer:
            await _tell(send, HTTPStatus.OK, answer.told, last=headers.announces_body(scope["headers"]))
        except CutOff:
            await _refuse(send, Refused(Code.INVALID_ARGUMENT, CUT_OFF), last=True)
        except CallerGone:
            pass
        finally:
            self._open -= 1

    @contextmanager
    def place(self, account: str) -> Iterator[None]:
        """One of the account's places, for the duration of the block. Errors: `Refused`."""
        if self._held[account] >= MOST_OF_ONE_ACCOUNT:
            limit = f"{account_name(account)} has {MOST_OF_ONE_ACCOUNT:,} requests in progress here, the limit"
            raise Refused(Code.RESOURCE_EXHAUSTED, f"{limit}; repeat it when one of them is answered.", retry_after=1)
        self._held[account] += 1
        try:
            yield
        finally:
            self._held[account] -= 1
            if not self._held[account]:
                del self._held[account]

    def close(self) -> None:
        """Let go of the connections that are kept, where the event loop ends."""
        self._pool.close()

    async def _forward(
        self,
        asked: GatewayRequest,
        scope: MutableMapping[str, Any],
        send: Send,
        first: Admitted,
    ) -> None:
        attempt_elsewhere = first.attempt_elsewhere
        if attempt_elsewhere is not None and may_lead_out(asked.target):
            raise Refused(Code.INVALID_ARGUMENT, f"{asked.name} {PLAIN_PATHS_ALONE}")
        body = asked.body
        if attempt_elsewhere is not None and may_name(asked.target):
            body = await translated_body(body, scope["headers"], attempt_elsewhere)
        if first.translate is not None:
            body = await first.translate(body)
        admitted, upstream = await self._connect(asked, again=False)
        try:
            await self._exchange(asked, admitted, upstream, scope, body, send)
        except NoAnswer as error:
            if not error.repeatable:
                raise await self._unreachable(asked, str(error)) from error
            admitted, upstream = await self._connect(asked, again=True)
            try:
                await self._exchange(asked, admitted, upstream, scope, body, send)
            except NoAnswer as second:
                raise await self._unreachable(asked, str(second)) from second

    async def _connect(self, asked: GatewayRequest, *, again: bool) -> tuple[Admitted, Upstream]:
        """A connection to the job's trainer, a new one `again`. Errors: `Refused`."""
        why = ""
        for _ in range(2):
            admitted = await self.admission.admit(asked.question, asked.secret)
            kept = None if again else self._pool.take(admitted.endpoint)
            try:
                return admitted, kept or await self._pool.open(admitted.endpoint)
            except OSError as error:  # it may have moved, or be over: look again
                why = str(error) or "It does not accept connections."
                self.admission.forget(asked.question)
        raise await self._unreachable(asked, why)

    async def _exchange(
        self,
        asked: GatewayRequest,
        admitted: Admitted,
        upstream: Upstream,
        scope: MutableMapping[str, Any],
        body: Body,
        send: Send,
    ) -> None:
        endpoint = admitted.endpoint
        exchange = Exchange(
            method=scope["method"],
            target=endpoint.path + asked.target,
            fields=[
                *headers.request_fields(
                    [field for field in scope["headers"] if field[0].lower() not in admitted.withheld],
                    host=endpoint.host_field,
                    token=admitted.token,
                    is_bearer=not endpoint.is_own,
                ),
                *admitted.fields,
            ],
            body=body,
            origin=endpoint.origin + endpoint.path,
            prefix=asked.prefix,
            send=send,
            release=partial(self._pool.give, endpoint),
            copy=self._curves.copy_for(
                admitted.attempt_elsewhere if admitted.draws_curve else None, asked.target, scope["headers"]
            ),
            renaming=Renaming(admitted.renamed) if admitted.renamed else None,
        )
        try:
            await exchange.run(upstream)
        except h11.LocalProtocolError as error:
            raise Refused(Code.INVALID_ARGUMENT, f"This is no request that can be passed on: {error}.") from error
        except WrongTrainer as error:
            raise await self._wrong(asked, admitted) from error

    async def _wrong(self, asked: GatewayRequest, admitted: Admitted) -> Refused:
        """The refusal for a trainer that does not take what is shown to it, which is never the caller's key."""
        if admitted.endpoint.is_own:
            return await self._unreachable(asked, "It does not take the token of the launch.", hint=REFUSES_OURS)
        log.warning("gateway.key_refused", job=asked.name, connection=admitted.connection)
        where = f"The connection {admitted.connection}, where the {asked.server} of {asked.name} runs,"
        told = f"{where} does not accept the key that"
        whose = "Slipway shows there. That is not yours, which is in force: a superuser has to put another in."
        return Refused(Code.UNAVAILABLE, f"{told} {whose}", http_status=502)

    async def _unreachable(self, asked: GatewayRequest, why: str, hint: str = "") -> Refused:
        """The refusal for a trainer that does not answer; where it is will be looked up anew.

        `hint` says more to whoever is not told to repeat the request.
        """
        self.admission.forget(asked.question)
        log.warning("gateway.unreachable", job=asked.name, error=why)
        told = f"The {asked.server} of {asked.name} does not answer."
        if asked.unheard is not None:
            await tell(asked.unheard, asked.account, asked.job)
        if asked.retry_after is None:
            return Refused(Code.UNAVAILABLE, f"{told} {hint}".rstrip(), http_status=502)
        refusal = Refused(Code.UNAVAILABLE, f"{told} Repeat the request.", retry_after=asked.retry_after)
        self._silence.note(asked.question, refusal)
        return refusal


Reader = Callable[[Gateway, MutableMapping[str, Any], Receive], Awaitable[GatewayRequest]]


async def read_trainer_request(_gateway: Gateway, scope: MutableMapping[str, Any], receive: Receive) -> GatewayRequest:
    """What a request to a trainer asks for: what stands in its path below the job. Errors: `Refused`."""
    raw: bytes = scope["raw_path"]
    account, _, below = raw.removeprefix(PREFIX.encode()).decode("latin-1").partition("/")
    job, slash, rest = below.partition("/")
    if not (raw.startswith(PREFIX.encode()) and is_id(account) and is_id(job)):
        raise Refused(Code.NOT_FOUND, f"There is nothing here; a job's trainer is at {PREFIX}ACCOUNT/JOB/api/v1/.")
    if scope["method"] not in METHODS:
        raise Refused(Code.UNIMPLEMENTED, f"Use one of {', '.join(sorted(METHODS))}.")
    query: bytes = scope["query_string"]
    target = (slash or "/").encode() + rest.encode("latin-1") + (b"?" + query if query else b"")
    return GatewayRequest(
        headers.secret_in(scope["headers"]),
        account,
        job,
        target,
        origin_in(scope),
        body_of(scope, receive),
        job_name(account, job),
        f"{PREFIX}{account}/{job}".encode(),
    )


def body_of(scope: MutableMapping[str, Any], receive: Receive) -> Body:
    """The caller's body, of which nothing was read. Errors: `Refused`."""
    fields = scope["headers"]
    try:
        return Body(receive, headers.content_length_in(fields), announced=headers.announces_body(fields))
    except ValueError as error:
        raise Refused(Code.INVALID_ARGUMENT, str(error)) from error


async def _refuse(send: Send, refusal: Refused, *, last: bool) -> None:
    """Answer with the refusal; `last` where the connection ends with it."""
    fields = []
    if refusal.retry_after is not None:
        fields.append((b"retry-after", str(refusal.retry_after).encode()))
    if refusal.code is Code.UNAUTHENTICATED:
        fields.append((b"www-authenticate", b"Bearer"))
    await _tell(send, refusal.http_status, status_body(refusal.code, refusal.message), fields, last=last)


async def _tell(
    send: Send, status: int, told: Mapping[str, Any], more: Sequence[tuple[bytes, bytes]] = (), *, last: bool
) -> None:
    body = json.dumps(told).encode()
    fields = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        *headers.ALWAYS,
        *([headers.LAST] if last else []),
        *more,
    ]
    await send({"type": "http.response.start", "status": int(status), "headers": fields})
    await send({"type": "http.response.body", "body": body, "more_body": False})


gateway = Gateway()
