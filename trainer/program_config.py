"""CONFIG.json of the programs that do one thing and end: `python -m trainer.PROGRAM CONFIG.json`. Standard library."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from trainer.errors import ConfigError


def read_program_config(
    program: str, arguments: Sequence[str], check: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """What the one argument's file holds, once `check` finds nothing in it.

    Raises ConfigError, as `check` may; what it stumbles over (OSError, ValueError, KeyError, TypeError) is one, too.
    """
    if len(arguments) != 1:
        raise ConfigError(f"Usage: python -m trainer.{program} CONFIG.json")
    try:
        config: dict[str, Any] = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
        check(config)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"CONFIG.json cannot be read: {type(error).__name__}: {error}") from error
    return config
