"""300 launches on a Slurm of virtual nodes, whose slurmctld and slurmd are killed meanwhile: one trainer an attempt.

Every 8 to 14 s one of both is killed without time to save, and started again a second later. An operator looks every
5 s and gives back the nodes that Slurm took out of service by itself: a controller that is killed starts anew what it
had just started, which the node refuses ("Duplicate jobid"). What failed by the platform's fault and does not go on by
itself is resumed, as its owner would. At the end every launch is completed, and no attempt had two trainers.
"""

from __future__ import annotations

import random
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, LiteralString

import httpx

from benchmarks.chaos import GAPS, JOBS_PATH, STATES, Victim, launch_all, measured, words

if TYPE_CHECKING:
    from tests.connections.slurm_cluster import SlurmCluster
    from tests.standing_in import StandIns

MANY = 300
LONGEST_SECONDS = 540
OPERATOR_SECONDS = 5.0
NAME = "cluster"

ENDED: LiteralString = """
SELECT l.job_id, l.state, a.reason FROM launches_launch l
JOIN launches_attempt a ON a.launch_id = l.id AND a.number = l.attempt_count
WHERE l.job_id LIKE %s AND l.state IN ('FAILED', 'CANCELLED', 'LOST', 'REJECTED')
"""
REASONS: LiteralString = """
SELECT a.state || ' ' || a.reason, count(*) FROM launches_attempt a JOIN launches_launch l ON l.id = a.launch_id
WHERE l.job_id LIKE %s GROUP BY 1 ORDER BY 2 DESC
"""
ATTEMPTS: LiteralString = """
SELECT l.job_id, l.attempt_count FROM launches_launch l WHERE l.job_id LIKE %s
"""


def main(number: int = MANY) -> None:
    """Errors: `AssertionError` where a launch is not completed, or an attempt had two trainers."""
    from tests.connections.slurm_cluster import slurm_cluster  # noqa: PLC0415 -- needs what only tests have
    from tests.standing_in import StandIns  # noqa: PLC0415

    near = measured("bench slurm")
    with tempfile.TemporaryDirectory() as folder:
        trainers = StandIns(Path(folder) / "stand-ins")
        trainers.prepare()
        for name in ("cluster", "shared"):
            (Path(folder) / name).mkdir()
        with slurm_cluster(Path(folder) / "cluster") as cluster:
            _connect(cluster, Path(folder) / "shared", trainers)
            _run(near, cluster, trainers, number)


@dataclass
class ClusterChaos:
    """Kills until it is told to stop, with an operator beside it; counts."""

    cluster: SlurmCluster
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("slurmctld", "slurmd", "given back"), 0))

    @contextmanager
    def reigning(self) -> Iterator[None]:
        """Beside the block."""
        over = threading.Event()
        threads = [threading.Thread(target=each, args=(over,), daemon=True) for each in (self._reign, self._operate)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join()

    def _reign(self, over: threading.Event) -> None:
        chance = random.Random(7)
        while not over.wait(chance.uniform(8, 14)):
            if chance.random() < 0.5:
                self.cluster.stop_controller(signal.SIGKILL)
                over.wait(1)
                self.cluster.start_controller()
                self.counts["slurmctld"] += 1
            else:
                self.cluster.restart_node(chance.choice(("n1", "n2", "n3")))
                self.counts["slurmd"] += 1

    def _operate(self, over: threading.Event) -> None:
        while not over.wait(OPERATOR_SECONDS):
            with suppress(subprocess.SubprocessError):  # the controller is away
                for line in self.cluster.run("sinfo", "-h", "-N", "-p", "train", "-o", "%N %T").splitlines():
                    node, state = line.split()
                    if state.startswith(("drain", "down")):
                        self.cluster.run("scontrol", "update", f"nodename={node}", "state=resume")
                        self.counts["given back"] += 1


def _connect(cluster: SlurmCluster, shared: Path, trainers: StandIns) -> None:
    from django.core.management import call_command  # noqa: PLC0415 -- after Django is set up

    settings = {
        "shared": shared,
        "partition": "train",
        "conf": cluster.conf,
        "environment": trainers.environment,
        "bind": "127.0.0.1",
        "cpus_per_gpu": 1,
        "memory_per_gpu": 1,
    }
    told = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    call_command("connect", NAME, "--kind", "slurm", *told, "--for-everyone")


def _run(near: Victim, cluster: SlurmCluster, trainers: StandIns, number: int) -> None:
    jobs = [f"slurm-{each}" for each in range(number)]
    for job in jobs:
        trainers.end(job, 0)  # as soon as it has begun
    began, resumed = time.perf_counter(), 0
    chaos = ClusterChaos(cluster)
    with chaos.reigning():
        launch_all(near, jobs, NAME)
        accepted = time.perf_counter() - began
        while near.ask(STATES, "slurm-%") != [("COMPLETED", number)]:
            left = near.ask(STATES, "slurm-%")
            assert time.perf_counter() - began < LONGEST_SECONDS, (left, near.ask(REASONS, "slurm-%"))
            for job, state, reason in near.ask(ENDED, "slurm-%"):
                assert state == "FAILED", (job, state, reason)
                resumed += _resume(near, job)
            time.sleep(1)
    took = time.perf_counter() - began
    starts = {job: len(trainers.pids(job)) for job in jobs}
    attempts = dict(near.ask(ATTEMPTS, "slurm-%"))
    assert all(1 <= starts[job] <= attempts[job] for job in jobs), "an attempt had two trainers"
    assert near.ask(GAPS, "slurm-%") == [(0,)], "a timeline has a gap"
    again = sum(attempts.values()) - number
    print(f"\n{number} launches on Slurm, all completed after {took:.0f} s (accepted after {accepted:.0f} s)")
    print(f"killed: {words(chaos.counts)}; attempts besides the first: {again}, of which {resumed} were asked for")
    print(
        f"how attempts ended: {words(dict(near.ask(REASONS, 'slurm-%')))}; trainers that began: {sum(starts.values())}"
    )


def _resume(near: Victim, job: str) -> int:
    answer = httpx.post(f"{near.url}{JOBS_PATH}/{job}:resume", headers={"X-Api-Key": near.key}, json={}, timeout=30)
    return int(answer.is_success)
