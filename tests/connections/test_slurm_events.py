"""What befalls jobs on a real Slurm of virtual nodes, and what Slipway makes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import psutil
import pytest

from connections.providers.attempts import Observation, Reference
from connections.providers.capacity import MachineKind
from connections.providers.errors import Rejected, Retryable, Unreachable
from connections.providers.slurm.answers import SlurmJob
from connections.providers.slurm.client import SlurmClient
from connections.providers.states import AttemptState, Reason, ReasonOwner, owner_of
from tests.connections.local_rig import is_alive
from tests.connections.rig import TOKEN, make_reference, make_spec, make_submission, until, wait_for, wait_ready
from tests.connections.slurm_cluster import GPUS, NODES
from tests.connections.slurm_rig import H100, INSTANCE, SlurmRig, needs_slurm

pytestmark = [pytest.mark.e2e, needs_slurm]


class Died(BaseException):
    """The worker was killed."""


class DyingClient(SlurmClient):
    """Dies once Slurm has the job, before anybody could note that."""

    def submit(self, options: Sequence[str], script: str) -> str:
        super().submit(options, script)
        raise Died


class BlindClient(DyingClient):
    """The same, and Slurm does not show the job yet."""

    def jobs(self) -> Sequence[SlurmJob]:
        return ()


@pytest.fixture
def drained(slurm: SlurmRig) -> Iterator[None]:
    """Every node of the cluster, by an administrator, as long as the test does not give them back."""
    drain(slurm)
    yield
    if "drain" in slurm.cluster.run("sinfo", "-h", "-o", "%T"):
        resume(slurm)


@pytest.fixture
def rig(slurm: SlurmRig) -> Iterator[SlurmRig]:
    yield slurm
    for how in (("--state=PENDING",), ("--signal=KILL", "--full")):
        for partition in ("train", "urgent"):
            slurm.cluster.run("scancel", *how, "-p", partition)


def drain(rig: SlurmRig) -> None:
    """Let no node start anything."""
    for node in NODES:
        rig.cluster.run("scontrol", "update", f"nodename={node}", "state=drain", "reason=bad fan")


def resume(rig: SlurmRig) -> None:
    """Give them back."""
    for node in NODES:
        rig.cluster.run("scontrol", "update", f"nodename={node}", "state=resume")


def start(rig: SlurmRig, **spec: Any) -> Reference:
    """Submit an attempt and wait until its trainer answers."""
    reference = make_reference()
    rig.provider.submit(make_submission(reference, **spec))
    wait_ready(rig.provider, reference)
    return reference


def none_alive(*pids: int) -> bool:
    """Whether all of them have ended."""
    return not any(map(is_alive, pids))


def failed(rig: SlurmRig, reference: Reference) -> Observation:
    """Wait until the attempt has failed; the word stays."""
    seen = wait_for(rig.provider, reference, {AttemptState.FAILED})
    assert rig.provider.observe(reference) == seen
    assert reference not in rig.provider.list_references()
    return seen


def test_a_worker_that_dies_after_sbatch_leaves_one_job(rig: SlurmRig) -> None:
    reference = make_reference()
    dying = replace(rig.provider, client=DyingClient(rig.provider.client.conf))
    with pytest.raises(Died):
        dying.submit(make_submission(reference))
    rig.provider.submit(make_submission(reference))
    wait_ready(rig.provider, reference)
    assert len(rig.job_ids(reference)) == 1


def test_of_two_jobs_of_one_name_one_runs(rig: SlurmRig) -> None:
    reference = make_reference()
    blind = replace(rig.provider, client=BlindClient(rig.provider.client.conf))
    for _ in range(2):
        with pytest.raises(Died):
            blind.submit(make_submission(reference))
    assert len(rig.job_ids(reference)) == 2
    wait_ready(rig.provider, reference)
    until(lambda: rig.cluster.run("squeue", "-h", "-p", "train", "-t", "RUNNING", "-o", "%i").split()[1:] == [])
    assert rig.provider.observe(reference).ready
    assert len(rig.pids(reference.job)) == 1
    rig.finish(reference.job)
    wait_for(rig.provider, reference, {AttemptState.COMPLETED})


def test_a_controller_that_is_away_says_nothing_of_the_job(rig: SlurmRig) -> None:
    reference = start(rig)
    hasty = replace(rig.provider, client=replace(rig.provider.client, seconds=0.5))
    rig.cluster.stop_controller()
    try:
        for ask in (lambda: hasty.observe(reference), lambda: hasty.submit(make_submission(make_reference()))):
            with pytest.raises(Unreachable):
                ask()
        assert is_alive(rig.pids(reference.job)[0])
    finally:
        rig.cluster.start_controller()
    assert wait_ready(rig.provider, reference).remote_id == rig.job_ids(reference)[0]


def test_what_a_controller_forgot_before_it_started_is_submitted_again(rig: SlurmRig, drained: None) -> None:
    reference = make_reference()
    rig.provider.submit(make_submission(reference))
    rig.cluster.stop_controller()
    rig.cluster.start_controller(forgetful=True)
    assert not rig.job_ids(reference)
    wait_ready(rig.provider, reference)
    assert len(rig.pids(reference.job)) == len(rig.job_ids(reference)) == 1


def test_a_node_that_dies_is_the_platforms_fault(rig: SlurmRig) -> None:
    reference = start(rig)
    node = rig.provider.observe(reference).progress[-1].message.split()[-1]
    rig.cluster.kill_node(node)
    try:
        seen = failed(rig, reference)
    finally:
        rig.cluster.bring_back(node)
    assert (seen.reason, seen.remote_state) == (Reason.NODE_FAIL, "NODE_FAIL (NodeDown)")
    assert "NODE_FAIL" in seen.detail
    assert not is_alive(rig.pids(reference.job)[0])


def test_a_gang_lives_and_dies_as_one(rig: SlurmRig) -> None:
    shape = {"accelerator_type": H100, "accelerator_count": 8, "node_count": 2}
    for ends in ("cancelled", "node"):
        reference = start(rig, **shape)
        first, second = (until(partial(rig.pids, reference.job, name))[0] for name in ("starts", "gang"))
        told = json.loads((rig.directory(reference) / "records" / "environ.json").read_text())
        assert (told["SLURM_NNODES"], told["CUDA_VISIBLE_DEVICES"]) == ("2", "0,1,2,3,4,5,6,7")
        node = psutil.Process(second).environ()["SLURMD_NODENAME"]
        assert node != told["SLURMD_NODENAME"]
        if ends == "cancelled":
            rig.provider.cancel(reference)
            assert wait_for(rig.provider, reference, {AttemptState.CANCELLED}).reason is Reason.USER
            reasons = json.loads((rig.directory(reference) / "records" / "exit-reason.json").read_text())
            assert reasons["reason"] == "TERMINATED"  # it was asked, and had its time
        else:
            rig.cluster.kill_node(node)
            try:
                seen = failed(rig, reference)
            finally:
                rig.cluster.bring_back(node)
            assert (seen.reason, owner_of(Reason.NODE_FAIL)) == (Reason.NODE_FAIL, ReasonOwner.PLATFORM)
        until(partial(none_alive, first, second))


def test_says_why_it_waits_and_is_cancelled_while_it_does(rig: SlurmRig, drained: None) -> None:
    first, second = make_reference(), make_reference()
    for reference in (first, second):
        rig.provider.submit(make_submission(reference))
    until(lambda: "drained, down or reserved" in rig.provider.observe(first).detail, pause=0.2)
    seen = rig.provider.observe_many([first, second])
    for reference, position in ((first, 1), (second, 2)):
        waiting = seen[reference]
        assert isinstance(waiting, Observation)
        assert (waiting.state, waiting.queue_position) == (AttemptState.PENDING, position)
        assert waiting.since
    capacity = rig.provider.capacity()
    assert [(pool.accelerator_type, pool.free, pool.drained) for pool in capacity.gpus] == [(H100, 0, 3 * GPUS)]
    assert capacity.queue_length == 2
    assert capacity.out == tuple(f"{node}: bad fan" for node in NODES)
    assert capacity.machines == (MachineKind(3, {H100: GPUS}, 64, 262144),)  # which come back
    facts = rig.provider.identify().facts
    assert [words for label, words in facts if label == "Out of service"] == [f"{node}: bad fan" for node in NODES]

    rig.provider.cancel(second)
    cancelled = wait_for(rig.provider, second, {AttemptState.CANCELLED})
    assert cancelled.reason is Reason.USER
    assert not rig.pids(second.job)
    held = rig.job_ids(first)[0]
    rig.cluster.run("scontrol", "hold", held)
    resume(rig)
    until(lambda: "JobHeld" in rig.provider.observe(first).detail, pause=0.1)
    rig.cluster.run("scontrol", "release", held)
    wait_ready(rig.provider, first)


def test_what_is_cancelled_on_the_cluster_says_so(rig: SlurmRig) -> None:
    reference = start(rig)
    rig.cluster.run("scancel", rig.job_ids(reference)[0])
    seen = wait_for(rig.provider, reference, {AttemptState.CANCELLED})
    assert "scancel" in seen.detail


def test_a_requeue_by_an_operator_ends_the_attempt(rig: SlurmRig) -> None:
    reference = start(rig)
    job_id = rig.job_ids(reference)[0]
    rig.cluster.run("scontrol", "update", f"jobid={job_id}", "requeue=1")
    rig.cluster.run("scontrol", "requeue", job_id)
    seen = failed(rig, reference)
    assert seen.reason is Reason.PREEMPTED
    assert "queue" in seen.detail
    until(lambda: "JobState=CANCELLED" in rig.cluster.job(job_id))
    assert len(rig.pids(reference.job)) == 1


def test_a_preempted_job_goes_on_as_the_next_attempt(rig: SlurmRig) -> None:
    reference = make_reference()
    rig.tell(reference.job, checkpoints={"step-4": 4})
    rig.provider.submit(make_submission(reference, accelerator_type=H100, accelerator_count=1))
    wait_ready(rig.provider, reference)
    urgent = ("--exclusive", "-N", str(len(NODES)), "-p", "urgent", "-t", "1", "-o", "/dev/null", "--wrap", "sleep 30")
    rig.cluster.run("sbatch", *urgent)
    seen = failed(rig, reference)
    assert seen.reason is Reason.PREEMPTED
    assert seen.remote_state.startswith("PREEMPTED")
    rig.cluster.run("scancel", "-p", "urgent")

    second = replace(reference, attempt=2)
    rig.provider.submit(make_submission(second, accelerator_type=H100, accelerator_count=1))
    assert wait_ready(rig.provider, second).resumed_from == "step-4"


def test_before_its_time_limit_a_trainer_is_asked_to_end(rig: SlurmRig) -> None:
    short = rig.with_config(time_limit=1, grace=30)  # limits are minutes, and the end may be asked for seconds later
    reference = make_reference()
    short.provider.submit(make_submission(reference))
    until(lambda: rig.provider.observe(reference).state is AttemptState.FAILED, 90, pause=0.5)
    seen = rig.provider.observe(reference)
    assert seen.reason is Reason.TIME_LIMIT
    reasons = json.loads((rig.directory(reference) / "records" / "exit-reason.json").read_text())
    assert reasons["reason"] == "TERMINATED"


def test_a_job_gets_its_gpu_and_none_of_our_secrets(rig: SlurmRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPWAY_SECRET_KEY", "a-secret-of-the-worker")
    reference = start(rig, accelerator_type=H100, accelerator_count=1)
    told = json.loads((rig.directory(reference) / "records" / "environ.json").read_text())
    assert told["CUDA_VISIBLE_DEVICES"] == "0"
    assert "a-secret-of-the-worker" not in json.dumps(told)
    had = rig.provider.observe(reference)
    assert (had.nodes in NODES, had.gpus) == (True, "1 x gpu:h100")
    assert had.gpu_seconds is not None and 0 <= had.gpu_seconds < 600
    job_id = rig.job_ids(reference)[0]
    shown = rig.cluster.job(job_id) + rig.cluster.run("scontrol", "write", "batch_script", job_id, "-")
    assert TOKEN not in shown
    assert (rig.directory(reference) / "token").stat().st_mode & 0o777 == 0o600
    assert rig.provider.capacity().gpus[0].free == 3 * GPUS - 1


@pytest.mark.parametrize("change", [{"environment": "/nowhere"}, {"setup": "exit 3"}])
def test_what_could_not_be_started_is_the_platforms_fault(rig: SlurmRig, change: dict[str, str]) -> None:
    reference = make_reference()
    rig.with_config(**change).provider.submit(make_submission(reference))
    assert failed(rig, reference).reason is Reason.LAUNCH_FAILED


def test_a_test_says_what_the_cluster_is_and_what_is_wrong(rig: SlurmRig) -> None:
    identity = rig.provider.identify()
    facts = dict(identity.facts)
    assert facts["Cluster"] == "slipway"
    assert facts["A job would"].startswith("be taken")
    assert facts["Shared directory from the nodes"].removeprefix("seen by ") in NODES
    assert facts["NVIDIA H100 80GB"] == "24 of 24 free"
    assert not identity.unknown
    wrong = rig.with_config(partition="nowhere")
    assert "nowhere" in dict(wrong.provider.identify().facts)["A job would"]
    with pytest.raises(Retryable, match="nowhere"):
        wrong.provider.submit(make_submission(make_reference()))


def test_says_what_would_become_of_a_job_and_submits_none(rig: SlurmRig) -> None:
    spec = make_spec(accelerator_type=H100, accelerator_count=1)
    trial = rig.provider.try_out(spec)
    assert (trial.would_take, trial.nodes in NODES) == (True, True), trial
    assert trial.starts and abs(trial.starts - datetime.now(UTC)) < timedelta(minutes=5)
    for change, words in (({"cpus_per_gpu": 1000}, "Slurm refuses the job"), ({"partition": "nowhere"}, "nowhere")):
        trial = rig.with_config(**change).provider.try_out(spec)
        assert (trial.would_take, words in trial.words) == (False, True), trial
    assert not rig.cluster.run("squeue", "-h", "-t", "PENDING,RUNNING")


def test_what_no_node_can_hold_is_refused_for_good(rig: SlurmRig) -> None:
    with pytest.raises(Rejected, match="Slurm refuses the job"):
        rig.with_config(cpus_per_gpu=1000).provider.submit(make_submission(make_reference()))


def test_jobs_of_another_slipway_are_not_listed(rig: SlurmRig) -> None:
    reference = start(rig)
    assert reference in rig.provider.list_references()
    assert not replace(rig.provider, instance=INSTANCE[::-1]).list_references()
    assert not rig.with_config(partition="urgent").provider.list_references()
