"""Under which user a trainer runs.

Where we are root, each job has a user of its own, without an entry in the passwd file, and each account a group. Who
owns a folder is the only record of that, so a copy that was restored elsewhere is either still right or handed over
anew:

    jobs/<account>/                 root, group of the account   --x for the group
    jobs/<account>/<job>/           the same
    .../checkpoints/, sampler/      user of the job, group of the account: its trainer writes, the account's may read
    .../attempts/<number>/          root, group of the job (its user's number)   --x for the group
    .../attempts/<number>/records/  the job's alone; so is home/

So a trainer can read its own job and the checkpoints of its account, and write its own records and checkpoints, but
no outcome, be it early: what wrapper and provider write is not its own.

Why so: one user for all would let one trainer read another's folder; a user for each slot would have to be given every
resumed job's files anew, which root must not do to files that a trainer could have linked elsewhere. A job's user is
given once, to files that were root's. `cross_job://` is resolved by the trainer when its user asks, and who may launch
in an account may read all its jobs: hence the account's group, which new files inherit. Everything of the user is
killed with the trainer, also what left its process group and its environment behind.
"""

from __future__ import annotations

import os
import pwd
import stat
import sys
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from connections.providers.errors import Retryable
from connections.providers.local.reach import can_cover, closed_parent, closed_to_others
from connections.providers.trainer_files import files

ROOT = 0
_CAPABILITIES = {"chown": 0, "dac_override": 1, "kill": 5, "setgid": 6, "setuid": 7}
SHARED_FOLDER, SHARED_FILE = 0o2750, 0o640
PASSED, PRIVATE = 0o710, 0o700
UMASK = 0o027
LENT, SAMPLERS, RUNS = "merging", "samplers", "runs"
"""The folders of what processes that belong to no job work on."""


@dataclass(frozen=True)
class JobUser:
    """A job's user, whose own group has the same number, and the group of its account."""

    uid: int
    account_group: int


@dataclass(frozen=True)
class JobUsers:
    """The users of one provider's jobs, out of the ids from `first` to `last`.

    `needed` are the folders and programs that every trainer has to reach.
    """

    root: Path
    first: int
    last: int
    needed: tuple[Path, ...]

    def obstacle(self) -> str:
        """Why trainers cannot have users of their own here, in a clause; "" where they can."""
        if os.geteuid() != ROOT:
            return "Slipway itself does not run as root"
        if not _may_become(self.first, self.last):
            return f"root may not become the users {self.first} to {self.last} here"
        closed = closed_parent(self.root)
        closed = (closed if closed and not can_cover() else None) or _first(map(closed_to_others, self.needed))
        return f"other users cannot get into {closed}" if closed else ""

    def of(self, job_directory: Path) -> JobUser:
        """The user of the job. What the job and its account have so far is handed over where it was not yet.

        Errors: `OSError`, `Retryable` where no id is free. Hold the turn.
        """
        account, free = job_directory.parent, self._free()
        group = self._group_of(account, free)
        for job in account.iterdir():
            if (job / files.CHECKPOINTS).is_dir() and not self._owns(_user_of(job)):
                _hand_over(job, next(free), group)
        return JobUser(_user_of(job_directory), group)

    def _group_of(self, account: Path, free: Iterator[int]) -> int:
        """The group of the account with that folder, which it gets where it has none yet."""
        for folder in (self.root, account.parent):
            folder.chmod(0o711)
        self._forget_elsewhere()
        group = account.stat().st_gid
        if not self._owns(group):
            group = next(free)
            _give(account, ROOT, group, PASSED)
        return group

    def open_account(self, account: str) -> None:
        """Let the account have a group before its first job: who reads its weights later needs it now. Errors: as `of`.

        Hold the turn.
        """
        folder = self.root / "jobs" / account
        files.make_directory(folder)
        self._group_of(folder, self._free())

    def prepare(self, directory: Path, user: JobUser) -> None:
        """Let the user pass to its own folders of an attempt, and read what it is told. Errors: `OSError`."""
        for folder in (directory.parent, directory):
            _give(folder, ROOT, user.uid, PASSED)
        _give(directory / files.CONFIG, ROOT, user.uid, SHARED_FILE)
        for name in (files.RECORDS, files.HOME):
            _give(directory / name, user.uid, user.uid, PRIVATE)
        _give(directory.parent.parent / files.SAMPLER, user.uid, user.account_group, SHARED_FOLDER)

    def lend(self, directory: Path, account: str, own: Iterable[str]) -> JobUser:
        """A user for one process that belongs to no job: its own for as long as the directory is there.

        It may write to the folders `own` in it, and reads the rest, and the account's models. Errors: as `of`. Hold the
        turn.
        """
        uid = next(self._free())
        for folder in (self.root, directory.parent):
            folder.chmod(0o711)
        for path in (directory, *directory.rglob("*")):
            _give(path, ROOT, uid, PASSED if path.is_dir() else SHARED_FILE)
        for name in own:
            _give(directory / name, uid, uid, PRIVATE)
        owner = self.root / "jobs" / account
        group = owner.stat().st_gid if owner.is_dir() and self._owns(owner.stat().st_gid) else uid
        return JobUser(uid, group)

    def share(self, folder: Path, account_group: int) -> None:
        """Let the account's trainers pass into a folder of its own, also where it holds nothing yet."""
        folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        _give(folder, ROOT, account_group, PASSED)

    def _forget_elsewhere(self) -> None:
        """Where this folder is a copy, take back what it says: in the original its users may be running."""
        here = self.root / files.PLACE
        if here.exists() and here.read_bytes() == bytes(self.root):
            return
        for account in (self.root / "jobs").iterdir():
            os.chown(account, ROOT, ROOT)
            for job in account.iterdir():
                if (job / files.CHECKPOINTS).is_dir():
                    os.chown(job / files.CHECKPOINTS, ROOT, ROOT)
        files.write_text(here, os.fsdecode(bytes(self.root)))

    def _owns(self, number: int) -> bool:
        return self.first <= number <= self.last

    def _free(self) -> Iterator[int]:
        """Ids that no job, no account, no process and no person here has.

        Where the search starts depends on the folder, so that two Slipways of one machine seldom meet.
        """
        taken = {*self._taken(), *_running()}
        count = self.last - self.first + 1
        start = zlib.crc32(bytes(self.root))
        numbers = (self.first + (start + step) % count for step in range(count))
        yield from (number for number in numbers if number not in taken and not _is_somebody(number))
        raise Retryable(
            f"All {count} user ids for trainers have jobs that are kept here: delete launches that nobody needs."
        )

    def _taken(self) -> Iterator[int]:
        for account in (self.root / "jobs").glob("*"):
            yield account.stat().st_gid
            yield from map(_user_of, account.iterdir())
        started = (path for kind in (SAMPLERS, RUNS) for path in (self.root / kind).glob("jobs/*/*/attempts/*"))
        for lent in (*(self.root / LENT).glob("*"), *started):
            yield lent.stat().st_gid


def closed_model(directory: Path) -> Path | None:
    """The same for a model's directory with its files, which may be links into a cache elsewhere."""
    return _first(map(closed_to_others, (directory, *directory.iterdir())))


def _first(found: Iterable[Path | None]) -> Path | None:
    return next(filter(None, found), None)


def _hand_over(job_directory: Path, uid: int, group: int) -> None:
    """Give a job its user: also one from before, whose trainers ran as root. The record comes last.

    Each thing is opened without following a link, and looked at and given through what was opened: whoever may still
    write there cannot have us give away a file from elsewhere.
    """
    _give(job_directory, ROOT, group, PASSED)
    for name in (files.SAMPLER, files.CHECKPOINTS):
        if (job_directory / name).is_dir():
            _hand_over_tree(job_directory / name, uid, group)


def _hand_over_tree(top: Path, uid: int, group: int) -> None:
    for _, folders, names, folder in os.fwalk(top):
        for name in (*folders, *names):
            with suppress(OSError):  # a link, or gone meanwhile
                opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
                try:
                    _give_opened(opened, uid, group)
                finally:
                    os.close(opened)
    _give(top, uid, group, SHARED_FOLDER)


def _give_opened(opened: int, uid: int, group: int) -> None:
    found = os.fstat(opened)
    if stat.S_ISDIR(found.st_mode):
        mode = SHARED_FOLDER
    elif stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
        mode = SHARED_FILE
    else:
        return
    os.fchown(opened, uid, group)
    os.fchmod(opened, mode)


def _user_of(job_directory: Path) -> int:
    try:
        return (job_directory / files.CHECKPOINTS).stat().st_uid
    except (FileNotFoundError, NotADirectoryError):
        return -1


def _give(path: Path, uid: int, gid: int, mode: int) -> None:
    os.chown(path, uid, gid, follow_symlinks=False)
    path.chmod(mode)  # after the change of owner, which takes the bit that hands the group on


def _running() -> Iterable[int]:
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            yield process.uids().real


def _is_somebody(number: int) -> bool:
    try:
        return bool(pwd.getpwuid(number))
    except KeyError:
        return False


def _may_become(first: int, last: int) -> bool:
    """Whether root here, perhaps of a container, has these users and the rights to act for them."""
    if sys.platform != "linux":
        return True
    status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
    effective = int(status["CapEff"], 16)
    if not all(effective >> bit & 1 for bit in _CAPABILITIES.values()):
        return False
    ranges = [tuple(map(int, line.split())) for line in Path("/proc/self/uid_map").read_text().splitlines()]
    return any(inside <= first and last < inside + count for inside, _, count in ranges)
