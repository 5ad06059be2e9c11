"""The trainer's own suite, in the trainer's own environment, which has no Django."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sdk.environments import ROOT, ensure_environment, ensure_test_packages


@pytest.mark.e2e
def test_the_trainer_passes_its_own_tests(tmp_path: Path) -> None:
    interpreter = ensure_environment("trainer")
    environment = {**os.environ, "PYTHONPATH": str(ensure_test_packages(interpreter))}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    # A folder of its own: else it shuts the one above all others to the users of trainers that other tests start.
    command = [str(interpreter), "-m", "pytest", "-q", "--color=no", f"--basetemp={tmp_path / 'own'}"]
    done = subprocess.run(
        command, cwd=ROOT / "tests" / "trainer", env=environment, capture_output=True, text=True, check=False
    )
    sys.stdout.write(done.stdout + done.stderr)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
