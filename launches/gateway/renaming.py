"""Names that something has elsewhere, brought back to those it has here while an answer passes. Pure.

An answer is passed on as it comes, so that a stream stays one: of each piece no more is held back than what may be the
beginning of a name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

Names = Sequence[tuple[bytes, bytes]]
"""In pairs, what is written there and what is written here instead; none begins with another."""


class Renaming:
    """The names in one answer."""

    def __init__(self, names: Names) -> None:
        self._here = dict(names)
        self._pattern = re.compile(b"|".join(re.escape(name) for name in sorted(self._here, key=len, reverse=True)))
        self._held = b""

    def feed(self, data: bytes, *, over: bool) -> bytes:
        """What can be passed on now; all that is left where it is `over`."""
        text = self._held + data
        kept = 0 if over else self._beginning_at_the_end_of(text)
        whole, self._held = text[: len(text) - kept], text[len(text) - kept :]
        return self.replace(whole)

    def replace(self, text: bytes) -> bytes:
        """The same in a text that is whole."""
        return self._pattern.sub(lambda found: self._here[found[0]], text)

    def _beginning_at_the_end_of(self, text: bytes) -> int:
        """Bytes at the end of the text with which a name may begin, after the last that is whole."""
        after = max((found.end() for found in self._pattern.finditer(text)), default=0)
        longest = max(map(len, self._here)) - 1
        for size in range(min(longest, len(text) - after), 0, -1):
            if any(name.startswith(text[-size:]) for name in self._here):
                return size
        return 0
