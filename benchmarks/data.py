"""A dataset of a million rows: its check beside a loop that reads every line by Python's json, and its tokens counted.

checked   seconds of CPU time; the floor is that of the loop
counted   seconds from the question to the answer for a tenth of the rows, by the tokenizer of the demo model
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.bare_rows import BARE, CHECKED
from benchmarks.noted import note
from benchmarks.results import Figure
from benchmarks.session import seconds_of, set_up_django

ROWS = 1_000_000
COUNTED_ROWS = ROWS // 10
ROUNDS = 3
WORDS = [f"word{number}" for number in range(1_000)]
WORDS_SAID = (4, 40)
"""Fewest and most words of a message."""


def main() -> None:
    """Print megabytes a second of CPU time of both, their ratio, and the memory that the check took at most."""
    with tempfile.TemporaryDirectory() as folder:
        file, fewer, one = (Path(folder) / f"{name}.jsonl" for name in ("rows", "fewer", "one"))
        _write(file, ROWS)
        size = file.stat().st_size
        print(
            f"\n{ROWS:,} chats of two messages, {size / 1e6:.0f} MB\n{'round':8}{'MB/s':>8}{'json':>8}{'x':>8}{'MB':>8}"
        )
        taken, floors = [], []
        for number in range(1, ROUNDS + 1):
            ours, bare = _run(CHECKED, file), _run(BARE, file)
            assert ours["rows"] == ROWS, ours
            speed, floor = size / 1e6 / ours["seconds"], size / 1e6 / bare["seconds"]
            taken.append(ours["seconds"])
            floors.append(bare["seconds"])
            print(f"{number:<8}{speed:8.1f}{floor:8.1f}{floor / speed:8.2f}{ours['megabytes']:8.0f}")
        note(Figure(f"dataset, {ROWS:,} rows checked", statistics.median(taken), statistics.median(floors)))
        _write(fewer, COUNTED_ROWS)
        _write(one, 1)
        _count(fewer, one)


def _count(file: Path, one: Path) -> None:
    """Count the tokens of the file as a worker does; of `one` first, since the trainer's environment may be made."""
    set_up_django()
    from accounts.models import Account  # noqa: PLC0415 -- models can be imported only once Django is set up
    from connections.opened import token_counter  # noqa: PLC0415
    from datasets.domain.ask_token_count import counted_models  # noqa: PLC0415

    model, connection = next(counted_models(Account.objects.get(account_id="local")))
    counter = token_counter(connection)
    assert counter is not None
    start = seconds_of(lambda: counter.count_tokens(model, one))
    start = min(start, seconds_of(lambda: counter.count_tokens(model, one)))
    took = seconds_of(lambda: counter.count_tokens(model, file))
    speed = COUNTED_ROWS / took
    print(
        f"tokens of {COUNTED_ROWS:,} rows: {took:.1f} s ({speed:,.0f} rows/s), of which {start:.1f} s are for one row"
    )
    note(Figure(f"dataset, tokens of {COUNTED_ROWS:,} rows", took))


def _write(file: Path, rows: int) -> None:
    draw = random.Random(7)
    with file.open("w") as target:
        for number in range(rows):
            said = [" ".join(draw.choices(WORDS, k=draw.randint(*WORDS_SAID))) for _ in range(2)]
            said[0] += f" ({number})"
            messages = [{"role": role, "content": text} for role, text in zip(("user", "assistant"), said, strict=True)]
            target.write(json.dumps({"messages": messages}) + "\n")


def _run(what: str, file: Path) -> dict[str, Any]:
    """What a process of its own measured of itself."""
    command = [sys.executable, "-m", "benchmarks.bare_rows", what, str(file)]
    told: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return told
