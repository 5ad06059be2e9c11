"""An environment variable: how its value is read, and what is said where that cannot be used."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class SettingError(Exception):
    """An environment variable holds something that cannot be used; the message names it and the remedy."""


@dataclass(frozen=True)
class Setting:
    """One environment variable: how to read it, what it is when absent, what it means.

    A secret may stand in a file instead, which the variable's name with _FILE names.
    """

    name: str
    parse: Callable[[str], Any]
    default: Any
    help: str
    is_secret: bool = False

    def read(self) -> Any:
        """The value in force. Errors: `SettingError`."""
        raw = self.raw()
        if raw == "":
            return self.default
        try:
            return self.parse(raw)
        except ValueError as error:
            shown = self.name if self.is_secret else f"{self.name}={raw!r}"
            raise SettingError(f"{shown} is not usable: {error}") from None

    def raw(self) -> str:
        """The text as it was given; "" where it was not. Errors: `SettingError`."""
        given, beside = os.environ.get(self.name, ""), f"{self.name}_FILE"
        place = os.environ.get(beside, "") if self.is_secret else ""
        if not place:
            return given
        if given:
            raise SettingError(f"{self.name} and {beside} are both set: keep one of them")
        try:
            found = Path(place).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            raise SettingError(f"{beside}={place} cannot be read: {reason}") from None
        if not found:
            raise SettingError(f"{beside}={place} is empty: write the value into the file, or unset {beside}")
        return found
