"""The small parts of the supervisor: what it writes down, recognises, and says."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from embedded.addresses import check_broker, check_database, free_port, web_port
from embedded.browser import find_browser
from embedded.console import Console, Trouble, last_lines
from embedded.foreground import run_in_foreground
from embedded.home import Child, Home, Running
from embedded.logs import LogBounds, rotate
from embedded.processes import kill, marked, recorded, session_members, spawn
from embedded.services import command_lines, environment
from embedded.supervised import Supervised, ending
from embedded.supervisor import MOST_FAILURES, Supervisor
from embedded.testing import forget_settings, pytest_options


@pytest.fixture
def state(tmp_path: Path) -> Home:
    home = Home(tmp_path / "state")
    home.prepare()
    return home


def test_the_state_folder_is_held_by_one(state: Home) -> None:
    with state.held() as first, state.held() as second:
        assert (first, second) == (True, False)
    with state.held() as again:
        assert again


def test_what_is_written_down_is_read_back_and_private(state: Home) -> None:
    running = Running(1, "run", "http://127.0.0.1:1/", "postgresql://a", "redis://b", {"web": Child(2, 3.0)})
    state.write_running(running)
    state.write_running(running)
    assert state.read_running() == running
    assert (state.path / "run.json").stat().st_mode & 0o777 == 0o600
    (state.path / "run.json").write_text('{"pid": 1, "chil')
    assert state.read_running() is None
    state.forget_running()
    state.forget_running()


def test_the_record_of_a_folder_that_was_copied_is_none_of_the_copy(state: Home, tmp_path: Path) -> None:
    state.write_running(Running(1, "run", "", "", "", {"web": Child(2, 3.0)}))
    copied = Home(tmp_path / "copied")
    shutil.copytree(state.path, copied.path)
    assert state.read_running() is not None
    assert copied.read_running() is None


def test_logs_are_bounded_in_size_and_number_while_they_are_written(state: Home) -> None:
    bounds = LogBounds(size=100, files=2)
    state.log("beat").write_text("short")
    with state.log("web").open("ab", buffering=0) as writer:  # as every child has its log
        for number in range(5):
            writer.write(b"%d" % number * 101)
            rotate(state.logs, bounds)
        writer.write(b"the newest")
    found = {path.name: path.read_text() for path in state.logs.iterdir()}
    assert found == {"beat.log": "short", "web.log": "the newest", "web.log.1": "4" * 101, "web.log.2": "3" * 101}


def test_a_log_that_cannot_be_copied_stays(state: Home) -> None:
    state.log("web").write_text("x" * 101)
    state.log("web").with_suffix(".log.new").mkdir()
    rotate(state.logs, LogBounds(size=100, files=2))
    assert state.log("web").read_text() == "x" * 101


@pytest.mark.parametrize("value", ["0", "-1", "ten", "1.5"])
def test_a_bound_of_logs_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("SLIPWAY_LOG_FILES", value)
    with pytest.raises(Trouble, match=f"SLIPWAY_LOG_FILES={value} cannot be used"):
        LogBounds.from_environment()


def test_the_last_lines_of_a_log_are_found_without_reading_it_all(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("\n".join(f"line {number}" for number in range(100_000)) + "\n\n")
    assert last_lines(log, 2) == ["line 99998", "line 99999"]
    assert last_lines(tmp_path / "none") == []


def test_a_session_is_recognised_by_its_leader_even_after_that_has_died(tmp_path: Path) -> None:
    leader = spawn(["sh", "-c", "sleep 600 & sleep 600"], env=os.environ, cwd=tmp_path, log=tmp_path / "log")
    record = recorded(leader)
    deadline = time.monotonic() + 5
    while len(session_members(record)) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert session_members(Child(record.pid, record.started_at - 60)) == []
    leader.kill()
    leader.wait()
    members = session_members(record)
    assert len(members) == 2
    kill(members)
    assert session_members(record) == []


def test_a_process_is_found_by_its_mark_in_any_session(tmp_path: Path) -> None:
    env = {"PATH": os.defpath, "A_MARK": "this"}
    process = subprocess.Popen(["sleep", "600"], env=env, start_new_session=True)
    try:
        assert [found.pid for found in marked("A_MARK", "this")] == [process.pid]
        assert marked("A_MARK", "that") == []
    finally:
        process.kill()
        process.wait()


def test_a_foreground_command_passes_on_its_ending() -> None:
    assert run_in_foreground([sys.executable, "-c", "raise SystemExit(7)"], env=os.environ) == 7
    killed = f"import os; os.kill(os.getpid(), {int(signal.SIGTERM)})"
    assert run_in_foreground([sys.executable, "-c", killed], env=os.environ) == 128 + signal.SIGTERM


def test_endings_are_said_in_words() -> None:
    assert [ending(3), ending(-9), ending(-200)] == ["exit code 3", "killed by SIGKILL", "killed by signal 200"]


def test_a_child_that_keeps_dying_is_started_ever_later(tmp_path: Path) -> None:
    child = Supervised("web", lambda: None, None, tmp_path)  # type: ignore[arg-type,return-value]
    pauses = []
    for child.failures in range(1, 12):
        pauses.append(child.pause())
    assert pauses == sorted(pauses)
    assert pauses[0] < 1
    assert pauses[-1] == 15


def dying(state: Home, *argv: str) -> Supervised:
    """A child that ends at once, and is started again without much of a pause."""
    start = partial(spawn, argv, env=os.environ, cwd=state.path, log=state.log("web"))
    return Supervised("web", start, start(), state.log("web"))


def test_a_part_that_dies_while_everything_starts_is_given_up_after_several_times(
    state: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PORT", str(free_port()))
    monkeypatch.setattr(Supervised, "pause", lambda _child: 0.01)
    supervisor = Supervisor(state, Console())
    supervisor._children["web"] = dying(state, "sh", "-c", "echo last words; exit 3")
    with pytest.raises(Trouble, match=f"stopped .exit code 3. for the {MOST_FAILURES + 1}th time in a row"):
        supervisor._attend_for(60)
    said = capsys.readouterr().out
    assert said.count("web stopped (exit code 3); starting it again in") == MOST_FAILURES + 1
    assert "web: last words" in said


def test_a_part_that_cannot_be_started_is_tried_again(state: Home, capsys: pytest.CaptureFixture[str]) -> None:
    child = dying(state, "true")
    child.process.wait()
    child.spawn, works = (lambda: (_ for _ in ()).throw(OSError(28, "No space left on device"))), child.spawn
    assert not child.attend(Console())
    child.restart_at = 0
    assert not child.attend(Console())
    assert "web could not be started (No space left on device); starting it again in 0.8 s" in capsys.readouterr().out
    child.spawn, child.restart_at = works, 0
    assert child.attend(Console())
    child.process.wait()


@pytest.mark.parametrize("value", ["0", "-1", "65536", "8000.0", "٨٠٠٠", " 80"])
def test_a_port_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("PORT", value)
    with pytest.raises(Trouble, match="is not a port"):
        web_port()


def test_addresses_that_work_pass_and_passwords_are_never_shown() -> None:
    check_database(os.environ["DATABASE_URL"])
    check_broker(os.environ["REDIS_URL"])
    with pytest.raises(Trouble) as trouble:
        check_database("postgresql://me:s3cret@[::1/x?sslmode=s3cret")
    assert "s3cret" not in str(trouble.value)


def test_services_get_the_addresses_and_listen_on_loopback(state: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    env = environment(state, database_url="postgresql://a", redis_url="redis://b")
    assert (env["DATABASE_URL"], env["REDIS_URL"]) == ("postgresql://a", "redis://b")
    assert env["SLIPWAY_HOME"] == str(state.path)
    assert "PYTHONPATH" not in env
    web = command_lines(8000)["web"]
    assert web[web.index("--host") + 1] == "127.0.0.1"


def test_pytest_runs_in_parallel_unless_told_how() -> None:
    assert pytest_options(["-k", "x"])[-2:] == ["-k", "x"]
    assert pytest_options(["--color=no"])[:2] == ["-n", "2"]
    assert "no:schemathesis" in pytest_options(["-m", "not e2e"])
    for own in (["-n", "0"], ["-n4"], ["--numprocesses=1"], ["--pdb"], ["--co"]):
        assert pytest_options(own) == own


def test_the_callers_settings_do_not_reach_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PORT", "SLIPWAY_URL", "SLIPWAY_ENV_DIR", "PYTHONDONTWRITEBYTECODE"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setattr(os, "environ", dict(os.environ))
    forget_settings()
    assert not {"PORT", "PYTHONDONTWRITEBYTECODE"} & set(os.environ)
    assert "SLIPWAY_URL" not in os.environ
    assert os.environ["SLIPWAY_ENV_DIR"] == "x"


def test_a_browser_that_was_named_but_is_not_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPWAY_CHROMIUM", "/nowhere/chromium")
    assert find_browser() is None
    monkeypatch.setenv("SLIPWAY_CHROMIUM", sys.executable)
    assert find_browser() == sys.executable
