"""What a text that is set for a launch may be, whoever sets it: a user, or a publisher as default or choice. Pure."""

from __future__ import annotations

import re

from wire.texts import unseen_in

LONGEST_SHOWN = 60
"""Characters of what was sent that a sentence repeats."""
_REGION = re.compile(r"[A-Za-z0-9_-]*")


def shortened(text: str) -> str:
    """At most as much of what was sent as a sentence repeats."""
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 3] + "..."


def refuse_text(name: str, text: str, *, minimum: int | float | None, maximum: int | float | None) -> str:
    """Why the launch field `name` cannot hold `text`, with the remedy; "" where it can.

    `minimum` and `maximum` bound its length (inclusive); blanks around a text are taken off before.
    """
    if maximum is not None and (refusal := refuse_length(text, int(maximum))):
        return refusal
    if minimum is not None and len(text) < minimum:
        return f"It has {len(text)} characters; at least {int(minimum)} are needed. Write a longer one."
    if refusal := refuse_unseen(text):
        return refusal
    if name == "region" and not _REGION.fullmatch(text):
        return f"{text[:LONGEST_SHOWN]!r} is not a region. Use letters, digits, _ and -, or leave it empty."
    return ""


def refuse_unseen(text: str, *, lines: bool = False) -> str:
    """That the text holds what nobody sees, with the remedy; "" where it does not. `lines`: it may have several."""
    unseen = unseen_in(text, lines=lines)
    return f"It holds {unseen}. Remove it." if unseen else ""


def refuse_length(text: str, limit: int) -> str:
    """That the text has more than `limit` characters, with the remedy; "" where it has not."""
    excess = len(text) - limit
    return f"It has {len(text)} characters; the limit is {limit}. Shorten it by {excess}." if excess > 0 else ""
