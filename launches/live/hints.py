"""The names of this app's tasks; `queues.hints` sends them."""

from __future__ import annotations

ADVANCE = "launches.advance"
LOOK = "launches.look"
OBSERVE = "launches.observe"
PURGE = "launches.purge"
RECONCILE = "launches.reconcile"
RUN = "launches.run"
