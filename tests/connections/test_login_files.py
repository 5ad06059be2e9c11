"""Files that a login node alone sees, by a real sshd: as on this machine, and hostile until they are read."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from connections.providers.errors import Retryable, Unreachable
from connections.providers.slurm import sftp
from connections.providers.slurm import sftp_paths as far_paths
from connections.providers.slurm.sftp_paths import AT_ONCE, SftpPath, sftp_paths
from connections.providers.slurm.ssh import ssh_loop
from connections.providers.trainer_files import files, reading, records, tokenizers
from connections.providers.trainer_files.job_folders import JobFolders
from connections.providers.trainer_files.reading import NoRegularFile
from tests.connections.rig import until
from tests.connections.sshd import Sshd, needs_sshd, sshd_running

pytestmark = needs_sshd


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with sshd_running(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """Our folder in the shared directory, as this machine sees it."""
    root = tmp_path / "slipway-k7m2qx9ab1"
    (root / "jobs" / "a" / "j" / "attempts" / "1" / "records").mkdir(parents=True)
    return root


@pytest.fixture
def there(sshd: Sshd, here: Path) -> SftpPath:
    """The same folder by sftp."""
    return sftp_paths(sshd.node(), str(here))(here)


def attempt_in(root: Path) -> Path:
    return root / "jobs" / "a" / "j" / "attempts" / "1"


def test_what_is_written_there_is_whole_and_ours_alone(here: Path, there: SftpPath) -> None:
    local, far = attempt_in(here), attempt_in(there)
    files.make_room(far)
    rooms = {path.name for path in local.iterdir()}
    assert {f".{name}.room" for name in files.NEEDED_LATER} <= rooms
    files.write_json(far / files.EXIT, {"code": 0})
    files.mark(far / files.CANCELLED)
    files.mark(far / "other")
    (local / files.TOKEN).mkdir()
    (local / files.TOKEN / "x").touch()
    files.write_text(far / files.TOKEN, "töken")
    for name in (files.EXIT, files.TOKEN, "other", files.CANCELLED):
        assert (local / name).stat().st_mode & 0o777 == 0o600, name
    assert files.read_json(far / files.EXIT) == files.read_json(local / files.EXIT) == {"code": 0}
    assert (far / files.TOKEN).read_text() == "töken"
    assert rooms - {path.name for path in local.iterdir()} == {".exit.json.room", ".cancelled.room"}
    assert files.read_json(far / "nothing") is None
    files.make_directory(far / "x" / "y")
    assert (local / "x" / "y").stat().st_mode & 0o777 == 0o700
    with pytest.raises(FileExistsError):
        (far / "x").mkdir()
    (far / "x").rename(far / "z")
    files.remove_tree(far / "z")
    assert not (local / "z").exists()
    assert [str(path) for path in there.glob("jobs/*/*/attempts/*/exit.json")] == [str(local / "exit.json")]


def test_no_link_and_nothing_irregular_is_read(
    here: Path, there: SftpPath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "metrics.jsonl").write_text('{"secret": 1}')
    local, far = attempt_in(here), attempt_in(there)
    os.mkfifo(local / "fifo")
    with socket.socket(socket.AF_UNIX) as listening:
        monkeypatch.chdir(local)  # whose whole path is too long for a socket's
        listening.bind("socket")
    (local / "link").symlink_to(secret / "metrics.jsonl")
    (local / "folder").symlink_to(secret)
    (local / "up").symlink_to("..")
    for name in ("fifo", "socket", "link", "folder/metrics.jsonl", "up/1/fifo", "records", "../../../../../escape"):
        with pytest.raises(FileNotFoundError):
            reading.open_regular(far / name)
    for name in ("folder", "up", "link", "fifo"):
        with pytest.raises(NoRegularFile):
            reading.open_folder(far / name)
    (here / "jobs" / "b").symlink_to(here / "jobs" / "a")
    (local / "records" / "metrics.jsonl").write_text("{}")
    assert files.read_json(far / "records" / "metrics.jsonl") == {}
    assert files.read_json(there / "jobs" / "b" / "j" / "attempts" / "1" / "records" / "metrics.jsonl") is None


def test_large_files_are_read_piece_by_piece_and_as_here(here: Path, there: SftpPath) -> None:
    content = os.urandom(3_000_000)
    (attempt_in(here) / "weights").write_bytes(content)
    with reading.open_regular(attempt_in(there) / "weights") as file:
        assert reading.size_of(file) == len(content)
        assert file.seek(7) == 7
        assert file.read(10) == content[7:17]
        assert file.read() == content[17:]
    (attempt_in(here) / files.LOG).write_text("a line ä\n" * (2 * AT_ONCE // 9))
    for after in (0, 5, AT_ONCE, 10**9):
        local, far = (records.read_log(attempt_in(root) / files.LOG, after) for root in (here, there))
        assert local == far
    assert records.log_tail(attempt_in(there) / files.LOG) == records.log_tail(attempt_in(here) / files.LOG)


def test_a_tokenizer_is_read_behind_links_and_within_bounds(
    sshd: Sshd, there: SftpPath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "elsewhere" / "model"
    model.mkdir(parents=True)
    (model / "blob").write_bytes(os.urandom(200_000))
    (model / "tokenizer.json").symlink_to("blob")
    (model / "merges.txt").write_text("ä")
    far = type(there)(model)
    assert tokenizers.read_tokenizer(far) == tokenizers.read_tokenizer(model)
    assert set(tokenizers.read_tokenizer(far)) == {"tokenizer.json", "merges.txt"}
    monkeypatch.setattr(far_paths, "LARGEST_FILE", 199_999)
    with pytest.raises(OSError, match="more than"):
        tokenizers.read_tokenizer(far)


def test_a_file_that_was_forgotten_is_let_go_of_on_any_thread(here: Path, there: SftpPath) -> None:
    (attempt_in(here) / "weights").write_bytes(bytes(2 * AT_ONCE))

    async def forget(held: list[object]) -> None:
        held.clear()
        gc.collect()

    for opened in (lambda: reading.open_regular(attempt_in(there) / "weights"), lambda: (there / "copy").open("ab")):
        held: list[object] = [opened()]
        asyncio.run_coroutine_threadsafe(forget(held), ssh_loop()).result(10)
    assert there.exists()


def test_names_of_any_kind_are_listed_and_removed(here: Path, there: SftpPath) -> None:
    names = {"-rf", "a\nb", "$(id)", "'", "ä", os.fsdecode(b"\xff")}
    for name in names:
        (here / name).mkdir()
    with closing(reading.open_folder(there / "jobs")) as folder:
        assert folder.names(10) == ["a"]
    assert {path.name for path in there.iterdir()} == names | {"jobs"}
    for name in names:
        files.remove_tree(there / name)
    assert {path.name for path in here.iterdir()} == {"jobs"}


def test_a_lock_is_held_by_one_and_freed_when_its_holder_is_cut_off(sshd: Sshd, here: Path, there: SftpPath) -> None:
    with files.locked(there / "lock", 5) as held:
        assert held
        with files.locked(here / "lock", 0) as local:
            assert local is None
        with files.locked(sftp_paths(sshd.node(), str(here))(here / "lock"), 0.1) as other:
            assert other is None
    with files.locked(here / "lock", 0) as local:
        assert local
        with files.locked(there / "lock", 0.1) as far:
            assert far is None
    with files.locked(there / "lock", 5) as held:
        assert held
        sshd.break_connections()

        def free() -> bool:
            with files.locked(here / "lock", 0) as local:
                return local is not None

        until(free)


def test_a_lock_that_cannot_be_had_is_not_called_a_busy_one(sshd: Sshd, there: SftpPath) -> None:
    with (
        pytest.raises(Retryable, match=r"ended instead of holding a lock: flock: cannot open lock file .*nowhere"),
        files.locked(there / "nowhere" / "lock", 5),
    ):
        pass
    for words, said in ((["/nowhere/flock"], "No such file"), (["echo", "Welcome!"], "Welcome!"), (["true"], "a word")):
        with pytest.raises(Retryable, match=said), sshd.node().holding(words, 5, 5):
            pass


def test_a_session_that_died_or_hangs_is_begun_anew_over_the_same_connection(
    sshd: Sshd, there: SftpPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    def serving_files() -> psutil.Process:
        assert there.exists()
        (alone,) = (child for child in sshd.process.children(recursive=True) if not child.children())
        return alone

    def exists() -> bool:
        with suppress(Unreachable):
            return there.exists()
        return False

    sshd.break_connections()
    until(exists)
    (connection,) = sshd.process.children()
    serving_files().kill()
    until(exists)
    monkeypatch.setattr(sftp, "SECONDS", 0.5)
    stuck = serving_files()
    stuck.suspend()
    try:
        with pytest.raises(Unreachable, match=r"gave no answer for .* within 0\.5 s"):
            there.exists()
        until(exists)
    finally:
        stuck.kill()
    assert sshd.process.children() == [connection]


def test_nothing_here_is_taken_for_what_lies_there(there: SftpPath, here: Path, sshd: Sshd) -> None:
    for ask in (lambda: open(there / "jobs"), lambda: os.listdir(there), lambda: (there / "x").write_text("x")):  # noqa: PTH123, PTH208, SIM115
        with pytest.raises(TypeError, match="another machine"):
            ask()
    silent = sftp_paths(sshd.node(host="127.0.0.1", port=1), str(here))(here)
    with pytest.raises(Unreachable):
        silent.exists()


@pytest.mark.parametrize("seconds", [0.0, 60.0])
def test_tidying_goes_on_where_it_ended_the_last_time(here: Path, there: SftpPath, seconds: float) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=9)
    jobs = [here / "jobs" / account / f"job-{number}" for account in ("a", "b") for number in (1, 2)]
    for job in jobs:
        (job / "attempts" / "1").mkdir(parents=True)
        (job / "attempts" / "1" / "ending.json").write_text("{}")
        os.utime(job / "attempts" / "1" / "ending.json", (long_ago.timestamp(),) * 2)
    (here / "tidied").write_text("a/job-1")
    folders = JobFolders(there, "there")

    def left() -> list[str]:
        return [f"{job.parent.name}/{job.name}" for job in jobs if (job / "attempts" / "1").exists()]

    folders.forget_attempts(long_ago - timedelta(days=1), "ending.json", seconds)
    assert len(left()) == 4
    (here / "tidied").write_text("a/job-1")
    gone = []
    for _ in range(8):
        before = left()
        folders.forget_attempts(datetime.now(UTC), "ending.json", seconds)
        gone.append([each for each in before if each not in left()])
    one_by_one = [["a/job-2"], ["b/job-1"], ["b/job-2"], ["a/job-1"]]
    at_once = [sorted(name for names in one_by_one for name in names)]
    assert [names for names in gone if names] == (at_once if seconds else one_by_one)
    folders.empty_trash()
    assert not list((here / "trash").iterdir())
