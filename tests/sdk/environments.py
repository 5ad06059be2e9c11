"""The Python environments that end-to-end tests need beside their own, made once and kept."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KEPT = Path(os.environ.get("SLIPWAY_TEST_ENVIRONMENTS", ROOT / "var" / "test-environments"))
REQUIREMENTS = {"trainer": ROOT / "trainer" / "requirements", "sdk": ROOT / "runner" / "requirements"}
FOLDERS = {"trainer": "trainer", "sdk": "trainer-sdk"}
"""As Slipway calls them beside each other, so that its own loops find theirs made."""


def ensure_environment(name: str) -> Path:
    """The interpreter of the `trainer` or the `sdk` environment; the first call takes about a minute."""
    environment = KEPT / FOLDERS[name]
    command = [sys.executable, str(ROOT / "trainer" / "prepare.py"), str(environment), str(REQUIREMENTS[name])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return environment / "bin" / "python"


def ensure_test_packages(interpreter: Path) -> Path:
    """A directory for PYTHONPATH with what the trainer's tests need; the environment stays as launches use it."""
    target = KEPT / "trainer-test-packages"
    lock = ROOT / "trainer" / "requirements" / "test.txt"
    stamp = target / "test.txt"
    if not stamp.exists() or stamp.read_bytes() != lock.read_bytes():
        options = ["--quiet", "--upgrade", "--no-deps", "--require-hashes", "--target", str(target), "-r", str(lock)]
        subprocess.run([str(interpreter), "-m", "pip", "install", *options], check=True)
        stamp.write_bytes(lock.read_bytes())
    return target
