"""One input of a form, as `templates/components/input.html` shows it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Option:
    """One choice of a select."""

    value: str
    label: str


@dataclass(frozen=True)
class Input:
    """A text input; with `options` a select, with `flag` a box, with `long` a text of several lines.

    `prefix` begins its element's id, `default` is what stands in it where nobody has set anything (None: no script
    asks), `suggestions` are offered while somebody types. `wide` takes all columns; what is `locked` is only shown.
    """

    prefix: str
    name: str
    label: str
    help: str
    value: str
    default: str | None = None
    limits: str = ""
    placeholder: str = ""
    keyboard: str = "text"
    optional: bool = False
    flag: bool = False
    long: bool = False
    wide: bool = False
    locked: bool = False
    options: tuple[Option, ...] = ()
    suggestions: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()

    @property
    def element(self) -> str:
        """The id of its element."""
        return element_of(self.prefix, self.name)


def element_of(prefix: str, name: str) -> str:
    """The id of an input's element, as style sheets and scripts may select it: without dots."""
    return f"{prefix}{name.replace('.', '-')}"


def options_of(choices: Iterable[tuple[str, str]], value: str, *, odd: str) -> tuple[Option, ...]:
    """The choices (value and label), before them what was sent where it is none of them, so that it stays to be seen.

    `odd` says what that is.
    """
    options = [Option(*choice) for choice in choices]
    if options and value not in {option.value for option in options}:
        options = [Option(value, f"{value} ({odd})".strip()), *options]
    return tuple(options)
