"""The name of this app's task that takes a row; `queues.hints` sends it."""

from __future__ import annotations

ADVANCE = "datasets.advance"
