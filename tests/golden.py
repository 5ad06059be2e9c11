"""Whole answers, compared with files.

A file that is missing is written, and the test fails once, so that somebody looks at it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


def check_golden(path: Path, status: int, body: Any) -> None:
    """Compare an answer's status and JSON body with the file."""
    check_golden_text(path, json.dumps({"status": status, "body": body}, indent=2, ensure_ascii=False) + "\n")


def check_golden_text(path: Path, found: str) -> None:
    """Compare a text with the file."""
    if not path.exists():
        path.write_text(found)
        pytest.fail(f"{path} was missing and is written now; look at it.")
    assert found == path.read_text()
