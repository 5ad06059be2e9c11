"""What is wrong with a field of a body, in our own words: with what was given, the limit, and what to send."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail

from api.parsing import shown

OWN = "own"
"""The code of an error that says everything by itself."""
_KINDS: tuple[tuple[type, str], ...] = (
    (serializers.ChoiceField, "is none of its values"),
    (serializers.BooleanField, "is neither true nor false"),
    (serializers.IntegerField, "is no whole number"),
    (serializers.CharField, "is no text"),
    (serializers.Serializer, "is no JSON object"),
)


def sentence_of(field: Any, error: ErrorDetail, given: Any) -> str:
    """The sentence for one error of the field."""
    if error.code == OWN:
        return str(error)
    if error.code == "max_length":
        return f"It has {len(str(given)):,} characters; the limit is {field.max_length:,}. Shorten it."
    return f"{_wrong_with(field, error, given)}. {_remedy(field)}"


def _wrong_with(field: Any, error: ErrorDetail, given: Any) -> str:
    match error.code:
        case "max_value":
            return f"{shown(given)} is above the limit of {field.max_value:,}"
        case "min_value":
            return f"{shown(given)} is below the limit of {field.min_value:,}"
        case "null_characters_not_allowed" | "surrogate_characters_not_allowed":
            return f"{shown(given)} holds a character that no text may hold"
        case "blank":
            return "It is blank"
    return f"{shown(given)} {next((word for kind, word in _KINDS if isinstance(field, kind)), 'cannot be read')}"


def _remedy(field: Any) -> str:
    if isinstance(field, serializers.ChoiceField):
        return f"Use one of {', '.join(str(choice) for choice in field.choices)}."
    if isinstance(field, serializers.BooleanField):
        return "Use true or false."
    if isinstance(field, serializers.IntegerField):
        low, high = field.min_value, field.max_value
        return "Use a whole number." if low is None or high is None else f"Use {low:,} to {high:,}."
    if isinstance(field, serializers.Serializer):
        return f"Use an object with any of {', '.join(name for name, f in field.fields.items() if not f.read_only)}."
    return "Send another one, or leave it out."
