"""The queue of operations: one thread runs them in order; callers get a request id at once, the answer later."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from trainer.errors import OperationError

log = logging.getLogger(__name__)

WAITING_LIMIT = 1024
KEEP_FETCHED_S = 300.0
KEEP_UNFETCHED_S = 3600.0

Answer = dict[str, Any]


@dataclass(frozen=True)
class Later:
    """An operation that goes on in another thread, while those after it run; it is answered once that is done."""

    answer: Future[Answer]


@dataclass
class Ticket:
    """One submitted operation. Times are monotonic seconds."""

    request_id: str
    operation: str
    future: Future[Answer]
    keys: tuple[str, ...]
    submitted_at: float = field(default_factory=time.monotonic)
    fetched_at: float | None = None

    def mark_fetched(self) -> None:
        self.fetched_at = time.monotonic()

    def is_expired(self, now: float) -> bool:
        if not self.future.done():
            return False
        return now - (self.fetched_at or self.submitted_at) > (KEEP_FETCHED_S if self.fetched_at else KEEP_UNFETCHED_S)


class Work:
    """Thread-safe. A submission that repeats an earlier one (by its keys) gets that one's request id and runs once."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="operations")
        self._tickets: dict[str, Ticket] = {}
        self._by_key: dict[str, str] = {}
        self._lock = threading.Lock()
        self._boot = uuid.uuid4().hex[:8]
        self._count = 0

    def submit(self, operation: str, run: Callable[[], Answer | Later], keys: tuple[str, ...] = ()) -> str:
        """Queue `run` and return its request id. Raises OperationError 429 when too much waits already."""
        with self._lock:
            self._forget_expired()
            for key in keys:
                if key in self._by_key:
                    return self._by_key[key]
            if self._count_waiting() >= WAITING_LIMIT:
                raise OperationError(
                    f"{WAITING_LIMIT} operations wait already. Try again when some are done.", status=429
                )
            self._count += 1
            request_id = f"{self._boot}-{self._count}"
            future: Future[Answer] = Future()
            future.set_running_or_notify_cancel()  # whoever waits for it and gives up stops nothing
            self._executor.submit(_run, operation, run, future)
            self._tickets[request_id] = Ticket(request_id, operation, future, keys)
            self._by_key.update(dict.fromkeys(keys, request_id))
            return request_id

    def ticket(self, request_id: str) -> Ticket:
        """Raises OperationError: 404 for an id that was never given out here, 410 for one whose answer is forgotten."""
        ticket = self._tickets.get(request_id)
        if ticket is not None:
            return ticket
        boot, _, number = request_id.partition("-")
        if boot == self._boot and number.isdecimal() and 0 < int(number) <= self._count:
            raise OperationError(
                f"The answer to request {request_id} was kept for a while and is gone now.", status=410
            )
        raise OperationError(
            f"There is no request {request_id[:80]} here; the trainer may have been restarted since.", status=404
        )

    @property
    def waiting(self) -> int:
        """Operations that are not done yet, the running one included."""
        with self._lock:  # the thread that watches asks while others submit
            return self._count_waiting()

    def _count_waiting(self) -> int:
        return sum(not ticket.future.done() for ticket in self._tickets.values())

    def _forget_expired(self) -> None:
        now = time.monotonic()
        for ticket in [ticket for ticket in self._tickets.values() if ticket.is_expired(now)]:
            del self._tickets[ticket.request_id]
            for key in ticket.keys:
                self._by_key.pop(key, None)


def repeat_keys(operation: str, body: dict[str, Any], raw: bytes, header: str | None) -> tuple[str, ...]:
    """What marks a repeated submission: the idempotency header, and the client's own number of the call.

    The official client makes a new header when it submits again after a lost connection, but the sequence number and
    the body stay; a body of another content is another call.
    """
    keys = [f"header {operation} {header}"] if header else []
    if "seq_id" in body or "model_seq_id" in body:
        keys.append(f"body {operation} {hashlib.sha256(raw).hexdigest()}")
    return tuple(keys)


def _run(operation: str, run: Callable[[], Answer | Later], told: Future[Answer]) -> None:
    """Run it, and tell what came of it, now or later."""
    try:
        answer = run()
    except Exception as error:
        _note(operation, error)
        told.set_exception(error)
        return
    if isinstance(answer, Later):
        answer.answer.add_done_callback(lambda done: _pass_on(operation, done, told))
    else:
        told.set_result(answer)


def _pass_on(operation: str, done: Future[Answer], told: Future[Answer]) -> None:
    if (error := done.exception()) is not None:
        _note(operation, error)
        told.set_exception(error)
    else:
        told.set_result(done.result())


def _note(operation: str, error: BaseException) -> None:
    if isinstance(error, OperationError):
        log.warning("%s refused: %s", operation, error.detail)
        return
    log.error("%s failed: %s: %s", operation, type(error).__name__, error)
    log.debug("where %s failed", operation, exc_info=error)
