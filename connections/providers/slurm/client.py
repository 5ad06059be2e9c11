"""Slurm by its command line: the one place that runs its programs, each call with a time limit.

They run on this machine or on a login node (`Shell`). slurmrestd would be another class with these methods.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from types import MappingProxyType

import structlog

from connections.providers.errors import ProviderError, Rejected, Retryable, Unreachable
from connections.providers.slurm.answers import (
    ACCOUNTED,
    SlurmJob,
    SlurmNode,
    SlurmPartition,
    read_accounting,
    read_jobs,
    read_nodes,
    read_partitions,
)
from connections.providers.slurm.shells import NOT_FOUND, Shell, ThisMachine
from connections.providers.trainer_files import values

log = structlog.get_logger(__name__)
SECONDS = 15.0
LARGEST_ANSWER = 128 * 1024 * 1024
_SHOWN = 400
_AWAY = re.compile(
    r"Unable to contact slurm|connect failure|Connection refused|Socket timed out|Communication connection"
    r"|not responding|Zero Bytes were transmitted|Insane message length|backup controller",
    re.IGNORECASE,
)
_NO_ACCOUNTING = re.compile(r"accounting storage is disabled|sacct is not|JobAcctGather.*none", re.IGNORECASE)
_ANY_ZONE = timedelta(days=2)
"""Its days are the cluster's."""
_UTC = {"TZ": "UTC", "SLURM_TIME_FORMAT": "standard"}
"""A login node has a clock of its own, and whoever we are there another format."""
_NEVER = re.compile(
    r"configuration is not available|Node count specification invalid|More processors requested|CPU count per node"
    r"|Memory specification can not be satisfied",
    re.IGNORECASE,
)
"""What no node and no partition there can hold. Whatever else is refused, whoever runs the connection can mend."""


@dataclass(frozen=True)
class SlurmClient:
    """Slurm's programs; `conf` is the path of their configuration, `programs` the folder that they are in.

    Both are as the machine that runs them sees it, and "" where they, or its PATH, say it.
    """

    conf: str = ""
    seconds: float = SECONDS
    shell: Shell = field(default_factory=ThisMachine)
    programs: str = ""

    def version(self) -> str:
        """The programs' own version. Errors: `Retryable`."""
        return self._run("sinfo", "--version").strip()

    def setting(self, name: str) -> str:
        """One line of the cluster's configuration, "" where there is none. Errors: `Retryable`."""
        found = re.search(rf"^{re.escape(name)}\s*= (.*)$", self._run("scontrol", "show", "config"), re.MULTILINE)
        return found[1].strip() if found else ""

    def jobs(self) -> Sequence[SlurmJob]:
        """Every job that the controller knows, those that ended lately too. Errors: `Retryable`."""
        return read_jobs(self._run("squeue", "--all", "--states=all", "--json"))

    def nodes(self) -> Sequence[SlurmNode]:
        """Every node. Errors: `Retryable`."""
        return read_nodes(self._run("sinfo", "--all", "--json"))

    def partitions(self) -> Sequence[SlurmPartition]:
        """Every partition. Errors: `Retryable`."""
        return read_partitions(self._run("scontrol", "show", "partition", "--all", "--oneliner"))

    def submit(self, options: Sequence[str], script: str) -> str:
        """Slurm's id of the new job. Errors: `Rejected` where the same would be refused again, `Retryable`."""
        said = self._run("sbatch", "--parsable", *options, stdin=script, submits=True)
        job_id = said.strip().partition(";")[0]
        if not job_id.isdecimal():
            raise Retryable(f"sbatch answered {values.plain(said[:80])!r}, which is no job's number.")
        return job_id

    def try_out(self, options: Sequence[str], script: str) -> str:
        """What the scheduler says of such a job, which is not submitted; its times are UTC. Errors: as `submit`."""
        told = ("sbatch", "--test-only", *options)
        return self._run(*told, stdin=script, submits=True, of_errors=True, environment=_UTC)

    def cancel(self, job_id: str) -> None:
        """Ask for a job's end; nothing where it is over. Errors: `Retryable`."""
        self._run("scancel", "--quiet", job_id)

    def address(self, node: str) -> str:
        """Where Slurm reaches a node. Errors: `Retryable`."""
        found = re.search(r"\bNodeAddr=(\S+)", self._run("scontrol", "show", "node", node, "--oneliner"))
        if not found:
            raise Retryable(f"Slurm knows no address of node {node[:80]}.")
        return found[1]

    def accounted(self, name: str, since: datetime) -> Sequence[SlurmJob]:
        """Jobs of the name that were submitted since then, by the accounting.

        Where there is none, or it refuses or does not answer, it knows nothing: an attempt shall not wait for it.
        """
        days = f"--starttime={since - _ANY_ZONE:%Y-%m-%d}"  # without one it forgets at midnight
        told = ("--allocations", "--noheader", "--parsable2", f"--format={','.join(ACCOUNTED)}")
        try:
            said = self._run("sacct", f"--name={name}", days, *told, environment={"SLURM_TIME_FORMAT": "%s"})
        except ProviderError as error:
            if not _NO_ACCOUNTING.search(str(error)):
                log.warning("slurm.accounting", job=name, error=str(error))
            return ()
        return [job for job in read_accounting(said) if job.name == name]

    def _run(
        self,
        program: str,
        *arguments: str,
        stdin: str = "",
        submits: bool = False,
        of_errors: bool = False,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> str:
        path = str(PurePosixPath(self.programs) / program)
        environment = dict(environment) | ({"SLURM_CONF": self.conf} if self.conf else {})
        ran = self.shell.run([path, *arguments], environment, stdin, self.seconds)
        if ran.code == NOT_FOUND:
            raise Retryable(f"{path} {self.shell.remedy}")
        if ran.code:
            raise _refusal(program, ran.err or ran.out, submits=submits)
        if len(ran.out) > LARGEST_ANSWER:
            raise Retryable(f"{program} answered with more than {LARGEST_ANSWER // 2**20} MiB.")
        return ran.err if of_errors else ran.out


def _refusal(program: str, said: str, *, submits: bool) -> ProviderError:
    """Why a program did not do it, with its own words."""
    lines = [line.removeprefix(f"{program}: ").removeprefix("error: ").strip() for line in said.splitlines()]
    words = values.plain(" ".join(filter(None, lines)))[:_SHOWN] or "it gave no reason"
    if _AWAY.search(words):
        return Unreachable(f"Slurm's controller did not answer: {words}")
    if submits and _NEVER.search(words):
        return Rejected(f"Slurm refuses the job: {words}")
    return Retryable(f"Slurm refused: {words}")
