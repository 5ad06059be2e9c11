"""What comes right after the answer to a request: news that may be lost, for which nobody who asked has to wait."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import ContextVar

import structlog

log = structlog.get_logger()
Call = Callable[[], object]

awaiting_answer: ContextVar[list[Call] | None] = ContextVar("awaiting_answer", default=None)
"""Of the request that is being served, in its thread, too: what is to be done once its answer was sent."""


def after_answer(call: Call) -> None:
    """Do it once the request is answered; at once where none is being served. It raises nothing that anybody awaits."""
    waiting = awaiting_answer.get()
    if waiting is None:
        call()
    else:
        waiting.append(call)


def do_all(calls: Iterable[Call]) -> None:
    """Each of them, in this order, whatever becomes of those before it: the request is answered anyhow."""
    for call in calls:
        try:
            call()
        except Exception:
            log.exception("afterwards.lost")
