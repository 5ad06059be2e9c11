"""A trainer's files are hostile until they are read: nothing in their place blocks, escapes, or is read without end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from connections.providers.checkpoints import CheckpointKind
from connections.providers.local.observation import ended, live
from connections.providers.states import AttemptState
from connections.providers.telemetry import MetricRecord
from connections.providers.trainer_files import checkpoints, files, outcome, reading, records
from tests.connections.local_rig import LocalRig
from tests.connections.rig import make_reference, make_submission

WHOLE = {"name": "a", "step": 1, "size_bytes": 5, "created_at": "2026-01-01T00:00:00Z"}
Place = Callable[[Path], object]


@pytest.fixture(autouse=True)
def in_time() -> Iterator[None]:
    """A read that waits fails the test rather than to hold it up."""

    def late(*_: object) -> None:
        raise AssertionError("it waits")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(10)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        folder = os.open(path.parent, os.O_RDONLY)
        server.bind(f"/proc/self/fd/{folder}/{path.name}")
        os.close(folder)


OBSTACLES: dict[str, Place] = {
    "a FIFO": os.mkfifo,
    "a folder": Path.mkdir,
    "a socket": make_socket,
    "an endless device": lambda path: path.symlink_to("/dev/zero"),
    "a link to another's file": lambda path: path.symlink_to("/etc/passwd"),
    "a link to itself": lambda path: path.symlink_to(path),
    "a broken link": lambda path: path.symlink_to("/nowhere"),
}


@pytest.fixture
def attempt(tmp_path: Path) -> Path:
    """The folder of an attempt as it stands below a provider's root, with what the provider wrote."""
    directory = tmp_path / "jobs" / "team-a" / "job" / "attempts" / "1"
    (directory / files.RECORDS).mkdir(parents=True)
    (directory.parent.parent / files.CHECKPOINTS).mkdir()
    (directory / files.TOKEN).write_text("token")
    files.write_json(directory / files.TRAINER, {"pid": 1})
    files.write_json(directory / files.SUBMISSION, {"spec": {"inactivity_timeout_seconds": 60}})
    return directory


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_what_is_no_regular_file_is_nothing_to_read(attempt: Path, obstacle: str) -> None:
    place = OBSTACLES[obstacle]
    for name in (files.ENDPOINT, files.METRICS, files.EXIT_REASON):
        place(attempt / files.RECORDS / name)
    for name in (files.LOG, files.PROGRESS, files.CONFIG, files.EXIT, files.WRAPPER, files.LOCK):
        place(attempt / name)
    seen = live(attempt, "127.0.0.1")
    assert (seen.state, seen.ready, seen.endpoint, seen.progress) == (AttemptState.RUNNING, False, "", ())
    over = ended(attempt, files.read_json(attempt / files.EXIT) or {})
    assert over.state is AttemptState.FAILED
    assert "root:" not in over.detail
    assert records.read_log(attempt / files.LOG, 0).text == ""
    assert records.read_metrics(attempt / files.RECORDS / files.METRICS, 0).records == ()
    assert not files.is_locked(attempt / files.LOCK)


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_a_checkpoint_that_is_no_folder_of_files_is_left_out_and_told(attempt: Path, obstacle: str) -> None:
    folder = attempt.parent.parent / files.CHECKPOINTS
    for name in ("good", "odd"):
        (folder / name).mkdir()
    (folder / "good" / "checkpoint.json").write_text(json.dumps(WHOLE))
    OBSTACLES[obstacle](folder / "odd" / "checkpoint.json")
    if obstacle != "a folder":
        OBSTACLES[obstacle](folder / "odder")
    found = checkpoints.read_checkpoints(folder)
    assert [record.name for record in found.records] == ["good"]
    assert checkpoints.IRREGULAR_CHECKPOINT in found.limits


def test_a_folder_that_is_a_link_leads_nowhere(attempt: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    (other / "a").mkdir(parents=True)
    (other / files.METRICS).write_text('{"number": 1, "step": 7, "time": "2026-01-01T00:00:00Z"}\n')
    (other / "a" / "checkpoint.json").write_text(json.dumps(WHOLE))
    (attempt / files.RECORDS).rmdir()
    (attempt / files.RECORDS).symlink_to(other)
    folder = attempt.parent.parent / files.CHECKPOINTS
    (folder / "linked").symlink_to(other / "a")
    assert records.read_metrics(attempt / files.RECORDS / files.METRICS, 0).records == ()
    assert checkpoints.read_checkpoints(folder).records == ()
    folder.joinpath("linked").unlink()
    folder.rmdir()
    folder.symlink_to(other)
    assert checkpoints.read_checkpoints(folder).records == ()


def test_the_files_of_a_manifest_are_taken_whole_or_not_at_all(attempt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = attempt.parent.parent / files.CHECKPOINTS / "a"
    folder.mkdir()
    monkeypatch.setattr(checkpoints, "SETTLED_SECONDS", float("inf"))  # what is rewritten here is looked at anew
    good: dict[str, object] = {"size_bytes": 7, "sha256": "a" * 64}

    def told(listed: object) -> tuple[int, int]:
        (folder / "checkpoint.json").write_text(json.dumps(WHOLE | {"files": listed}))
        (record,) = checkpoints.read_checkpoints(folder.parent).records
        return len(record.files), record.size_bytes

    assert told({"b/c.json": good, "model.safetensors": good}) == (2, 14)
    paths = ["..", "/etc/passwd", "a/../b", ".hidden", "a//b", "", "a/b/c/d/e", "x" * 201, "a\x00", "\u202ea", "a b"]
    wrong: list[dict[str, object]] = [
        {"size_bytes": -1},
        {"size_bytes": 2**63 - 1},
        {"sha256": "A" * 64},
        {"sha256": "a" * 65},
        {"sha256": None},
    ]
    for listed in (
        *({path: good, "fine": good} for path in paths),
        *({"odd": good | change, "fine": good} for change in wrong),
        *([], "x", {"odd": 1}),
    ):
        assert told(listed) == (0, WHOLE["size_bytes"]), listed
    monkeypatch.setattr(checkpoints, "MOST_FILES", 1)
    assert told({"b": good, "c": good}) == (0, 14)
    assert checkpoints.read_checkpoints(folder.parent).limits == (checkpoints.TOO_MANY_FILES,)


def test_a_file_is_opened_and_a_checkpoint_removed_through_no_link(attempt: Path, tmp_path: Path) -> None:
    job, other = attempt.parent.parent, tmp_path / "other"
    (other / "inner").mkdir(parents=True)
    (other / "inner" / "secret").write_text("secret")
    folder = job / files.CHECKPOINTS
    (folder / "a").mkdir()
    (folder / "linked").symlink_to(other / "inner")
    (folder / "a" / "secret").symlink_to(other / "inner" / "secret")
    (folder / "a" / "inner").symlink_to(other / "inner")
    os.mkfifo(folder / "a" / "pipe")
    for name, path in (("linked", "secret"), ("a", "secret"), ("a", "inner/secret"), ("a", "inner"), ("a", "pipe")):
        with pytest.raises(FileNotFoundError):
            checkpoints.open_file(job, CheckpointKind.TRAINING, name, path)
    checkpoints.move_away(job, CheckpointKind.TRAINING, "linked", tmp_path / "gone")
    assert (tmp_path / "gone").is_symlink() and (other / "inner" / "secret").exists()
    shutil.rmtree(folder)
    folder.symlink_to(other)
    checkpoints.move_away(job, CheckpointKind.TRAINING, "inner", tmp_path / "gone-too")
    assert (other / "inner" / "secret").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100_000,
        b'{"port": ' * 50_000,
        b'{"host": "h", "port": 1' + b"0" * 5000 + b"}",
        b'{"host": "h", "port": NaN}',
        b'{"host": "h", "port": 80, "x": "' + b"x" * reading.LARGEST_JSON + b'"}',
        b"\xff\xfe",
        b'"text"',
    ],
)
def test_json_that_means_harm_says_nothing(attempt: Path, content: bytes) -> None:
    folder = attempt.parent.parent / files.CHECKPOINTS / "a"
    folder.mkdir()
    for path in (
        attempt / files.RECORDS / files.ENDPOINT,
        attempt / files.RECORDS / files.EXIT_REASON,
        attempt / files.CONFIG,
        folder / "checkpoint.json",
    ):
        path.write_bytes(content)
    for path in (attempt / files.PROGRESS, attempt / files.RECORDS / files.METRICS):
        path.write_bytes(content + b"\n")
    assert live(attempt, "127.0.0.1").endpoint == ""
    assert ended(attempt, {}).state is AttemptState.FAILED
    assert records.read_metrics(attempt / files.RECORDS / files.METRICS, 0).records == ()
    assert checkpoints.read_checkpoints(folder.parent).records == ()


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "1969-12-31", "x", 5, None])
def test_a_time_that_is_none_in_some_zone_is_no_time(attempt: Path, at: object) -> None:
    path = attempt / files.RECORDS / files.METRICS
    path.write_text(json.dumps({"number": 1, "step": 1, "time": at}) + "\n")
    assert records.read_metrics(path, 0).records == ()


def test_words_of_a_trainer_are_one_plain_line(attempt: Path) -> None:
    line = {"number": 1, "message": "a\x1b[2J\u202eb\x00\r\nc\ud800"}
    (attempt / files.PROGRESS).write_text(json.dumps(line) + "\n")
    (attempt / files.RECORDS / files.EXIT_REASON).write_text(json.dumps({"message": "x\x07\u200by" * 1000}))
    over = ended(attempt, {"stage": "trainer", "code": 1, "signal": None, "asked": False})
    assert over.progress[0].message == "a [2J b\ufffd  c?"
    assert over.detail.startswith("The trainer ended with exit code 1: x  yx")
    assert len(over.detail) <= outcome.MAX_DETAIL


def test_an_end_that_cannot_be_read_is_a_failure_still(local: LocalRig) -> None:
    reference = make_reference()
    local.provider.submit(make_submission(reference))
    local.provider.cancel(reference)
    deadline = time.monotonic() + 8
    while not (path := local.directory(reference) / files.EXIT).exists() and time.monotonic() < deadline:
        local.provider.observe(reference)
    path.write_text("{" * 10)
    assert local.provider.observe(reference).state is AttemptState.CANCELLED
    (local.directory(reference) / files.CANCELLED).unlink()
    assert local.provider.observe(reference).state is AttemptState.FAILED


def test_more_than_the_limits_is_told_and_the_rest_is_read(attempt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "MOST_CHECKPOINTS", 3)
    monkeypatch.setattr(records, "MOST_METRICS", 5)
    folder = attempt.parent.parent / files.CHECKPOINTS
    for number in range(5):
        (folder / f"step-{number}").mkdir()
        (folder / f"step-{number}" / "checkpoint.json").write_text(json.dumps(WHOLE))
    saved = checkpoints.read_checkpoints(folder)
    assert (len(saved.records), saved.limits) == (3, (checkpoints.TOO_MANY_CHECKPOINTS,))

    lines = [json.dumps({"number": number, "message": "m"}) for number in range(1, 1000)]
    (attempt / files.PROGRESS).write_text("\n".join(lines) + "\n")
    progress, limits = records.read_progress(attempt / files.PROGRESS)
    assert (len(progress), limits) == (records.MOST_PROGRESS, (records.TOO_MUCH_PROGRESS,))

    path = attempt / files.RECORDS / files.METRICS
    path.write_text(
        "".join(json.dumps({"number": n, "step": n, "time": "2026-01-01T00:00:00Z"}) + "\n" for n in range(1, 9))
    )
    page = records.read_metrics(path, 0)
    assert ([record.number for record in page.records], page.limits) == ([1, 2, 3, 4, 5], (records.TOO_MANY_RECORDS,))
    assert page.offset == path.stat().st_size
    monkeypatch.setattr(records, "MOST_METRIC_BYTES", page.offset - 1)
    assert records.read_metrics(path, page.offset - 1).limits == (records.TOO_MANY_RECORDS,)


def test_a_line_without_an_end_holds_nobody_up(attempt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "METRICS_CHUNK", 1000)
    path = attempt / files.RECORDS / files.METRICS
    path.write_bytes(b"x" * 4500 + b"\n" + b'{"number": 1, "step": 1, "time": "2026-01-01T00:00:00Z"}\n')
    offset = 0
    found: list[MetricRecord] = []
    while (page := records.read_metrics(path, offset)).offset != offset:
        offset, found = page.offset, [*found, *page.records]
    assert [record.number for record in found] == [1]


def test_of_a_log_far_ahead_the_end_is_read(attempt: Path) -> None:
    path = attempt / files.LOG
    path.write_bytes(b"first\n" + b"x" * 80 * 40_000 + b"\n" + "\n".join(f"line {n}" for n in range(9999)).encode())
    chunk = records.read_log(path, 6)
    assert chunk.limits == (records.LOG_AHEAD,)
    assert chunk.text.startswith("line ")
    text, offset = chunk.text, chunk.offset
    while (chunk := records.read_log(path, offset)).text:
        text, offset = text + chunk.text, chunk.offset
    assert text.endswith("line 9998")
    assert offset == path.stat().st_size


def test_a_long_line_of_the_log_is_shortened(attempt: Path) -> None:
    (attempt / files.LOG).write_text("a" * 5000 + "\nb\n")
    assert records.read_log(attempt / files.LOG, 0).text == "a" * 2000 + "\u2026 (3,000 more characters)\nb\n"


def test_a_healthz_that_drips_is_not_waited_for(attempt: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        told = {"host": "192.0.2.1", "port": server.getsockname()[1]}  # of its host nothing is believed
        (attempt / files.RECORDS / files.ENDPOINT).write_text(json.dumps(told))
        began = time.monotonic()
        assert not live(attempt, "127.0.0.1").ready
        assert time.monotonic() - began < 20
        assert server.accept()


def test_a_folder_in_the_place_of_our_own_file_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / files.EXIT / "x").mkdir(parents=True)
    files.write_json(tmp_path / files.EXIT, {"code": 0})
    assert files.read_json(tmp_path / files.EXIT) == {"code": 0}


def test_checkpoints_are_read_anew_only_where_one_came_or_went(
    attempt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = attempt.parent.parent / files.CHECKPOINTS

    def save(name: str) -> None:
        part = tmp_path / name
        part.mkdir()
        (part / "checkpoint.json").write_text(json.dumps(WHOLE))
        part.rename(folder / name)

    save("first")
    with monkeypatch.context() as idle:
        idle.setattr(checkpoints, "SETTLED_SECONDS", -1)
        assert len(checkpoints.read_checkpoints(folder).records) == 1
        idle.setattr(checkpoints, "_checkpoint", lambda *_: pytest.fail("it is read again"))
        assert len(checkpoints.read_checkpoints(folder).records) == 1
    for number in range(3):
        save(f"next-{number}")
        assert len(checkpoints.read_checkpoints(folder).records) == number + 2, "what came just now is not waited for"
    monkeypatch.setattr(checkpoints, "SETTLED_SECONDS", -1)
    assert len(checkpoints.read_checkpoints(folder).records) == 4
    (folder / "first" / "checkpoint.json").unlink()
    (folder / "first").rmdir()
    assert len(checkpoints.read_checkpoints(folder).records) == 3


def test_a_folder_that_is_too_deep_for_a_path_goes_with_its_job(local: LocalRig) -> None:
    folder = local.provider.root / "jobs" / "team-a" / "job-deep"
    folder.mkdir(parents=True)
    below = os.open(folder, os.O_RDONLY)
    for _ in range(1200):
        os.mkdir("a-deep-folder", dir_fd=below)
        deeper = os.open("a-deep-folder", os.O_RDONLY, dir_fd=below)
        os.close(below)
        below = deeper
    os.close(below)
    local.provider.delete("team-a", "job-deep")
    assert list((local.provider.root / "trash").iterdir()) == []
