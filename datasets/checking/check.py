"""Read a file of rows once: its format, its digest, how long its rows are, and everything that is wrong with it. Pure.

Memory is bounded, whatever the file holds: one line, the first examples of each problem, a few samples, and a number of
eight bytes for each row that is compared with the others.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

import orjson

from datasets.checking.formats import DatasetFormat, check_row, format_of, missing_field, turns_of
from datasets.checking.lengths import Lengths
from datasets.checking.lines import FileLine, read_lines
from datasets.checking.problems import LONGEST_SHOWN, WORDINGS, Finding, Findings, RowProblem

MOST_COMPARED = 2**20
"""Rows: of more, the later ones are not compared, because what they are compared by has to fit into memory."""
SAMPLED = frozenset({1, 2, 3, 10, 100, 1_000, 10_000, 100_000, 1_000_000})
"""Rows that are kept to be shown, by their number."""
MOST_TURNS, LONGEST_TURN = 20, 2_000
"""What is kept of a sample: parts, and characters of each."""
_MARK = b"\xef\xbb\xbf"
_PACKED = (b"\x1f\x8b", b"PK\x03\x04", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ", b"PAR1", b"Obj\x01", b"\x89HDF")
_NO_NUMBERS = (b"NaN", b"Infinity", b"-Infinity")
_TOLD_SECONDS = 1.0


@dataclass(frozen=True)
class CheckedRows:
    """What a file holds. `rows` are those with nothing wrong that refuses; `lengths` in characters."""

    format: DatasetFormat | None
    rows: int
    size_bytes: int
    sha256: str
    is_refused: bool
    findings: list[Finding]
    lengths: Lengths
    samples: list[dict[str, Any]]


def check_rows(file: BinaryIO, *, told: Callable[[int], object] = lambda _: None) -> CheckedRows:
    """Check all of it; `told` hears once a second how many bytes were read. Errors: those of `file` and of `told`."""
    return _Check(told).run(file)


class _Check:
    def __init__(self, told: Callable[[int], object]) -> None:
        self._told, self._told_at = told, time.monotonic()
        self._digest, self._size = hashlib.sha256(), 0
        self._findings, self._lengths = Findings(), Lengths()
        self._format: DatasetFormat | None = None
        self._rows, self._line, self._refused = 0, 0, False
        self._is_packed = False
        self._compared: set[int] = set()
        self._samples: list[dict[str, Any]] = []

    def run(self, file: BinaryIO) -> CheckedRows:
        for line in read_lines(file, seen=self._see):
            self._take(line)
        if not self._rows and not self._findings.refuse:
            self._findings.add(RowProblem.NO_ROWS, 1)
        return CheckedRows(
            self._format, self._rows, self._size, self._digest.hexdigest(), self._findings.refuse,
            self._findings.in_order(), self._lengths, self._samples,
        )  # fmt: skip

    def _see(self, piece: bytes) -> None:
        self._digest.update(piece)
        self._size += len(piece)
        if time.monotonic() - self._told_at >= _TOLD_SECONDS:
            self._told_at = time.monotonic()
            self._told(self._size)

    def _tell(self, problem: RowProblem, where: str = "", value: object = b"") -> None:
        self._refused = self._refused or WORDINGS[problem].refuses
        self._findings.add(problem, self._line, where, value)

    def _take(self, line: FileLine) -> None:
        self._line, self._refused = line.number, False
        text = self._without_marks(line)
        if self._is_packed:
            return  # what its lines are says nothing of the rows in it
        if line.is_cut:
            self._tell(RowProblem.LINE_TOO_LONG, value=text)
        elif not text or text.isspace():
            self._tell(RowProblem.BLANK_LINE)
        elif (row := self._read(text)) is not None:
            self._look_at(row, text)

    def _without_marks(self, line: FileLine) -> bytes:
        text = line.text
        if line.number == 1:
            self._is_packed = text.startswith(_PACKED)
            if self._is_packed:
                self._tell(RowProblem.COMPRESSED, value=text)
            if text.startswith(_MARK):
                self._tell(RowProblem.BYTE_ORDER_MARK)
                text = text[len(_MARK) :]
        if text.endswith(b"\r"):
            self._tell(RowProblem.CARRIAGE_RETURN)
            text = text[:-1]
        return text

    def _read(self, text: bytes) -> dict[str, Any] | None:
        try:
            row = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            self._tell_unreadable(text, error.pos)
            return None
        if type(row) is dict:
            return row
        self._tell(RowProblem.NOT_AN_OBJECT, value=text)
        return None

    def _tell_unreadable(self, text: bytes, position: int) -> None:
        try:
            decoded = text.decode()
        except UnicodeDecodeError as error:
            around = text[max(0, error.start - LONGEST_SHOWN // 4) : error.start + LONGEST_SHOWN // 2]
            found = text[error.start : error.end].hex(" ")
            self._tell(RowProblem.NOT_UTF8, f"byte {error.start + 1:,} ({found})", around.decode("utf-8", "replace"))
            return
        at = max(0, position - LONGEST_SHOWN // 4)
        is_number = text[len(decoded[:position].encode()) :].startswith(_NO_NUMBERS)
        problem = RowProblem.NOT_A_NUMBER if is_number else RowProblem.NOT_JSON
        self._tell(problem, f"column {position + 1:,}", decoded[at : at + LONGEST_SHOWN])

    def _look_at(self, row: dict[str, Any], text: bytes) -> None:
        kind = format_of(row)
        if self._format is None:
            self._format = kind
        if kind is None or kind is not self._format:
            self._tell_format(row, kind)
            return
        length = check_row(row, kind, self._tell)
        if self._refused:
            return
        self._rows += 1
        self._lengths.add(length)
        self._compare(text)
        if self._rows in SAMPLED:
            self._samples.append(_sample(self._line, row, kind))

    def _tell_format(self, row: dict[str, Any], kind: DatasetFormat | None) -> None:
        if kind is not None:
            self._tell(RowProblem.OTHER_FORMAT, value=row)
        elif self._format is None:
            self._tell(RowProblem.NO_FORMAT, value=row)
        else:
            self._tell(RowProblem.MISSING_FIELD, missing_field(row, self._format), row)

    def _compare(self, text: bytes) -> None:
        number = hash(text)  # of 64 bits with a key of this process, so nobody can make two rows look the same
        if number in self._compared:
            self._tell(RowProblem.DUPLICATE, value=text)
        elif len(self._compared) < MOST_COMPARED:
            self._compared.add(number)
            if len(self._compared) == MOST_COMPARED:
                self._tell(RowProblem.NOT_COMPARED)


def _sample(line: int, row: dict[str, Any], kind: DatasetFormat) -> dict[str, Any]:
    turns = turns_of(row, kind)
    shown = [
        {
            "label": turn.label,
            "text": turn.text[:LONGEST_TURN].replace("\0", "\N{REPLACEMENT CHARACTER}"),  # which no database keeps
            "learnt": turn.is_learnt,
            "cut": len(turn.text) > LONGEST_TURN,
        }
        for turn in turns[:MOST_TURNS]
    ]
    return {"line": line, "turns": shown, "more": max(0, len(turns) - MOST_TURNS)}
