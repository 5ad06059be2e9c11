"""Who of a trainer's processes is alive: each holds a lock on a file of its own for as long as it lives.

The files lie in `ranks/` of the attempt's directory, which all nodes see. The kernel lets go of a lock however its
process ends, so no heartbeat is missed by a busy one; and whoever ends for a reason leaves it in a file beside.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

from trainer.durable import write_json
from trainer.errors import ConfigError

FOLDER = "ranks"
APPEAR_WITHIN_S = 300.0
"""For a process to come: its imports take seconds, those of hundreds on a shared file system longer."""
LOST_S = 5.0
"""For whoever watches to see that a process is gone, and to say which."""
_TICK_S = 0.05
_LOST = ("by peer", "Broken pipe", "ncclRemoteError", "remote process exited", "communicator was aborted")
"""What gloo says (closed or reset by peer), and NCCL."""


class Roll:
    """The ranks of one attempt, seen from one of them."""

    def __init__(self, directory: Path, rank: int, size: int) -> None:
        self._folder = directory / FOLDER
        self._rank = rank
        self._size = size
        self._seen: set[int] = set()
        self._begun = time.monotonic()
        self._held: int | None = None

    def call(self) -> None:
        """Say that this rank is there, and as rank 0 begin the roll anew. Raises ConfigError, OSError."""
        if self._rank == 0:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder.mkdir(parents=True)
            write_json(self._folder / "meeting.json", {"store": f"store-{uuid.uuid4().hex}"})
        else:
            while not self._is_alive(0):
                if time.monotonic() - self._begun > APPEAR_WITHIN_S:
                    raise ConfigError(f"Rank 0 did not start within {APPEAR_WITHIN_S:g} s.")
                time.sleep(_TICK_S)
        descriptor = os.open(self._path(self._rank), os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.write(descriptor, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode())
        self._held = descriptor

    def hang_up(self) -> None:
        """Be there no more; the end of the process does the same."""
        if self._held is not None:
            os.close(self._held)

    @property
    def meeting(self) -> Path:
        """The file by which the ranks find one another."""
        return self._folder / str(self._read("meeting.json")["store"])

    def lost(self) -> str:
        """Why there is one less than there should be; "" where all are there, or may still come."""
        for rank in range(self._size):
            if rank == self._rank:
                continue
            if self._is_alive(rank):
                self._seen.add(rank)
            elif rank in self._seen:
                return self._how(rank)
            elif time.monotonic() - self._begun > APPEAR_WITHIN_S:
                return f"Rank {rank} of {self._size} did not start within {APPEAR_WITHIN_S:g} s."
        return ""

    def has_ended(self, rank: int) -> bool:
        """Whether one that was there is there no more."""
        return not self._is_alive(rank)

    def leave_reason(self, reason: str) -> None:
        """Say why this rank ends, for rank 0 to tell."""
        with suppress(OSError):  # a full disk: that it ended is seen all the same
            write_json(self._folder / f"{self._rank}.json", {"reason": reason})

    def _how(self, rank: int) -> str:
        told, who = self._read(f"{rank}.json").get("reason"), self._read(str(rank))
        where = f"Rank {rank} of {self._size} (process {who.get('pid')} on {who.get('host')})"
        return f"{where} failed: {told}" if told else f"{where} was killed, perhaps because memory ran out."

    def _read(self, name: str) -> dict[str, Any]:
        with suppress(OSError, ValueError):
            found = json.loads((self._folder / name).read_bytes())
            return found if isinstance(found, dict) else {}
        return {}

    def _is_alive(self, rank: int) -> bool:
        try:
            descriptor = os.open(self._path(rank), os.O_RDWR)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(descriptor)
        return False

    def _path(self, rank: int) -> Path:
        return self._folder / str(rank)


def is_lost_connection(error: Exception) -> bool:
    """Whether an error says no more than that another rank is gone: whoever gets it is not who failed."""
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _LOST)
