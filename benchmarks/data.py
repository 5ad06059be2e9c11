"""The check of a dataset of a million rows, on one core, beside a loop that reads every line by Python's json."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.bare_rows import BARE, CHECKED

ROWS = 1_000_000
ROUNDS = 3
WORDS = [f"word{number}" for number in range(1_000)]
WORDS_SAID = (4, 40)
"""Fewest and most words of a message."""


def main() -> None:
    """Print megabytes a second of CPU time of both, their ratio, and the memory that the check took at most."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.jsonl"
        _write(file)
        size = file.stat().st_size
        print(
            f"\n{ROWS:,} chats of two messages, {size / 1e6:.0f} MB\n{'round':8}{'MB/s':>8}{'json':>8}{'x':>8}{'MB':>8}"
        )
        for number in range(1, ROUNDS + 1):
            ours, bare = _run(CHECKED, file), _run(BARE, file)
            assert ours["rows"] == ROWS, ours
            speed, floor = size / 1e6 / ours["seconds"], size / 1e6 / bare["seconds"]
            print(f"{number:<8}{speed:8.1f}{floor:8.1f}{floor / speed:8.2f}{ours['megabytes']:8.0f}")


def _write(file: Path) -> None:
    draw = random.Random(7)
    with file.open("w") as target:
        for number in range(ROWS):
            said = [" ".join(draw.choices(WORDS, k=draw.randint(*WORDS_SAID))) for _ in range(2)]
            said[0] += f" ({number})"
            messages = [{"role": role, "content": text} for role, text in zip(("user", "assistant"), said, strict=True)]
            target.write(json.dumps({"messages": messages}) + "\n")


def _run(what: str, file: Path) -> dict[str, Any]:
    """What a process of its own measured of itself."""
    command = [sys.executable, "-m", "benchmarks.bare_rows", what, str(file)]
    told: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return told
