"""Brings database, accounts, catalog and static files up to date in one process: several would each start Django.

Run as a process of its own. Writes one JSON object a line on standard output: `{"doing": text}` before a step,
`{"output": text}` after it, `{"error": text}` if it failed, with the traceback on standard error; `"passing": true`
beside it where a server broke off, so that the same may succeed when it is tried again.
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
import traceback
from pathlib import Path

import django
import redis
from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.db import InterfaceError, OperationalError

STEPS: list[tuple[str, list[str]]] = [
    ("Migrating the database", ["migrate", "--noinput", "--verbosity", "0"]),
    ("Setting up accounts", ["setup_accounts"]),
    ("Loading the catalog where it is empty", ["load_catalog", "--if-empty"]),
]
SOURCES = "src/*"  # what the stylesheet is compiled from is not served
BROKEN_OFF = (OperationalError, InterfaceError, redis.RedisError)
COLLECT = ["collectstatic", "--noinput", "--clear", "--verbosity", "0", "--ignore", SOURCES]


def tell(**message: str | bool) -> None:
    print(json.dumps(message), flush=True)


def static_state() -> str:
    """A digest of names, sizes and times of all static files, because compressing them again takes seconds."""
    sha = hashlib.sha256()
    for finder in get_finders():
        for name, storage in finder.list([SOURCES]):
            stat = Path(storage.path(name)).stat()
            sha.update(f"{name} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return sha.hexdigest()


def collect_static() -> None:
    """Collect and compress the static files if they are not the ones that were collected last."""
    made_from = Path(settings.STATIC_ROOT) / ".made-from"
    state = static_state()
    if not made_from.exists() or made_from.read_text() != state:
        tell(doing="Collecting static files")
        call_command(*COLLECT)
        made_from.write_text(state)


def main() -> int:
    try:
        django.setup()
        for doing, command in STEPS:
            tell(doing=doing)
            output = io.StringIO()
            call_command(*command, stdout=output)
            tell(output=output.getvalue().strip())
        collect_static()
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        # Of the table that Django keeps its migrations in it tells by another error, with the database's behind it.
        passing = any(isinstance(each, BROKEN_OFF) for each in (error, error.__context__))
        tell(error=" ".join(str(error).split()) or type(error).__name__, passing=passing)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
