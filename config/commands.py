"""The command line: Django's, with one line where the settings or the database are to blame."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from django.core.management import execute_from_command_line
from django.db import Error, InterfaceError, OperationalError, connection

from config.environment_variable import SettingError
from config.keys import require_keys

WITHOUT_KEYS = {"", "help", "version", "check", "collectstatic", "make_keys", "make_sealing_key", "makemigrations"}
"""Commands that an image is made with, or its keys."""
NO_DATABASE = "Start ./run, set DATABASE_URL, or use ./run manage, which starts one: "


def run(arguments: Sequence[str]) -> None:
    """Run one command. Ends the process with a line on standard error for what a reader can put right."""
    try:
        if "".join(arguments[1:2]) not in WITHOUT_KEYS:
            require_keys()
        execute_from_command_line(list(arguments))
    except (SettingError, Error) as error:
        if sentence := _sentence(error):
            sys.exit(f"slipway: {sentence}")
        raise


def _sentence(error: Exception) -> str:
    """What to put right; "" where it is our mistake."""
    if isinstance(error, SettingError):
        return str(error)
    from accounts.tables import explain  # noqa: PLC0415  # models of Django can be imported by now

    connection.close()
    if found := explain(error):
        return found
    if isinstance(error, OperationalError | InterfaceError):
        reason = " ".join(str(error).split()) or type(error).__name__
        return f"The database cannot be used. {NO_DATABASE}{reason}"
    return ""
