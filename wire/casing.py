"""snake_case in Python, camelCase on the wire. Pure."""

from __future__ import annotations

from functools import lru_cache
from typing import Any


@lru_cache(maxsize=1_024)  # a page of a hundred snapshots asks for the same twenty names of each
def camel(name: str) -> str:
    """snake_case as camelCase; camelCase stays."""
    head, *rest = name.split("_")
    return head + "".join(word[:1].upper() + word[1:] for word in rest)


@lru_cache(maxsize=1_024)
def snake(name: str) -> str:
    """camelCase as snake_case."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def camel_keys(value: Any) -> Any:
    """The value with the keys of its dictionaries in camelCase, at every depth."""
    if isinstance(value, dict):
        return {camel(key): camel_keys(inner) for key, inner in value.items()}
    return value
