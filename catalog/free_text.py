"""What people leave in their own words with what they do: reasons, notes, messages. Pure."""

from __future__ import annotations

from catalog.text_rules import refuse_length, refuse_unseen
from wire.errors import Violation


def wrong_words(field: str, text: str, *, longest: int) -> list[Violation]:
    """Why `text` cannot be kept as `field`, with the remedy; several lines are fine. `longest` counts characters."""
    refusal = refuse_unseen(text, lines=True) or refuse_length(text, longest)
    return [Violation(field, refusal)] if refusal else []
