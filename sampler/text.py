"""Text out of tokens, as they come: whole characters, and nothing of what may turn out to be a stop. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

MOST_HELD = 4
"""Tokens of one character: what is no character by then never becomes one."""
BROKEN = "\ufffd"


class TextStream:
    """The text of one choice. `stopped` says that one of the stops was found: the text ends before it."""

    def __init__(self, decode: Callable[[Sequence[int]], str], stops: Sequence[str]) -> None:
        self._decode = decode
        self._stops = tuple(stops)
        self._tokens: list[int] = []
        self._read = 0
        self._held = ""
        self.stopped = False

    def push(self, token: int) -> str:
        """The text that one more token makes certain."""
        self._tokens.append(token)
        whole = self._decode(self._tokens)
        if whole.endswith(BROKEN) and len(self._tokens) - self._read < MOST_HELD:
            return ""
        return self._release(self._take(whole))

    def finish(self) -> str:
        """What is left when no token comes any more."""
        if self.stopped:
            return ""
        text = self._release(self._take(self._decode(self._tokens)))
        rest, self._held = self._held, ""
        return text if self.stopped else text + rest

    def _take(self, whole: str) -> str:
        """What the tokens add after those read, kept once more: how a token reads depends on the one before."""
        new = whole[len(self._decode(self._tokens[: self._read])) :]
        self._tokens = self._tokens[self._read :]
        self._read = len(self._tokens)
        return new

    def _release(self, new: str) -> str:
        text = self._held + new
        found = [place for place in (text.find(stop) for stop in self._stops) if place >= 0]
        if found:
            self.stopped, self._held = True, ""
            return text[: min(found)]
        held = max((_overlap(text, stop) for stop in self._stops), default=0)
        self._held = text[len(text) - held :]
        return text[: len(text) - held]


def _overlap(text: str, stop: str) -> int:
    """How many of the last characters could be the first ones of the stop."""
    return next((size for size in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:size])), 0)
