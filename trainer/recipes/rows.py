"""The rows of a dataset: a file of one JSON object a line, of which one row at a time is in memory."""

from __future__ import annotations

import codecs
import hashlib
import json
from array import array
from pathlib import Path
from typing import Any, BinaryIO

from trainer.errors import OperationError

LONGEST_LINE = 64 * 1024 * 1024


class DatasetError(OperationError):
    """The dataset cannot be trained on as it is; the text names the line and the remedy."""


class Rows:
    """Reads rows by their index, from 0; blank lines count as lines and are no rows. Eight bytes of memory a row."""

    def __init__(self, path: Path, digest: str | None) -> None:
        """Read the file once, for its lines and its sha256. Raises DatasetError where that is another than `digest`.

        What is opened here is what is read later, whatever becomes of the path.
        """
        try:
            self._file: BinaryIO = path.open("rb")
        except OSError as error:
            raise DatasetError(f"The dataset cannot be read: {error.strerror or error}.") from error
        self._starts = array("Q")
        self._lines = array("Q")
        found = self._index()
        if digest is not None and found != digest:
            raise DatasetError(
                f"The dataset's file is not the one that was asked for: its sha256 is {found}, and {digest} was "
                "expected. Upload it again, and launch with that."
            )
        if not self._starts:
            raise DatasetError("The dataset holds no row. Give one with a JSON object on each line.")

    def __len__(self) -> int:
        return len(self._starts)

    def line(self, index: int) -> int:
        """The number of the row's line, from 1."""
        return self._lines[index]

    def read(self, index: int) -> dict[str, Any]:
        """The row. Raises DatasetError where its line is no JSON object."""
        self._file.seek(self._starts[index])
        line = self._file.readline()
        try:
            row = json.loads(line.decode("utf-8-sig" if self.line(index) == 1 else "utf-8"))
        except (ValueError, RecursionError) as error:
            words = "no UTF-8" if isinstance(error, UnicodeDecodeError) else "no JSON"
            raise DatasetError(f"Line {self.line(index)} is {words}. Write one JSON object on it.") from error
        if not isinstance(row, dict):
            raise DatasetError(f"Line {self.line(index)} is no JSON object. Write one with the fields of its format.")
        return row

    def _index(self) -> str:
        digest, start, number = hashlib.sha256(), 0, 1
        while line := self._file.readline(LONGEST_LINE + 1):
            if len(line) > LONGEST_LINE:
                raise DatasetError(f"Line {number} is longer than {LONGEST_LINE // 2**20} MiB. Split it.")
            digest.update(line)
            if (line.removeprefix(codecs.BOM_UTF8) if number == 1 else line).strip():
                self._starts.append(start)
                self._lines.append(number)
            start, number = start + len(line), number + 1
        return digest.hexdigest()
