"""Which release this is: the version of pyproject.toml, and the commit that it was made from where that is known."""

from __future__ import annotations

import os
import subprocess
import tomllib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@cache
def version() -> str:
    """Such as 0.1.0."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


@cache
def commit() -> str:
    """Twelve digits: of the image (SLIPWAY_COMMIT, when it is built), else of the checkout; "" where none is there."""
    given = os.environ.get("SLIPWAY_COMMIT", "")
    if given or not (ROOT / ".git").exists():
        return given[:12]
    # The checkout may be another user's, as where units run what an administrator cloned: git refuses that unasked.
    ask = ["git", "-c", f"safe.directory={ROOT}", "-C", str(ROOT), "rev-parse", "HEAD"]
    try:
        return subprocess.run(ask, capture_output=True, text=True, check=True, timeout=5).stdout.strip()[:12]
    except (OSError, subprocess.SubprocessError):
        return ""
