"""The first admin's password is used once and kept by no process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from embedded.admin_password import VARIABLE

PROGRAM = """
from pathlib import Path
from embedded.admin_password import VARIABLE, take_admin_password
import os
print(take_admin_password(), take_admin_password(), VARIABLE in os.environ)
print("correct horse" in Path("/proc/self/environ").read_text())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows it as a file")
def test_the_password_is_handed_out_once_and_no_longer_shown_by_the_kernel() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | {VARIABLE: "correct horse"},
        capture_output=True,
        text=True,
        check=True,
    )
    taken = {VARIABLE: "correct horse"}
    assert done.stdout == f"{taken} {{}} False\nFalse\n"
