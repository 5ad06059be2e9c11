"""What the process that serves the front door arranges for itself."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ASK = "import config.asgi, resource; print(*resource.getrlimit(resource.RLIMIT_NOFILE))"


@pytest.mark.e2e  # a process of its own
@pytest.mark.parametrize(("soft", "hard", "granted"), [(256, 4096, 4096), (512, 512, 512)])
def test_it_may_open_as_many_files_as_the_system_grants(soft: int, hard: int, granted: int) -> None:
    told = subprocess.run(
        [sys.executable, "-c", ASK],
        cwd=ROOT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)),
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.split() == [str(granted), str(hard)]
