"""Where a push stands. Pure."""

from __future__ import annotations

from enum import StrEnum


class PushState(StrEnum):
    """What became of it.

    PUSHING --> DONE
       +------> FAILED

    What a failed one placed stays there, without a manifest: the next push of the same goes on from it.
    """

    PUSHING = "PUSHING"
    DONE = "DONE"
    FAILED = "FAILED"
