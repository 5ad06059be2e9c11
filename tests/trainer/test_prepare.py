"""Making an environment: once, whole, and in one line where it cannot be made. Installs one small package for real."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import wait_until
from starting import ROOT

LOCK = ROOT / "trainer" / "requirements" / "test.txt"


def make_requirements(directory: Path, *, hashed: bool = True) -> Path:
    """Requirements of one small package, cut from a lock file of the project."""
    lines = LOCK.read_text().splitlines()
    first = next(index for index, line in enumerate(lines) if line.startswith("iniconfig=="))
    block = [lines[first]]
    while block[-1].endswith("\\"):
        block.append(lines[first + len(block)])
    text = "\n".join(block) + "\n"
    directory.mkdir(exist_ok=True)
    (directory / "base.txt").write_text(text if hashed else re.sub("sha256:....", "sha256:0000", text))
    return directory


def prepare(environment: Path, requirements: Path) -> subprocess.Popen[str]:
    command = [sys.executable, str(ROOT / "trainer" / "prepare.py"), str(environment), str(requirements)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def lines_of(process: subprocess.Popen[str]) -> list[str]:
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return output.splitlines()


def has_package(environment: Path) -> bool:
    check = subprocess.run(
        [environment / "bin" / "python", "-I", "-c", "import iniconfig"], capture_output=True, check=False
    )
    return check.returncode == 0


def test_it_is_made_once_even_by_two_at_a_time(tmp_path: Path) -> None:
    environment, requirements = tmp_path / "env", make_requirements(tmp_path / "requirements")
    both = [prepare(environment, requirements) for _ in range(2)]
    outputs = sorted((lines_of(process) for process in both), key=len)
    assert outputs == [["Environment ready"], ["Creating environment", "Installing 1 packages", "Environment ready"]]
    assert has_package(environment)


def test_what_a_crash_left_is_made_afresh(tmp_path: Path) -> None:
    environment, requirements = tmp_path / "env", make_requirements(tmp_path / "requirements")
    crashed = prepare(environment, requirements)
    wait_until((environment / "bin").exists)
    crashed.kill()
    crashed.communicate()
    assert lines_of(prepare(environment, requirements))[0] == "Creating environment"
    assert has_package(environment)


def test_changed_requirements_make_it_anew(tmp_path: Path) -> None:
    environment, requirements = tmp_path / "env", make_requirements(tmp_path / "requirements")
    lines_of(prepare(environment, requirements))
    (environment / "left-over").touch()
    (requirements / "base.txt").write_text((requirements / "base.txt").read_text() + "# changed\n")
    assert len(lines_of(prepare(environment, requirements))) == 3
    assert not (environment / "left-over").exists()


@pytest.mark.parametrize("fault", ["wrong hash", "no requirements", "no directory"])
def test_what_cannot_be_done_is_one_line(tmp_path: Path, fault: str) -> None:
    environment, requirements = (
        tmp_path / "env",
        make_requirements(tmp_path / "requirements", hashed=fault != "wrong hash"),
    )
    if fault == "no requirements":
        (requirements / "base.txt").unlink()
    if fault == "no directory":
        (tmp_path / "file").touch()
        environment = tmp_path / "file" / "env"
    started = time.monotonic()
    process = prepare(environment, requirements)
    _, errors = process.communicate(timeout=120)
    assert (process.returncode, len(errors.splitlines())) == (1, 1), errors
    assert time.monotonic() - started < 60
