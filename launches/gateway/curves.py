"""Curves of launches whose records nobody here can read: taken from the answers that pass through the gateway.

A copy of what a trainer answers to forward_backward and optim_step, and of nothing else, is put aside, parsed and
written by a thread, one after the other. The request itself waits for none of that: what is too long, or comes while
too much waits, is left out, and the timeline says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from http import HTTPStatus

import structlog
from asgiref.sync import sync_to_async
from django.db import connections

from launches.domain.note_exchange import note_loss, note_step, note_unread
from launches.gateway.answers import LARGEST, AnswerForm, form_of, read_metrics

MOST_WAITING = 256
ANSWERS = b"/api/v1/retrieve_future"
KIND = b"x-tinker-request-type"
"""By which the official SDK says what it waits for."""
FORWARD_BACKWARD, OPTIM_STEP = b"ForwardBackward", b"OptimStep"
log = structlog.get_logger(__name__)


@dataclass
class AnswerCopy:
    """What came of one answer so far; `body` is None where it will not be read."""

    attempt: int
    kind: bytes
    curves: Curves
    body: bytearray | None = field(default_factory=bytearray)
    form: AnswerForm | None = None

    def begin(self, status: int, fields: Iterable[tuple[bytes, bytes]] = ()) -> None:
        """The answer's status and fields: what is no result is not looked at, nor what nobody here unpacks."""
        self.form = form_of(fields)
        if status != HTTPStatus.OK:
            self.body = None
        elif self.form is None:
            self.body = None
            self.curves.leave_out(self.attempt)

    def add(self, data: bytes) -> None:
        """The next piece."""
        if self.body is not None:
            self.body += data
            if len(self.body) > LARGEST:
                self.body = None
                self.curves.leave_out(self.attempt)

    def finish(self) -> None:
        """All of it came."""
        if self.body:
            self.curves.take(self)


class Curves:
    """The copies of one event loop that wait to be read."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[AnswerCopy] = asyncio.Queue(MOST_WAITING)
        self._reader: asyncio.Task[None] | None = None
        self._left_out: set[int] = set()

    def copy_for(self, attempt: int | None, target: bytes, fields: Iterable[tuple[bytes, bytes]]) -> AnswerCopy | None:
        """Where to put the answer's copy; None where it says nothing for a curve, or the records are read elsewhere."""
        if attempt is None or target.partition(b"?")[0] != ANSWERS:
            return None
        kind = next((value for name, value in fields if name.lower() == KIND), b"")
        return AnswerCopy(attempt, kind, self) if kind in (FORWARD_BACKWARD, OPTIM_STEP) else None

    def take(self, copy: AnswerCopy) -> None:
        """Let it be read, when its turn comes."""
        try:
            self._waiting.put_nowait(copy)
        except asyncio.QueueFull:
            self.leave_out(copy.attempt)
        if self._reader is None or self._reader.done():
            self._reader = asyncio.create_task(self._read())

    def leave_out(self, attempt: int) -> None:
        """Note that the curve of the attempt has a gap."""
        self._left_out.add(attempt)

    async def _read(self) -> None:
        while not self._waiting.empty():
            copy = self._waiting.get_nowait()
            told = copy.attempt in self._left_out
            try:
                await _record(copy, told)
                self._left_out.discard(copy.attempt)
            except Exception as error:  # a curve is worth less than the request that it is read from
                log.warning("curve.unread", attempt=copy.attempt, error=repr(error))


@sync_to_async(thread_sensitive=False)
def _record(copy: AnswerCopy, has_gap: bool) -> None:
    try:
        if has_gap:
            note_unread(copy.attempt)
        try:
            metrics = read_metrics(bytes(copy.body or b""), copy.form)
        except OverflowError:
            return note_unread(copy.attempt)
        if copy.kind == FORWARD_BACKWARD and "loss:sum" in metrics:
            note_loss(copy.attempt, loss=metrics["loss:sum"], tokens=int(metrics.get("loss_tokens:sum", 0)))
        elif copy.kind == OPTIM_STEP:
            note_step(
                copy.attempt,
                learning_rate=metrics.get("learning_rate:mean"),
                grad_norm=metrics.get("grad_norm:mean"),
                step=int(metrics["step:max"]) if "step:max" in metrics else None,
            )
    finally:
        connections.close_all()
