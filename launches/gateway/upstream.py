"""One HTTP/1.1 connection to a trainer: h11 on an asyncio transport, read and written at the same time.

Both ways at once, because a trainer may refuse a body before it has read it, and its answer must not be lost in the
broken pipe. That, and less time a call, is why this is h11 and not httpx; httpcore's pool looks at every connection for
every request, which a thousand long polls would feel. The connection holds at most READ_AHEAD bytes (and what one read
brings) that nobody took.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TypeAlias

import h11

READ_AHEAD = 256 * 1024
HEAD_WAITS_SECONDS = 1.0
"""How long a head waits for the first of its body. Then it goes alone: a trainer may answer it, and closes what is idle
for too long.
"""
LONGEST_SILENCE_SECONDS = 900.0
"""How long nothing may pass either way while an answer is owed; a trainer's long polls answer within half a minute."""

Received: TypeAlias = h11.Response | h11.InformationalResponse | h11.Data | h11.EndOfMessage


class Broken(Exception):
    """The trainer ended the connection, or broke the protocol, before its answer was whole."""


class Upstream(asyncio.Protocol):
    """A connection. One request at a time: `begin`, `send`, take what comes with `receive`, then `ready_for_next`."""

    def __init__(self) -> None:
        self._http = h11.Connection(h11.CLIENT)
        self._transport: asyncio.Transport | None = None
        self._head = b""
        self._head_waits: asyncio.TimerHandle | None = None
        self._unread = 0
        self._reading = True
        self._news: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self._moved_at = 0.0
        """When something passed, in the loop's time."""
        self._lost: str = ""
        self.answered = False
        """Whether anything of the answer came."""

    @property
    def is_usable(self) -> bool:
        """Whether a request may be sent: open, and nothing came unasked."""
        return not self._lost and self._http.our_state is h11.IDLE and self._http.trailing_data == (b"", False)

    def begin(self, request: h11.Request) -> None:
        """Keep the head for the next `send`, so that the trainer wakes up once for it and what comes first of the body.

        Where that comes late, it is sent by itself. The time in which something has to pass begins here.
        Errors: `h11.LocalProtocolError` for what is no HTTP.
        """
        self._head = self._http.send(request) or b""
        self._note_movement()
        self._head_waits = asyncio.get_running_loop().call_later(HEAD_WAITS_SECONDS, self._send_head)

    async def send(self, *events: h11.Event) -> None:
        """Write, and wait while the trainer takes no more.

        Sends nothing to a trainer that is gone: `receive` tells. Errors: `h11.LocalProtocolError` for what is no HTTP.
        """
        data = self._take_head() + b"".join(self._http.send(event) or b"" for event in events)
        if self._lost or self._transport is None:
            return
        self._note_movement()
        self._transport.write(data)
        if self._room is not None:
            await asyncio.shield(self._room)  # an upload that is given up must not cancel what others will wait for
            self._note_movement()

    def poll(self) -> Received | None:
        """What has come already. Errors: `Broken`."""
        try:
            event = self._http.next_event()
        except h11.RemoteProtocolError as error:
            raise Broken(str(error)) from error
        if isinstance(event, h11.Response | h11.InformationalResponse | h11.Data | h11.EndOfMessage):
            self.answered = True
            return event
        if self._lost or event is not h11.NEED_DATA:
            raise Broken(self._lost or "The trainer closed the connection.")
        return None

    async def receive(self) -> Received:
        """The next piece of the answer. Errors: `Broken`, also where none comes for too long."""
        while (event := self.poll()) is None:
            self._read_on()
            self._news = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout_at(self._moved_at + LONGEST_SILENCE_SECONDS):
                    await self._news
            except TimeoutError as error:
                if asyncio.get_running_loop().time() >= self._moved_at + LONGEST_SILENCE_SECONDS:
                    raise Broken(f"Nothing passed for {LONGEST_SILENCE_SECONDS:g} s.") from error
        return event

    def ready_for_next(self) -> bool:
        """Make the connection ready for another request; False where it cannot be used again."""
        if self._lost or self._room is not None:
            return False
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        self._http.start_next_cycle()
        self.answered = False
        self._read_on()
        return self.is_usable

    def abort(self, why: str = "") -> None:
        """Close at once. Whoever waits for an answer gets `Broken` with the reason."""
        self._lose(why or "The connection was closed.")
        if self._transport is not None:
            self._transport.abort()

    def _take_head(self) -> bytes:
        """The head where it still waits, which it does no more."""
        head, self._head = self._head, b""
        if self._head_waits is not None:
            self._head_waits.cancel()
            self._head_waits = None
        return head

    def _send_head(self) -> None:
        head = self._take_head()
        if self._transport is not None:
            self._note_movement()
            self._transport.write(head)

    def _read_on(self) -> None:
        self._unread = 0
        if not self._reading and self._transport is not None and not self._lost:
            self._reading = True
            self._transport.resume_reading()

    def _lose(self, why: str) -> None:
        self._lost = self._lost or why
        self._take_head()
        self._wake()
        self.resume_writing()

    def _take_what_lies_there(self) -> None:
        """Read what came before the connection broke: a write into it fails first, and the transport reads no more."""
        assert self._transport is not None
        descriptor = self._transport.get_extra_info("socket").fileno()
        with contextlib.suppress(OSError, h11.RemoteProtocolError):
            while self._unread <= READ_AHEAD and (data := os.read(descriptor, READ_AHEAD)):
                self.data_received(data)

    def _note_movement(self) -> None:
        self._moved_at = asyncio.get_running_loop().time()

    def _wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._note_movement()
        self._http.receive_data(data)
        self._unread += len(data)
        if self._unread > READ_AHEAD and self._transport is not None:
            self._reading = False
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        self._http.receive_data(b"")
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            self._take_what_lies_there()
        self._lose(str(exc) if exc else "The trainer closed the connection.")

    def pause_writing(self) -> None:
        if self._room is None:
            self._room = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        self._room = None
