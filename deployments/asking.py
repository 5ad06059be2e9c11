"""Ask a deployment's sampler and wait for the whole answer, for the pages: the way of the gateway, from within.

So the credential that is shown, the way there and what names things have elsewhere are the gateway's in both cases.
What takes longer than SECONDS is broken off, which ends the computation: a page must not hold a thread for minutes.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import structlog

from accounts.actors import Actor
from accounts.origins import UNKNOWN
from api.outages import RETRY_SECONDS
from deployments.domain.note_unheard import note_unheard
from deployments.models import Deployment
from launches.gateway.admission import Admitted
from launches.gateway.application import Gateway, GatewayRequest
from launches.gateway.exchange import Body
from queues.bulkheads import step_aside, wait_for

SECONDS = 30.0
LARGEST_ANSWER = 8 * 1024 * 1024
MOST_AT_ONCE, MOST_OF_ONE = 8, 3
"""Pages of one process that wait for samplers, all and those of one user; each holds a thread."""
TOO_SLOW = (
    f"No whole answer after {SECONDS:g} s, so it was broken off: ask for fewer tokens, or by the code beside, which "
    "waits for as long as it takes."
)
CROWDED = f"{MOST_AT_ONCE} pages wait for samplers already. Ask again in a moment."
CROWDED_BY_ONE = f"{MOST_OF_ONE} pages of yours wait for samplers already. Ask again once one of them has its answer."
NO_PLACE = (CROWDED, CROWDED_BY_ONE)
_places = threading.BoundedSemaphore(MOST_AT_ONCE)
_places_of: dict[str, int] = {}
_counting = threading.Lock()
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Question:
    """What one deployment's sampler is asked, and where that is."""

    deployment: Deployment
    admitted: Admitted
    path: str
    body: Mapping[str, Any]


@dataclass(frozen=True)
class SamplerAnswer:
    """What came back after so many seconds: `refusal` in words where it is no answer, with the `status` of HTTP."""

    status: int
    body: Mapping[str, Any]
    seconds: float
    refusal: str = ""


class _AnswerTooLarge(Exception):
    """The answer goes beyond LARGEST_ANSWER."""


def time_limit() -> float:
    """When what a page asks from now on is broken off, all of it; of the clock of `time.monotonic`."""
    return time.monotonic() + SECONDS


def ask(questions: Sequence[Question], *, actor: Actor, until: float) -> list[SamplerAnswer]:
    """All at the same time, answered in their order; `until` is the page's `time_limit`."""
    with _place_for(actor.label) as refusal:
        if refusal:
            return [SamplerAnswer(HTTPStatus.SERVICE_UNAVAILABLE, {}, 0.0, refusal) for _ in questions]
        step_aside()
        return wait_for(_ask_all(questions, until))


@contextmanager
def _place_for(who: str) -> Iterator[str]:
    """Hold one of the places; or why there is none."""
    with _counting:
        refusal = CROWDED_BY_ONE if _places_of.get(who, 0) >= MOST_OF_ONE else ""
        if not refusal and not _places.acquire(blocking=False):
            refusal = CROWDED
        if not refusal:
            _places_of[who] = _places_of.get(who, 0) + 1
    try:
        yield refusal
    finally:
        if not refusal:
            with _counting:
                _places.release()
                _places_of[who] -= 1
                if not _places_of[who]:
                    del _places_of[who]


async def _ask_all(questions: Sequence[Question], until: float) -> list[SamplerAnswer]:
    return list(await asyncio.gather(*(_ask(question, until) for question in questions)))


async def _ask(question: Question, until: float) -> SamplerAnswer:
    began, came = time.monotonic(), _CollectedAnswer()
    try:
        async with asyncio.timeout(until - began):
            await _pass(question, came)
    except TimeoutError:
        return SamplerAnswer(HTTPStatus.GATEWAY_TIMEOUT, {}, time.monotonic() - began, TOO_SLOW)
    except Exception as error:  # it broke off: whatever that was, there is no answer
        log.warning("playground.broken", deployment=question.deployment.name, error=repr(error))
        return SamplerAnswer(HTTPStatus.BAD_GATEWAY, {}, time.monotonic() - began, "The answer broke off. Ask again.")
    return came.read(time.monotonic() - began)


async def _pass(question: Question, came: _CollectedAnswer) -> None:
    """Let a gateway of its own serve the request, as it serves programs'."""
    row, sent = question.deployment, json.dumps(question.body).encode()
    messages = [{"type": "http.request", "body": sent, "more_body": False}]

    async def receive() -> MutableMapping[str, Any]:
        if messages:
            return messages.pop()
        await asyncio.Event().wait()  # who asks stays, until the time is over
        raise AssertionError

    async def read(_gateway: Gateway, _scope: MutableMapping[str, Any], _receive: Any) -> GatewayRequest:
        return GatewayRequest(
            secret="",
            account=row.account.account_id,
            job=row.deployment_id,
            target=question.path.encode(),
            origin=UNKNOWN,
            body=Body(receive, str(len(sent)).encode(), announced=True),
            name=row.name,
            prefix=b"",
            server="sampler",
            look_up=lambda *_: question.admitted,
            retry_after=RETRY_SECONDS,
            unheard=note_unheard,
        )

    fields = [(b"content-type", b"application/json"), (b"content-length", str(len(sent)).encode())]
    scope = {"type": "http", "method": "POST", "path": question.path, "query_string": b"", "headers": fields}
    gateway = Gateway()
    try:
        await gateway(scope, receive, came.take, read=read)
    finally:
        gateway.close()


class _CollectedAnswer:
    """Status and body as they come."""

    def __init__(self) -> None:
        self.status = int(HTTPStatus.BAD_GATEWAY)
        self.body = bytearray()

    async def take(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            return
        self.body += message.get("body", b"")
        if len(self.body) > LARGEST_ANSWER:
            raise _AnswerTooLarge

    def read(self, seconds: float) -> SamplerAnswer:
        """As JSON, which a sampler may write as it likes."""
        try:
            told = json.loads(self.body)
        except (ValueError, RecursionError):
            told = None
        body = told if isinstance(told, dict) else {}
        if self.status == HTTPStatus.OK and body:
            return SamplerAnswer(self.status, body, seconds)
        error = body.get("error")
        message = error.get("message") if isinstance(error, dict) else body.get("message")
        words = message if isinstance(message, str) else f"Its sampler answered {self.status}, and not in words."
        return SamplerAnswer(
            self.status if self.status != HTTPStatus.OK else HTTPStatus.BAD_GATEWAY, {}, seconds, words
        )
