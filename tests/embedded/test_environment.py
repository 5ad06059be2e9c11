"""The script that makes Python environments, run as ./run runs it, with installers that only write down their calls."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from embedded import environment
from embedded.home import ROOT, Home
from tests.waiting import wait_for

SCRIPT = ROOT / "embedded/environment.py"
# Stands in for uv where the outside world would be: it makes the folders, and notes what it was asked to install.
UV = """#!/bin/sh
echo "$@" >> "{log}"
case "$1" in
    venv) for last; do :; done; mkdir -p "$last/bin"; ln -s /bin/true "$last/bin/python" ;;
    pip) [ -z "{sleeps}" ] || exec sleep {sleeps}; [ -z "{fails}" ] || {{ echo "error: {fails}"; exit 2; }} ;;
esac
"""


class Bench:
    """An environment folder, and a uv of our own in front of PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "uv.log"
        self.use_uv()

    def use_uv(self, fails: str = "", sleeps: str = "") -> None:
        uv = self.folder / "bin/uv"
        uv.parent.mkdir(exist_ok=True)
        uv.write_text(UV.format(log=self.log, fails=fails, sleeps=sleeps))
        uv.chmod(0o755)

    def begin(self, purpose: str) -> subprocess.Popen[str]:
        env = {"PATH": f"{self.folder}/bin:/usr/bin:/bin", "SLIPWAY_HOME": str(self.folder / "home")}
        argv = [sys.executable, "-I", str(SCRIPT), purpose]
        return subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def ensure(self, purpose: str) -> subprocess.CompletedProcess[str]:
        with self.begin(purpose) as process:
            output, errors = process.communicate(timeout=300)
            return subprocess.CompletedProcess(process.args, process.returncode, output, errors)

    def calls(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_it_is_made_once_from_hashes_and_found_again(bench: Bench) -> None:
    first, second = bench.ensure("app"), bench.ensure("app")
    assert first.stdout == second.stdout
    assert Path(first.stdout.strip()).is_symlink()
    assert second.stderr == ""
    venv, install = bench.calls()
    assert venv.startswith("venv ")
    assert "--require-hashes" in install
    assert install.endswith(f"-r {ROOT}/requirements/base.txt -r {ROOT}/requirements/embedded.txt")


def test_the_app_runs_in_a_test_environment_of_the_same_locks(bench: Bench) -> None:
    made = bench.ensure("test")
    assert bench.ensure("app").stdout == made.stdout
    assert len(bench.calls()) == 2
    assert "test.txt" in bench.calls()[1]


def test_a_half_made_one_is_made_anew(bench: Bench) -> None:
    python = Path(bench.ensure("app").stdout.strip())
    (python.parent.parent / environment.STAMP).unlink()
    again = bench.ensure("app")
    assert "half-made" in again.stderr
    assert Path(again.stdout.strip()) == python
    assert len(bench.calls()) == 4


def test_an_installer_that_fails_is_one_clear_line_and_leaves_nothing_to_be_used(bench: Bench) -> None:
    bench.use_uv(fails="No space left on device (os error 28)")
    failed = bench.ensure("app")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert (
        "slipway: Installing the requirements failed: error: No space left on device (os error 28)\n" in failed.stderr
    )
    assert "Traceback" not in failed.stderr
    bench.use_uv()
    assert bench.ensure("app").returncode == 0


def test_stopped_while_it_installs_it_ends_the_installer(bench: Bench) -> None:
    bench.use_uv(sleeps="600")
    with bench.begin("app") as process:
        wait_for(lambda: len(bench.calls()) == 2)
        (installer,) = psutil.Process(process.pid).children()
        process.terminate()
        assert process.wait(timeout=60) == 128 + signal.SIGTERM
    assert not installer.is_running()
    bench.use_uv()
    assert "half-made" in bench.ensure("app").stderr


def test_a_folder_that_cannot_be_written_is_one_clear_line(bench: Bench) -> None:
    (bench.folder / "home").write_text("a file")
    failed = bench.ensure("app")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr.startswith("slipway: ")
    assert failed.stderr.count("\n") == 1


def test_a_changed_lock_is_another_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("base", "embedded", "test"):
        (tmp_path / f"{name}.txt").write_text(name)
    monkeypatch.setattr(environment, "REQUIREMENTS", tmp_path)
    app, test = environment.place("app").name, environment.place("test").name
    assert test.startswith(app)
    (tmp_path / "test.txt").write_text("another")
    assert environment.place("app").name == app
    assert environment.place("test").name != test
    (tmp_path / "base.txt").write_text("another")
    assert environment.place("app").name != app


def test_outdated_ones_go_unless_somebody_may_be_running_in_one(bench: Bench) -> None:
    outdated = bench.folder / "home/env/app-0123456789ab"
    outdated.mkdir(parents=True)
    with Home(bench.folder / "home").held():
        bench.ensure("app")
    assert outdated.exists()
    bench.ensure("test")
    assert not outdated.exists()
    assert bench.ensure("app").stderr == ""


@pytest.fixture
def pythons(tmp_path: Path) -> Path:
    """The only folder of a PATH, and ./run in it, which takes the distribution's Python from there, too."""
    for name in ("dirname", "readlink"):
        (tmp_path / name).symlink_to(shutil.which(name) or "")
    script = tmp_path / "run"
    script.write_text((ROOT / "run").read_text().replace("/usr/bin/python3", str(tmp_path / "distribution")))
    return tmp_path


def add_python(folder: Path, name: str, answers: str) -> None:
    """One that answers ./run's questions: it is "optimised", "new" enough, or too "old"."""
    refuses = {"optimised": "nothing", "new": "*optimizations*", "old": "*version_info*"}[answers]
    script = folder / name
    script.write_text(f'#!/bin/sh\ncase "$1$2" in {refuses}) exit 1 ;; -I*) echo {name} ;; esac\n')
    script.chmod(0o755)


@pytest.mark.parametrize(
    ("found", "named", "chosen"),
    [
        ({"python3": "optimised", "python3.13": "optimised"}, "", "python3"),
        ({"python3": "new", "python3.12": "optimised", "distribution": "optimised"}, "", "distribution"),
        ({"python3": "new", "python3.13": "new", "python3.12": "optimised"}, "", "python3.12"),
        ({"python3": "new", "python3.13": "new", "distribution": "new"}, "", "python3"),
        ({"python3": "old", "python3.11": "new"}, "", "python3.11"),
        ({"python3": "optimised", "python3.12": "new"}, "python3.12", "python3.12"),
        ({"python3": "new", "python3.12": "old"}, "python3.12", "python3"),
        ({"python3": "old"}, "", ""),
    ],
)
def test_an_optimised_python_is_preferred_and_any_new_one_does(
    pythons: Path, found: dict[str, str], named: str, chosen: str
) -> None:
    for name, answers in found.items():
        add_python(pythons, name, answers)
    env = {"PATH": str(pythons), "SLIPWAY_PYTHON": named}
    argv = ["/bin/sh", str(pythons / "run"), "manage"]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == chosen
    assert bool(done.returncode) != bool(chosen)
    assert ("Python 3.11 or newer is needed" in done.stderr) != bool(chosen)


def test_another_python_is_another_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    app, test = environment.place("app"), environment.place("test")
    monkeypatch.setattr(sys, "base_prefix", "/elsewhere")
    assert not {app, test} & {environment.place("app"), environment.place("test")}
