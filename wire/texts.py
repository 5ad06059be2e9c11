"""What a text that others read may not hold. Pure."""

from __future__ import annotations

import unicodedata

_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories that hide or reorder what stands beside them, or break the line."""


def unseen_in(text: str, *, lines: bool = False) -> str:
    """What of this the text may hold, in words; "" where there is none. With `lines` it may have several, and tabs."""
    shown = text.replace("\r\n", "\n").translate({ord("\n"): " ", ord("\t"): " "}) if lines else text
    if not any(unicodedata.category(letter) in _UNSEEN for letter in shown):
        return ""
    return (
        "a control character or an invisible one" if lines else "a control character, an invisible one or a line break"
    )
