"""The state folder: where things lie in it, who holds it, and what the running Slipway wrote down about itself."""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from embedded.console import Trouble
from embedded.reserve import Reserve

ROOT = Path(__file__).resolve().parent.parent
LEAST_FREE_BYTES = 150_000_000


@dataclass(frozen=True)
class Child:
    """A supervised process as it is written down: enough to recognise it after its supervisor has been killed."""

    pid: int
    started_at: float


@dataclass(frozen=True)
class Running:
    """What the holder of the state folder wrote down about itself. Holds passwords: the file's mode is 0600."""

    pid: int
    purpose: str
    url: str
    database_url: str
    redis_url: str
    children: dict[str, Child] = field(default_factory=dict)


class Home:
    """The folder SLIPWAY_HOME (default var/ in the project)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.logs = path / "logs"
        self.postgres = path / "postgres"
        self.broker = path / "broker"
        self.reserve = Reserve(path / "reserve")
        self._record = path / "run.json"
        self._lock = path / "run.lock"

    @classmethod
    def from_environment(cls) -> Home:
        return cls(Path(os.environ.get("SLIPWAY_HOME") or ROOT / "var").absolute())

    def prepare(self) -> None:
        """Make the folder; others may pass through it (the servers' account must) but not list it.

        Raises:
            Trouble: it cannot be written to, or it is new and its disk is full. What was set up before starts on a
                full disk, too, so that it can be read.
        """
        try:
            if not self.path.exists():
                self.path.mkdir(parents=True, mode=0o711)
            self.logs.mkdir(exist_ok=True, mode=0o700)
            self.reserve.release()
            probe = self.path / ".writable"
            probe.write_bytes(b"\0" * 4096)
            probe.unlink()
            disk = os.statvfs(self.path)
        except OSError as error:
            remedy = "Choose another folder with SLIPWAY_HOME."
            raise Trouble(f"Cannot write to {self.path}: {error.strerror}. {remedy}") from None
        free = disk.f_bavail * disk.f_frsize
        if free < LEAST_FREE_BYTES and not self._was_set_up():
            least = LEAST_FREE_BYTES // 1_000_000
            raise Trouble(f"{self.path} has {free // 1_000_000} MB free; Slipway needs {least} MB to start.")

    def _was_set_up(self) -> bool:
        return (self.postgres / "data").exists() or (self.path / "secret-key").exists()

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    @contextmanager
    def held(self) -> Iterator[bool]:
        """Hold the state folder for this process; yields whether it was free. The kernel lets go when we die."""
        with self._lock.open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            os.register_at_fork(after_in_child=lock.close)  # a child that outlives us must not hold it
            yield True

    def write_running(self, running: Running) -> None:
        """Replace the record in one step, readable by its owner alone."""
        draft = self._record.with_suffix(".new")
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            json.dump(asdict(running) | {"home": str(self.path)}, stream)
        draft.replace(self._record)

    def read_running(self) -> Running | None:
        """The last record, whether or not its writer still lives; None where there is none or it is unreadable.

        Nor does that of another folder count, of which this is a copy: its processes may be running.
        """
        try:
            data: dict[str, Any] = json.loads(self._record.read_text())
            if data.pop("home", str(self.path)) != str(self.path):
                return None
            children = {name: Child(**child) for name, child in data.pop("children").items()}
            return Running(**data, children=children)
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def forget_running(self) -> None:
        self._record.unlink(missing_ok=True)


@contextmanager
def temporary_home() -> Iterator[Home]:
    """A state folder that is removed afterwards and that the servers' account can pass through."""
    with tempfile.TemporaryDirectory(prefix="slipway-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        home = Home(Path(folder) / "var")
        home.prepare()
        yield home
