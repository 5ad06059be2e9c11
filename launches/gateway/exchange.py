"""Pass one request on to a trainer and its answer back, piece by piece, without ever holding a whole body."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import h11

from launches.gateway import headers
from launches.gateway.curves import AnswerCopy
from launches.gateway.renaming import Renaming
from launches.gateway.upstream import Broken, Received, Upstream

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS"})
LONGEST_STALL_SECONDS = 60.0
"""How long a caller may take nothing of an answer that is there."""


class NoAnswer(Exception):
    """The trainer did not answer, and the caller was told nothing yet. `repeatable`: asking again can do no harm."""

    def __init__(self, why: str, *, repeatable: bool) -> None:
        super().__init__(why)
        self.repeatable = repeatable


class CallerGone(Exception):
    """The caller hung up; nobody is left to answer to."""


class CutOff(Exception):
    """The caller's body breaks off before anything was answered: they hung up, or it is not well-formed."""


class Stalled(Exception):
    """The caller takes no more of the answer, which breaks off."""


class WrongTrainer(Exception):
    """Whoever listens at the trainer's address refuses the launch's token, so it is not the launch's trainer."""


class Body:
    """The caller's body as it comes. `length` in digits, where the caller told it; `announced`: some will come."""

    def __init__(self, receive: Receive, length: bytes | None, *, announced: bool) -> None:
        self.length = length
        self._receive = receive
        self._first: MutableMapping[str, Any] | None = None
        self._empty = (False if announced else None) if length is None else not int(length)
        self._left = None if length is None else int(length)
        self.is_over = bool(self._empty)
        """Whether all of it came."""

    def replaced(self, data: bytes) -> Body:
        """Another body in its place, once all of it came; whether the caller hangs up is still seen."""
        body = Body(self._receive, str(len(data)).encode(), announced=True)
        body._first = {"type": "http.request", "body": data, "more_body": False}
        return body

    async def is_empty(self) -> bool:
        """Whether there is none. Errors: `CallerGone`."""
        if self._empty is None:
            self._first = await self._receive()
            if self._first["type"] == "http.disconnect":
                raise CallerGone
            self._empty = self.is_over = not self._first.get("body") and not self._first.get("more_body", False)
        return self._empty

    async def pieces(self) -> AsyncIterator[tuple[bytes, bool]]:
        """Each piece as it comes, and whether more will follow. Ends where the caller is gone."""
        while (message := self._first or await self._receive())["type"] != "http.disconnect":
            self._first = None
            data, more = message.get("body", b""), message.get("more_body", False)
            if self._left is not None:  # a server may tell the end of a body later than its last byte
                self._left -= len(data)
                more = more and self._left > 0
            self.is_over = self.is_over or not more
            yield data, more


@dataclass(frozen=True)
class Exchange:
    """One request, as the trainer shall see it, and how its answer is changed for the caller.

    `release` is told when the trainer's part is over, which may be long before the caller has read all of it. `copy`
    gets the answer, too, where a curve is drawn from it. `renaming` brings names in the answer back to those here.
    """

    method: str
    target: bytes
    fields: headers.Fields
    body: Body
    origin: bytes
    prefix: bytes
    send: Send
    release: Callable[[Upstream], None]
    copy: AnswerCopy | None = None
    renaming: Renaming | None = None

    async def run(self, upstream: Upstream) -> None:
        """Do it.

        Errors: `NoAnswer`, `CallerGone`, `CutOff`, `WrongTrainer`; `Broken`, `Stalled` where the answer breaks off.
        """
        try:
            last = await self._exchange(upstream)
        except BaseException:
            upstream.abort()
            raise
        self.release(upstream)
        await self._pass(last, more=False)
        if self.copy is not None:
            self.copy.finish()

    async def _exchange(self, upstream: Upstream) -> bytes:
        """Everything but to pass on the answer's last piece, which is the result."""
        empty = await self.body.is_empty()
        framing = [] if empty and self.body.length is None else [self._framing()]
        request = h11.Request(method=self.method, target=self.target, headers=[*self.fields, *framing])
        if empty:
            await upstream.send(request, h11.EndOfMessage())
        else:
            upstream.begin(request)
        uploading = asyncio.create_task(self._upload(upstream, empty))
        started = False
        try:
            response, event = await self._response(upstream, repeatable=empty and self.method in REPEATABLE)
            started = True
            await self._start(response)
            return await self._all_but_the_last(upstream, event)
        except (Broken, NoAnswer):
            if uploading.done() and uploading.exception() is None:
                raise (CallerGone if started or self.body.is_over else CutOff) from None
            raise
        finally:
            uploading.cancel()

    def _framing(self) -> tuple[bytes, bytes]:
        if self.body.length is None:
            return b"transfer-encoding", b"chunked"
        return b"content-length", self.body.length

    async def _upload(self, upstream: Upstream, over: bool) -> None:
        """Pass the body on, then watch over the caller: one who hangs up takes the connection down, which ends this."""
        try:
            with contextlib.suppress(h11.LocalProtocolError):  # of another length than was told: servers see to that
                async for data, more in self.body.pieces():
                    if not over:
                        over = not more
                        await upstream.send(h11.Data(data=data), *([h11.EndOfMessage()] if over else []))
        except Exception as error:
            upstream.abort(f"The body could not be passed on: {error!r}.")
            raise
        upstream.abort("The caller hung up.")

    async def _response(self, upstream: Upstream, *, repeatable: bool) -> tuple[h11.Response, Received | None]:
        """The status with its fields, and what of the body came along."""
        try:
            response = await upstream.receive()
            while isinstance(response, h11.InformationalResponse):
                response = await upstream.receive()
            assert isinstance(response, h11.Response)
            event = upstream.poll()
        except Broken as error:
            raise NoAnswer(str(error), repeatable=repeatable and not upstream.answered) from error
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            raise WrongTrainer
        return response, event

    async def _start(self, response: h11.Response) -> None:
        fields = headers.response_fields(response.headers, origin=self.origin, prefix=self.prefix)
        if self.renaming is not None:  # which changes how long the body is
            fields = [(name, self.renaming.replace(value)) for name, value in fields if name != b"content-length"]
        if not self.body.is_over:
            fields.append(headers.LAST)
        if self.copy is not None:
            self.copy.begin(response.status_code, response.headers)
        await self._tell({"type": "http.response.start", "status": response.status_code, "headers": fields})

    async def _all_but_the_last(self, upstream: Upstream, event: Received | None) -> bytes:
        """Pass the body on as it comes; answers its last piece, once the trainer's answer is known to be whole."""
        if event is None:  # the caller shall have the status now, however long the body takes
            await self._pass(b"")
        while not isinstance(event := event or await upstream.receive(), h11.EndOfMessage):
            assert isinstance(event, h11.Data)
            data = bytes(event.data)
            try:
                event = upstream.poll()
            except Broken:
                await self._pass(data)  # so that it is seen to break off
                raise
            if isinstance(event, h11.EndOfMessage):
                return data
            await self._pass(data)
        return b""

    async def _pass(self, data: bytes, *, more: bool = True) -> None:
        if self.copy is not None:
            self.copy.add(data)
        told = data if self.renaming is None else self.renaming.feed(data, over=not more)
        await self._tell({"type": "http.response.body", "body": told, "more_body": more})

    async def _tell(self, message: MutableMapping[str, Any]) -> None:
        try:
            async with asyncio.timeout(LONGEST_STALL_SECONDS):
                await self.send(message)
        except TimeoutError as error:
            raise Stalled(f"The caller takes no more since {LONGEST_STALL_SECONDS:g} s.") from error
