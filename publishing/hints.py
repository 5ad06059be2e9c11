"""The names of this app's tasks; `launches.live.hints` sends them."""

from __future__ import annotations

ADVANCE = "publishing.advance"
