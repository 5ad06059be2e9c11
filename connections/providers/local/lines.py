"""What a process says, line by line, for whoever must not wait for its next word. Standard library only."""

from __future__ import annotations

import os
import select
import time

CHUNK = 1 << 16


class LineReader:
    """The lines that come through a pipe."""

    def __init__(self, pipe: int) -> None:
        self._pipe, self._begun = pipe, b""
        os.set_blocking(pipe, False)

    def wait(self, seconds: float) -> list[str]:
        """The whole lines that there are, or that come first within that time."""
        if not select.select([self._pipe], [], [], seconds)[0]:
            return []
        chunk = self._read()
        if not chunk:
            time.sleep(seconds)  # nobody writes any more, so the pipe is readable for ever
        *whole, self._begun = (self._begun + chunk).split(b"\n")
        return _texts(whole)

    def finish(self) -> list[str]:
        """What is left of one that has ended, the last line whole or not."""
        while chunk := self._read():
            self._begun += chunk
        return _texts(self._begun.split(b"\n"))

    def _read(self) -> bytes:
        try:
            return os.read(self._pipe, CHUNK)
        except BlockingIOError:
            return b""


def _texts(lines: list[bytes]) -> list[str]:
    return [text for line in lines if (text := line.decode("utf-8", "replace").strip())]
