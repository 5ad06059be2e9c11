"""When clients were last heard of: the inactivity clock of the process, and which sessions are still alive."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from contextlib import suppress

SILENT_AFTER_S = 60.0


class Sessions:
    """Sessions are opened by create_session and kept alive by session_heartbeat, every 10 s in the official SDK."""

    def __init__(self, note: Callable[[], None] = lambda: None) -> None:
        """`note` writes down that there was one; it is called until it succeeds once."""
        self._note = note
        self._noted = False
        self._heard: dict[str, float] = {}
        self._last_call = time.monotonic()

    def open(self) -> str:
        session_id = f"session-{uuid.uuid4().hex[:12]}"
        self.beat(session_id)
        return session_id

    def beat(self, session_id: str) -> None:
        self._heard[session_id] = time.monotonic()
        if not self._noted:
            with suppress(OSError):  # a full disk: the next beat tries again
                self._note()
                self._noted = True

    def is_silent(self, session_id: str, last_used: float) -> bool:
        """Has the owner of a model neither beaten nor used it for a minute?"""
        return time.monotonic() - max(last_used, self._heard.get(session_id, 0.0)) > SILENT_AFTER_S

    def touch(self) -> None:
        """A call came that counts as activity."""
        self._last_call = time.monotonic()

    @property
    def idle_seconds(self) -> float:
        return time.monotonic() - self._last_call
