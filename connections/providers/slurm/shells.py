"""Where Slurm's programs are run: on this machine, or (ssh.py) on a login node."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from connections.providers.errors import Unreachable

# Nothing else of our environment: sbatch hands its own on to the job, and ours holds the database's address and keys.
_KEPT = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "SLURM_CONF")
NOT_FOUND = 127
"""The exit code of a program that is not there."""


@dataclass(frozen=True)
class Ran:
    """What a program left: its exit code and what it said."""

    code: int
    out: str
    err: str


class Shell(Protocol):
    """Runs one program at a time, whose words no shell takes apart."""

    @property
    def remedy(self) -> str:
        """What to do where a program is not there, as a sentence goes on."""

    def run(self, words: Sequence[str], environment: Mapping[str, str], stdin: str, seconds: float) -> Ran:
        """Run it to its end. Errors: `Retryable`; `Unreachable` where it takes longer."""


@dataclass(frozen=True)
class ThisMachine:
    """Programs of the machine that we run on."""

    remedy: str = "is not on this machine's PATH: install Slurm's client programs."

    def run(self, words: Sequence[str], environment: Mapping[str, str], stdin: str, seconds: float) -> Ran:
        """As `Shell.run`."""
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        try:
            done = subprocess.run(
                words,
                input=stdin,
                env=kept | dict(environment),
                check=False,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=seconds,
            )
        except FileNotFoundError:
            return Ran(NOT_FOUND, "", "")
        except subprocess.TimeoutExpired:
            raise Unreachable(f"Slurm did not answer {words[0]} within {seconds:g} s.") from None
        return Ran(done.returncode, done.stdout, done.stderr)
