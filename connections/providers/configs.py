"""The configuration of a connection, as a kind's own frozen dataclass declares it. Pure.

A kind writes a dataclass whose fields are made by `setting(...)`; forms, checks and the stored form follow from it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from wire.errors import Violation

C = TypeVar("C")
_TOLD = "slipway"
_SHOWN = 80


@dataclass(frozen=True)
class ConfigField:
    """One thing that a connection's configuration says.

    `read` makes the value of what was written, and raises `ValueError` with what to write instead. `variable` is the
    environment variable that wins where it is set. `is_long` says that it has lines.
    """

    name: str
    label: str
    help: str
    default: Any
    read: Callable[[str], Any]
    required: bool = False
    variable: str = ""
    placeholder: str = ""
    choices: tuple[str, ...] = ()
    is_long: bool = False


def setting(
    label: str,
    help: str,
    *,
    default: Any = "",
    read: Callable[[str], Any] = str.strip,
    required: bool = False,
    variable: str = "",
    placeholder: str = "",
    choices: tuple[str, ...] = (),
    is_long: bool = False,
) -> Any:
    """A field of a kind's dataclass."""
    told = {
        "label": label,
        "help": help,
        "read": read,
        "required": required,
        "variable": variable,
        "placeholder": placeholder,
        "choices": choices,
        "is_long": is_long,
    }
    return dataclasses.field(default=default, metadata={_TOLD: told})


def config_fields(config: type) -> tuple[ConfigField, ...]:
    """What the dataclass declares, in order."""
    return tuple(
        ConfigField(name=field.name, default=field.default, **field.metadata[_TOLD])
        for field in dataclasses.fields(config)
    )


def read_config(config: type[C], given: Mapping[str, Any]) -> tuple[C, tuple[Violation, ...]]:
    """The configuration, with the default where nothing (good) is given; and what is wrong with what is given."""
    fields = {field.name: field for field in config_fields(config)}
    violations = [
        Violation(name, f"There is no setting {name[:_SHOWN]!r}. There are: {', '.join(fields)}.")
        for name in given
        if name not in fields
    ]
    values: dict[str, Any] = {}
    for name, field in fields.items():
        written = given.get(name)
        if written is None or (isinstance(written, str) and not written.strip()):
            if field.required:
                violations.append(Violation(name, f"{field.label} is missing. {field.help}"))
            continue
        try:
            values[name] = field.read(str(written))
        except ValueError as error:
            violations.append(Violation(name, f"{field.label} {str(written)[:_SHOWN]!r} is not usable: {error}."))
    return config(**values), tuple(violations)


def stored_config(config: Any) -> dict[str, Any]:
    """What of it differs from the defaults: the row's own words, as they are written in a form."""
    defaults = {field.name: field.default for field in config_fields(type(config))}
    return {name: value for name, value in dataclasses.asdict(config).items() if value != defaults[name]}


def positive(written: str) -> int:
    """A whole number of at least 1. Errors: `ValueError`."""
    if not written.strip().isascii() or not written.strip().isdecimal() or int(written) < 1:
        raise ValueError("use a whole number of at least 1")
    return int(written)


def one_of(choices: tuple[str, ...]) -> Callable[[str], str]:
    """Reads one of the choices. Errors: `ValueError`, of what it answers."""

    def read(written: str) -> str:
        if written.strip() not in choices:
            raise ValueError(f"use one of: {', '.join(choices)}")
        return written.strip()

    return read
