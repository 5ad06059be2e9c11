"""What this machine says of a trainer that it started, said of another process that it starts alike. Pure."""

from __future__ import annotations

import re

_TRAINER = re.compile(r"(?<![\w./-])trainer(?=(s|'s)?(?![\w./-]*[\w/-]))")
"""As a word, and no part of a path or of another name."""
_LIMIT = "SLIPWAY_TRAINER_MEMORY_GB"
_RESUME = " Resume to go on."


def said_of(what: str, words: str, *, limit: str = _LIMIT) -> str:
    """The words with `what` in a trainer's place; `limit` is the setting of its memory.

    Of several lines the first: what follows are lines of its log. Nobody resumes it by itself.
    """
    first, line, rest = words.partition("\n")
    first = _TRAINER.sub(what, first).replace(_LIMIT, limit).replace(_RESUME, "")
    return f"{first}{line}{rest}"
