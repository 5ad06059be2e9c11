"""Whether a connection takes new launches. Pure.

    OPEN <--> PAUSED --> RETIRED
      |                     ^
      +---------------------+

OPEN     takes new launches
PAUSED   takes none, with a reason; what runs there goes on
RETIRED  hidden, its secret wiped, for ever; the launches that ran there keep their link to it
"""

from __future__ import annotations

from enum import StrEnum


class ConnectionState(StrEnum):
    """Whether a connection takes new launches."""

    OPEN = "OPEN"
    PAUSED = "PAUSED"
    RETIRED = "RETIRED"
