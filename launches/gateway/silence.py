"""Who was just found silent, for the moment in which asking again would find the same."""

from __future__ import annotations

import time
from collections import OrderedDict

from launches.gateway.admission import AdmissionRequest, Refused

SILENT_SECONDS = 0.5
"""Short beside what a caller is told to wait, and long beside a lookup, two attempts to connect and a note of it."""
MOST_REMEMBERED = 1024


class Silence:
    """The refusals that one event loop gave lately, each to the one who asked and for what they asked."""

    def __init__(self) -> None:
        self._refused: OrderedDict[AdmissionRequest, tuple[float, Refused]] = OrderedDict()

    def note(self, question: AdmissionRequest, refusal: Refused) -> None:
        """Who was asked for did not answer."""
        self._refused.pop(question, None)
        self._refused[question] = time.monotonic() + SILENT_SECONDS, refusal
        if len(self._refused) > MOST_REMEMBERED:
            self._refused.popitem(last=False)

    def require_none(self, question: AdmissionRequest) -> None:
        """Pass where it is worth asking. Errors: the `Refused` that was given a moment ago."""
        until, refusal = self._refused.get(question, (0.0, None))
        if refusal is not None and time.monotonic() < until:
            raise Refused(
                refusal.code, refusal.message, http_status=refusal.http_status, retry_after=refusal.retry_after
            )
