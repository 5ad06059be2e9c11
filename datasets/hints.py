"""The names of this app's tasks that take a row; `queues.hints` sends them."""

from __future__ import annotations

ADVANCE = "datasets.advance"
COUNT = "datasets.count"
