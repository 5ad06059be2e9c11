"""A real Slurm of three virtual nodes on this machine, with GPUs in name only: up in half a second.

It needs no root, listens on 127.0.0.1 alone, and every process of it carries the path of its configuration, by which it
is found and ended. Each GPU is a link to /dev/null.
"""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.connections.rig import until

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "squeue", "sinfo", "scancel", "scontrol")
MISSING = [name for name in PROGRAMS if not shutil.which(name)]
NODES = ("n1", "n2", "n3")
GPUS = 8
_CONFIGURATION = """
ClusterName=slipway
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/none
CredType=cred/none
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_interval=1,batch_sched_delay=0,sched_min_interval=0
PreemptType=preempt/partition_prio
PreemptMode=CANCEL
GresTypes=gpu
EnforcePartLimits=ALL
ReturnToService=2
SlurmdParameters=config_overrides
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd-%n.log
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MinJobAge=600
KillWait=2
SlurmdTimeout=120
MessageTimeout=10
NodeName=n[1-3] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{ports[1]}-{ports[3]}] \
CPUs=64 RealMemory=262144 Gres=gpu:h100:{gpus} State=UNKNOWN
PartitionName=train Nodes=n[1-3] Default=YES MaxTime=INFINITE DefMemPerCPU=100 PriorityTier=1
PartitionName=urgent Nodes=n[1-3] MaxTime=INFINITE DefMemPerCPU=100 PriorityTier=2
"""


@dataclass(frozen=True)
class SlurmCluster:
    """Where its configuration and its files are."""

    folder: Path

    @property
    def conf(self) -> Path:
        """Its slurm.conf."""
        return self.folder / "slurm.conf"

    def run(self, *command: str) -> str:
        """What one of its programs answers."""
        done = subprocess.run(command, env=self._environment(), check=True, capture_output=True, text=True, timeout=30)
        return done.stdout

    def start_controller(self, *, forgetful: bool = False) -> None:
        """Start slurmctld, with whatever it knew before or nothing of it, and wait until it answers."""
        self.run("slurmctld", *(["-c"] if forgetful else []))
        until(self._answers)

    def stop_controller(self, number: int = signal.SIGTERM) -> None:
        """End slurmctld, which saves what it knows: killed, it would start anew what it started in its last minute."""
        self._end_process(self.folder / "slurmctld.pid", number)

    def start_node(self, node: str) -> None:
        """Start a node's slurmd."""
        self.run("slurmd", "-N", node)

    def restart_node(self, node: str) -> None:
        """SIGKILL to a node's slurmd alone, and another one in its place: what runs of jobs there runs on."""
        self._end_process(self.folder / f"slurmd-{node}.pid", signal.SIGKILL)
        self.start_node(node)

    def bring_back(self, node: str) -> None:
        """Start a node that was killed, and wait until it takes jobs."""
        self.start_node(node)
        with suppress(subprocess.CalledProcessError):  # it has come back by itself
            self.run("scontrol", "update", f"nodename={node}", "state=resume")
        until(lambda: self.run("sinfo", "-h", "-p", "train", "-n", node, "-o", "%T").strip() in ("idle", "mixed"))

    def kill_node(self, node: str) -> None:
        """SIGKILL to a node's slurmd and to all that runs of jobs there; the controller is told that it is down.

        All are stopped first, as on a machine that dies none of them tells the controller how another ended.
        """
        self._end_process(self.folder / f"slurmd-{node}.pid", signal.SIGKILL)
        of_jobs = [process for process in self.processes() if _is_of(process, node)]
        there = of_jobs + [step for process in of_jobs for step in process.parents() if step.name() == "slurmstepd"]
        for stop in (psutil.Process.suspend, psutil.Process.kill):
            for process in there:
                with suppress(psutil.Error):
                    stop(process)
        self.run("scontrol", "update", f"nodename={node}", "state=down", "reason=killed")

    def job(self, job_id: str) -> str:
        """What Slurm tells of a job, in a line."""
        return self.run("scontrol", "show", "job", job_id, "--oneliner")

    def processes(self) -> list[psutil.Process]:
        """All that runs of it: its daemons, and what they started."""
        return [
            process
            for process in psutil.process_iter()
            if _conf_of(process) == str(self.conf) or self._is_step(process)
        ]

    def _is_step(self, process: psutil.Process) -> bool:
        """Whether it is what looks after a job there, which has no environment to tell it by."""
        with suppress(psutil.Error):
            return process.name() == "slurmstepd" and Path(process.cwd()).is_relative_to(self.folder)
        return False

    def end(self) -> None:
        """Leave no process behind."""
        while found := self.processes():
            for process in found:
                with suppress(psutil.Error):
                    process.kill()
            time.sleep(0.02)

    def _answers(self) -> bool:
        with suppress(subprocess.CalledProcessError):
            return "UP" in self.run("scontrol", "ping")
        return False

    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "SLURM_CONF": str(self.conf), "HOME": str(self.folder)}

    def _end_process(self, pid_file: Path, number: int) -> None:
        process = psutil.Process(int(pid_file.read_text()))
        process.send_signal(number)
        until(lambda: not psutil.pid_exists(process.pid) or process.status() == psutil.STATUS_ZOMBIE)


@contextmanager
def slurm_cluster(folder: Path) -> Iterator[SlurmCluster]:
    """A cluster in the folder, with every node idle."""
    for name in ("state", "spool", "log", "fake"):
        (folder / name).mkdir()
    for number in range(GPUS):
        (folder / "fake" / f"nvidia{number}").symlink_to("/dev/null")
    gres = f"NodeName=n[1-3] Name=gpu Type=h100 File={folder}/fake/nvidia[0-{GPUS - 1}]\n"
    (folder / "gres.conf").write_text(gres)
    told = {"host": socket.gethostname().partition(".")[0], "user": getpass.getuser(), "gpus": GPUS}
    cluster = SlurmCluster(folder)
    cluster.conf.write_text(_CONFIGURATION.format(**told, folder=folder, ports=_free_ports(1 + len(NODES))))
    try:
        cluster.run("slurmctld", "-c")
        for node in NODES:
            cluster.start_node(node)
        until(lambda: cluster.run("sinfo", "-h", "-p", "train", "-o", "%T %D").split() == ["idle", str(len(NODES))])
        yield cluster
    finally:
        cluster.end()


def _is_of(process: psutil.Process, node: str) -> bool:
    """Whether it is a job's process on the node."""
    with suppress(psutil.Error):
        return process.environ().get("SLURMD_NODENAME") == node or f"[{node}" in " ".join(process.cmdline())
    return False


def _conf_of(process: psutil.Process) -> str:
    try:
        return process.environ().get("SLURM_CONF", "") if process.status() != psutil.STATUS_ZOMBIE else ""
    except psutil.Error:
        return ""


def _free_ports(count: int) -> list[int]:
    """Ports in a row that nobody listens on."""
    for first in range(26800 + os.getpid() % 400 * 8, 32000, 8):
        ports = list(range(first, first + count))
        if all(_is_free(port) for port in ports):
            return ports
    raise OSError("no free ports for a Slurm")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
