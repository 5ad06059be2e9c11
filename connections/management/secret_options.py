"""A secret that a command is told: read from a file or from stdin, and never an argument, which others could see."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser


def add_secret_options(parser: CommandParser, *, holds: str) -> None:
    """Name the arguments; `holds` says what is in the file."""
    secret = parser.add_mutually_exclusive_group()
    secret.add_argument("--secret-file", type=Path, metavar="FILE", help=f"the file that holds {holds}")
    secret.add_argument("--secret-stdin", action="store_true", help="read it from stdin")


def told_secret(options: dict[str, Any]) -> str:
    """What was told to read, "" where nothing was. Errors: `CommandError`."""
    if options["secret_stdin"]:
        return sys.stdin.read().strip()
    if options["secret_file"] is None:
        return ""
    try:
        return str(options["secret_file"].read_text()).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"The secret cannot be read from {options['secret_file']}: {error}") from None
