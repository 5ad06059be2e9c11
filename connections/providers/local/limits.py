"""What one trainer may use of this machine, and how its wrapper finds out that it uses more.

Address space is no measure of memory: torch and CUDA reserve far more than they use. So what is resident is looked at
every few seconds. The log goes through a pipe, of which the wrapper keeps what the limit allows.
"""

from __future__ import annotations

import os
import resource
import select
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from connections.providers.trainer_files.outcome import Exceeded

MEMORY_SECONDS, DISK_SECONDS = 2.0, 10.0
LEISURE = 20
"""A look at the files that takes a second is followed by so many seconds without one."""
MOST_PROCESSES, MOST_OPEN_FILES = 4096, 65_536
FIRST_TO_GO = 500
"""How much rather than others the kernel shall end a trainer where memory runs out, of 1,000."""
CHUNK = 64 * 1024
LAST_CHUNKS = 16
"""What a pipe holds at most, one megabyte, in chunks."""


@dataclass(frozen=True)
class Limits:
    """Of one trainer. Without a figure for memory or disk it is nine tenths of what the machine has.

    `disk_bytes` and `files` count everything that its job keeps, and bound one file, too.
    """

    memory_bytes: int | None = None
    disk_bytes: int | None = None
    files: int = 100_000
    log_bytes: int = 64_000_000

    def in_force(self, root: Path) -> dict[str, int]:
        """The figures on this machine, with the files under `root`."""
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return asdict(self) | {
            "memory_bytes": self.memory_bytes or memory * 9 // 10,
            "disk_bytes": self.disk_bytes or shutil.disk_usage(root).total * 9 // 10,
        }


class LimitWatch:
    """Looks from time to time whether a trainer keeps within its limits.

    `uid` is the user that it alone has; without one its process group is looked at.
    """

    def __init__(self, limits: dict[str, int], folders: list[Path], pid: int, uid: int | None) -> None:
        self._limits = limits
        self._folders = folders
        self._pid, self._uid = pid, uid
        self._memory_due = self._disk_due = time.monotonic()

    def look(self) -> Exceeded | None:
        """What it uses too much of; None where nothing is, or where it is not time to look."""
        now = time.monotonic()
        if now >= self._memory_due:
            self._memory_due = now + MEMORY_SECONDS
            if found := self._memory():
                return found
        if now >= self._disk_due:
            found = self._disk()
            took = time.monotonic() - now
            self._disk_due = now + max(DISK_SECONDS, LEISURE * took)
            return found
        return None

    def _memory(self) -> Exceeded | None:
        allowed = self._limits["memory_bytes"]
        pids = list(_processes(self._pid, self._uid))
        if sum(map(_resident_bytes, pids)) <= allowed:
            return None
        used = sum(map(_proportional_bytes, pids))  # dearer to ask for: what processes share is counted once
        return Exceeded("memory", used, allowed) if used > allowed else None

    def _disk(self) -> Exceeded | None:
        used = number = 0
        for size in _sizes(self._folders):
            used, number = used + size, number + 1
            if number > self._limits["files"]:
                return Exceeded("files", number, self._limits["files"])
        allowed = self._limits["disk_bytes"]
        return Exceeded("disk", used, allowed) if used > allowed else None


class LogKeeper:
    """Copies what comes through a pipe to the log, up to a size, and says once that it keeps no more."""

    def __init__(self, pipe: int, log: IO[bytes], most_bytes: int) -> None:
        self._pipe, self._log = pipe, log
        self._left = most_bytes - os.fstat(log.fileno()).st_size
        self._most_bytes = most_bytes
        os.set_blocking(pipe, False)

    def wait(self, seconds: float) -> None:
        """Copy what there is, or what comes first within that time."""
        if not select.select([self._pipe], [], [], seconds)[0]:
            return
        if not self._copy():
            time.sleep(seconds)  # nobody writes any more, so the pipe is readable for ever

    def finish(self) -> None:
        """Copy what is left of a trainer that has ended; whoever still writes is not waited for."""
        for _ in range(LAST_CHUNKS):
            if not self._copy():
                return

    def _copy(self) -> bool:
        try:
            chunk = os.read(self._pipe, CHUNK)
        except BlockingIOError:
            return False
        kept = chunk[: max(0, self._left)]
        with suppress(OSError):  # a full disk must not stop the trainer at its next word
            os.write(self._log.fileno(), kept)
            if self._left >= 0 > self._left - len(chunk):
                size = self._most_bytes // 1_000_000
                os.write(
                    self._log.fileno(), f"\nSlipway keeps {size} MB of a trainer's log; the rest is dropped.\n".encode()
                )
        self._left -= len(chunk)
        return bool(chunk)


def confine(limits: dict[str, int], *, own_user: bool) -> None:
    """In the child, just before it becomes the trainer."""
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, limits["disk_bytes"])
    if own_user:  # else those of all others would count, too
        _lower(resource.RLIMIT_NPROC, MOST_PROCESSES)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_OPEN_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _lower(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))


def offer_first(points: int = FIRST_TO_GO) -> None:
    """Let the kernel choose this process and its later children where memory runs out (Linux)."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(points))


def _processes(group: int, uid: int | None) -> Iterator[int]:
    """The pids of a user's, or of a group's processes; none where there is no /proc."""
    entries = Path("/proc").iterdir() if Path("/proc/self").exists() else ()
    for entry in entries:
        if not entry.name.isdecimal():
            continue
        with suppress(OSError):
            pid = int(entry.name)
            if uid is None:
                belongs = os.getpgid(pid) == group
            else:
                line = next(line for line in (entry / "status").read_text().splitlines() if line.startswith("Uid:"))
                belongs = line.split()[1] == str(uid)
            if belongs:
                yield pid


def _resident_bytes(pid: int) -> int:
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def _proportional_bytes(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return _resident_bytes(pid)


def _sizes(folders: list[Path]) -> Iterator[int]:
    """What each file and folder under the folders takes on the disk, without following a link."""
    for folder in folders:
        for parent, folders_inside, names in os.walk(folder):
            for name in [*folders_inside, *names]:
                with suppress(OSError):
                    yield os.lstat(Path(parent) / name).st_blocks * 512
