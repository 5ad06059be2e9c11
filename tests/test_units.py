"""deploy/systemd: systemd understands each unit, bounds it, and the units start what ./run starts."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from config.environment import KNOWN
from embedded.services import command_lines
from proofs.replicas import ROOT, commands
from tests.overlaid import do

UNITS = ROOT / "deploy" / "systemd"
PYTHON, RUN = "/opt/slipway/venv/bin/python", "/opt/slipway/run"
EXPOSED = {
    **dict.fromkeys(("slipway-web", "slipway-beat", "slipway-migrate"), 20),
    **dict.fromkeys(("slipway-trainer-host", "slipway-worker", "slipway"), 55),
}
"""By systemd's own count, of 100: those that start trainers may not hide processes, GPUs and limits from them."""


def command_of(unit: str) -> list[str]:
    read = configparser.ConfigParser(strict=False, interpolation=None)
    read.optionxform = str  # type: ignore[assignment,method-assign]
    read.read(UNITS / f"{unit}.service")
    return shlex.split(read["Service"]["ExecStart"])


def analyze(*arguments: str) -> str:
    program = shutil.which("systemd-analyze")
    if not program:
        pytest.skip("there is no systemd-analyze")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stderr


def test_each_unit_is_understood_and_bounded(tmp_path: Path) -> None:
    for path in UNITS.iterdir():
        text = path.read_text().replace(PYTHON, "/bin/true").replace(RUN, "/bin/true")
        (tmp_path / path.name).write_text(text)
    made = sorted(map(str, tmp_path.iterdir()))
    assert analyze("verify", *made) == ""
    for unit, most in EXPOSED.items():
        analyze("security", "--offline=true", f"--threshold={most}", str(tmp_path / f"{unit}.service"))


@pytest.mark.parametrize("service", ["trainer-host", "web", "worker", "beat"])
def test_it_starts_what_run_starts(service: str) -> None:
    ours, theirs = (
        [re.sub(r"^\d+$", "N", word) for word in line]  # how many processes is the machine's affair
        for line in (command_of(f"slipway-{service}"), command_lines(8000)[service])
    )
    assert ours[0] == PYTHON
    assert ours[1:] == theirs[1:]


STAND_INS = {
    "python3": 'mkdir -p "$3/bin"; cp "$PLACE/bin/python" "$PLACE/bin/pip" "$3/bin/"',
    "python": f'exec {sys.executable} "$@"',
    "pip": "",
    "systemctl": 'echo "$@" >> "$PLACE/asked"',
    "runuser": 'shift 3; exec "$@"',
}
"""For what a machine of its own alone has: a registry of packages, systemd; another user could not read our Python."""


def test_the_documents_commands_lay_out_what_the_units_start(tmp_path: Path) -> None:
    words = commands("systemd").replace("REPOSITORY", str(ROOT)).replace("COMMAND", "make_keys")
    said = do(words, tmp_path, STAND_INS, Path("/"))
    made = tmp_path / "upper"
    assert said.count("made ") == 3 and len(list((made / "var/lib/slipway").glob("*-key"))) == 3
    read = configparser.ConfigParser(strict=False, interpolation=None)
    read.read(made / "etc/systemd/system/slipway-web.service")
    told = read["Service"]
    for place in (told["WorkingDirectory"], told["EnvironmentFile"], told["ExecStart"].split()[0]):
        assert (made / place.removeprefix("/")).exists(), place
    assert (made / "opt/slipway/staticfiles/staticfiles.json").exists()
    settings = made / "etc/slipway/slipway.env"
    group = re.search(rf"^{told['Group']}:x:(\d+):", (made / "etc/group").read_text(), re.MULTILINE)
    assert group and settings.stat().st_gid == int(group[1]) and settings.stat().st_mode & 0o777 == 0o640
    assert {line.partition("=")[0] for line in settings.read_text().splitlines()} <= set(KNOWN)
    assert (tmp_path / "asked").read_text() == "daemon-reload\nenable --now slipway.target\n"
