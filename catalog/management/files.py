"""Read the catalog document that a command is given."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

from django.core.management import CommandError, CommandParser

from catalog.files.document import Document
from catalog.files.problems import DocumentError
from catalog.files.reader import read_file
from catalog.files.scan import read_limited


@dataclass(frozen=True)
class ReadCatalogFile:
    """A document with the name of its file and the sha256 of the file's bytes."""

    document: Document
    source: str
    sha256: str


def add_renewing(parser: CommandParser) -> None:
    """The option that lets a plan bring what is there to the newest common launch fields."""
    parser.add_argument(
        "--renew-fields",
        action="store_true",
        help="bring shapes that are there to the newest common launch fields, too",
    )


def read_catalog(path: Path) -> ReadCatalogFile:
    """The file's document; `-` reads standard input. Errors: `CommandError`, every problem a line."""
    source = "standard input" if str(path) == "-" else str(path)
    try:
        if str(path) == "-":
            data = read_limited(sys.stdin.buffer)
        else:
            with path.open("rb") as stream:
                data = read_limited(stream)
    except OSError as error:
        raise CommandError(f"{source}: cannot be read: {error.strerror or error}") from None
    try:
        return ReadCatalogFile(read_file(data, source=source), source, hashlib.sha256(data).hexdigest())
    except DocumentError as error:
        raise CommandError(f"Nothing was changed.\n{error}") from None
