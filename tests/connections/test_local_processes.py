"""What becomes of the local provider's processes when something dies, crosses, or comes twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import psutil
import pytest

from connections.providers.attempts import Reference
from connections.providers.capacity import GpuPool
from connections.providers.errors import Retryable
from connections.providers.local import plan, processes
from connections.providers.samplers import SamplerSubmission
from connections.providers.states import FINAL, AttemptState, Reason
from connections.providers.trainer_files import files
from tests.connections.local_rig import LocalRig, is_alive, make_rig
from tests.connections.rig import make_reference, make_spec, make_submission, until, wait_for, wait_ready
from tests.connections.sampler_contract import make_spec as make_sampler_spec
from tests.connections.trainer_hosts import end_trainer_host, start_trainer_host

pytestmark = pytest.mark.e2e  # real processes, started, killed and found again

S = AttemptState
H100 = "NVIDIA_H100_80GB"
SUBMITTER = """
import json, os, signal, sys
from pathlib import Path
from connections.providers.attempts import Reference
from connections.providers.errors import Retryable
from connections.providers.local.limits import Limits
from connections.providers.local.provider import LocalProvider
from tests.connections.rig import make_submission

told = json.loads(sys.argv[1])
paths = {name: Path(told["provider"][name]) for name in ("root", "models", "weights", "trainer_package", "environment")}
limits = Limits(**told["provider"]["limits"])
provider = LocalProvider(**told["provider"] | paths | {"limits": limits})
sys.stdin.readline()
provider.submit(make_submission(Reference(**told["reference"])))
os.kill(os.getpid(), signal.SIGKILL)
"""


def submitters(rig: LocalRig, reference: Reference, number: int) -> None:
    """Submit from that many processes at the same moment; each is killed as soon as it has."""
    told = json.dumps({"provider": asdict(rig.provider), "reference": asdict(reference)}, default=str)
    command = [sys.executable, "-c", SUBMITTER, told]
    root = Path(__file__).parents[2]
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, cwd=root, start_new_session=True) for _ in range(number)
    ]
    for process in started:
        assert process.stdin
        process.stdin.write(b"go\n")
        process.stdin.close()
    assert [process.wait(300) for process in started] == [-signal.SIGKILL] * number


def test_eight_submitters_make_one_trainer_that_outlives_them(local: LocalRig) -> None:
    reference = make_reference()
    submitters(local, reference, 8)
    wait_ready(local.provider, reference)
    local.finish(reference.job)
    wait_for(local.provider, reference, {S.COMPLETED})
    assert len(local.pids(reference.job)) == 1


def test_of_many_wrappers_one_starts_a_trainer(local: LocalRig) -> None:
    """A worker that dies between starting a wrapper and noting that is followed by one that starts a second."""
    reference = make_reference()
    local.provider.submit(make_submission(reference))
    directory = local.directory(reference)
    environment = plan.wrapper_environment(os.environ)
    pids = [processes.start_wrapper(directory, environment) for _ in range(4)]
    wait_ready(local.provider, reference)
    until(lambda: sum(belongs(pid, directory) for pid in {*pids, local.wrapper_pid(reference)}) == 1)
    assert len(local.pids(reference.job)) == 1

    local.finish(reference.job)
    wait_for(local.provider, reference, {S.COMPLETED})
    late = processes.start_wrapper(directory, environment)
    until(lambda: not is_alive(late))
    assert len(local.pids(reference.job)) == 1


def test_a_start_that_was_not_noted_is_found(local: LocalRig) -> None:
    reference = make_reference()
    local.provider.submit(make_submission(reference))
    wait_ready(local.provider, reference)
    (local.directory(reference) / files.SPAWNED).unlink()
    assert local.provider.observe(reference).ready
    assert len(local.pids(reference.job)) == 1


def test_attempts_wait_for_a_slot_in_order(local: LocalRig) -> None:
    references = [make_reference() for _ in range(5)]
    for reference in references:
        local.provider.submit(make_submission(reference))
    for reference in references[:2]:
        wait_ready(local.provider, reference)
    seen = [local.provider.observe(reference) for reference in references[2:]]
    assert [(one.state, one.queue_position) for one in seen] == [(S.PENDING, 1), (S.PENDING, 2), (S.PENDING, 3)]
    assert seen[1].detail == "Waiting for a free slot: 1 ahead (2 trainers run here at a time)."

    local.provider.cancel(references[2])  # the head of the queue leaves it
    local.finish(references[0].job)
    wait_for(local.provider, references[0], {S.COMPLETED})
    assert local.provider.observe(references[2]).state is S.CANCELLED
    assert local.provider.observe(references[4]).queue_position == 1
    # Nobody looked at the fourth itself: any observation starts whoever is next.
    until(lambda: local.provider.observe(references[1]) and local.pids(references[3].job))
    assert wait_ready(local.provider, references[3]).queue_position is None
    assert set(local.provider.list_references()) == {references[1], references[3], references[4]}


def test_an_attempt_that_waits_is_cancelled_without_a_process(local: LocalRig) -> None:
    references = [make_reference() for _ in range(3)]
    for reference in references:
        local.provider.submit(make_submission(reference))
    local.provider.cancel(references[2])
    seen = local.provider.observe(references[2])
    assert (seen.state, seen.reason) == (S.CANCELLED, Reason.USER)
    assert not (local.directory(references[2]) / files.WRAPPER).exists()


@pytest.mark.parametrize("hosted", [True, False], ids=["trainer-host", "no trainer-host"])
def test_a_cancel_while_the_environment_is_made_ends_that(local: LocalRig, hosted: bool) -> None:
    reference = make_reference()
    local.tell("prepare", hang=True)
    local.provider.submit(make_submission(reference))
    until(lambda: local.provider.observe(reference).detail == "Creating environment")
    creating = local.provider.observe(reference)
    assert creating.state is S.CREATING
    assert [line.message for line in creating.progress] == ["Preparing the trainer environment", "Creating environment"]
    if not hosted:
        end_trainer_host(local.provider.root)
    local.provider.cancel(reference)
    assert wait_for(local.provider, reference, {S.CANCELLED}).reason is Reason.USER
    assert local.pids(reference.job) == []
    assert no_process_of(local, reference)


def test_a_cancel_right_after_the_submission_is_not_lost(local: LocalRig) -> None:
    """Whatever the wrapper has got to: not yet exec'ed, before its lock, before its handler."""
    for _ in range(5):
        reference = make_reference()
        local.provider.submit(make_submission(reference))
        local.provider.cancel(reference)
        assert wait_for(local.provider, reference, {S.CANCELLED}).reason is Reason.USER
        assert no_process_of(local, reference)


def test_a_trainer_that_ignores_sigterm_is_killed_with_its_children(local: LocalRig) -> None:
    reference = make_reference()
    local.tell(reference.job, ignore_term=True, child=True)
    local.provider.submit(make_submission(reference))
    wait_ready(local.provider, reference)
    local.provider.cancel(reference)
    assert local.provider.observe(reference).state is S.CANCELLING
    wait_for(local.provider, reference, {S.CANCELLED})
    pids = [*local.pids(reference.job), *local.pids(reference.job, "child")]
    until(lambda: not any(map(is_alive, pids)))


def test_the_end_of_a_trainer_ends_its_children(local: LocalRig) -> None:
    reference = make_reference()
    local.tell(reference.job, child=True)
    local.provider.submit(make_submission(reference))
    wait_ready(local.provider, reference)
    local.finish(reference.job)
    wait_for(local.provider, reference, {S.COMPLETED})
    until(lambda: not is_alive(local.pids(reference.job, "child")[0]))


def test_a_killed_trainer_is_explained(local: LocalRig) -> None:
    reference = make_reference()
    local.provider.submit(make_submission(reference))
    wait_ready(local.provider, reference)
    os.kill(local.pids(reference.job)[0], signal.SIGKILL)
    failed = wait_for(local.provider, reference, {S.FAILED})
    assert failed.reason is Reason.EXIT_CODE
    assert "SIGKILL" in failed.detail
    assert "memory" in failed.detail
    assert "hello" in failed.detail


def test_a_trainer_that_somebody_ended_has_not_been_cancelled(local: LocalRig) -> None:
    reference = make_reference()
    local.provider.submit(make_submission(reference))
    wait_ready(local.provider, reference)
    os.kill(local.pids(reference.job)[0], signal.SIGTERM)
    assert wait_for(local.provider, reference, {S.FAILED}).reason is Reason.EXIT_CODE


def test_a_killed_wrapper_takes_its_trainer_along(local: LocalRig) -> None:
    reference = make_reference()
    local.tell(reference.job, child=True, ignore_term=True)
    local.provider.submit(make_submission(reference))
    wait_ready(local.provider, reference)
    os.kill(local.wrapper_pid(reference), signal.SIGKILL)
    if sys.platform == "linux":
        until(lambda: not is_alive(local.pids(reference.job)[0]))  # at once; its child is found by the next observation
    failed = wait_for(local.provider, reference, {S.FAILED})
    assert failed.reason is Reason.EXIT_CODE
    assert "watched" in failed.detail
    assert no_process_of(local, reference)
    assert local.provider.observe(reference) == failed
    assert reference not in local.provider.list_references()


def test_a_killed_wrapper_after_a_cancel_is_cancelled(local: LocalRig) -> None:
    reference = make_reference()
    local.tell(reference.job, ignore_term=True)
    local.provider.submit(make_submission(reference))
    wait_ready(local.provider, reference)
    local.provider.cancel(reference)
    os.kill(local.wrapper_pid(reference), signal.SIGKILL)
    assert wait_for(local.provider, reference, {S.CANCELLED}).reason is Reason.USER


def test_a_wrapper_that_dies_while_the_environment_is_made(local: LocalRig) -> None:
    reference = make_reference()
    local.tell("prepare", hang=True)
    local.provider.submit(make_submission(reference))
    until(lambda: local.provider.observe(reference).detail == "Creating environment")
    os.kill(local.wrapper_pid(reference), signal.SIGKILL)
    assert wait_for(local.provider, reference, {S.FAILED}).reason is Reason.EXIT_CODE
    assert no_process_of(local, reference)


def test_sigterm_from_elsewhere_is_the_host_stopping(local: LocalRig) -> None:
    """So does a machine that shuts down."""
    reference = make_reference()
    local.provider.submit(make_submission(reference))
    wait_ready(local.provider, reference)
    os.kill(local.wrapper_pid(reference), signal.SIGTERM)
    assert wait_for(local.provider, reference, {S.FAILED}).reason is Reason.HOST_STOPPED


def test_sigterm_between_environment_and_trainer_starts_no_trainer(local: LocalRig) -> None:
    reference = make_reference()
    local.tell("prepare", outlast_term=True)
    local.provider.submit(make_submission(reference))
    until(lambda: local.provider.observe(reference).detail == "Creating environment")
    os.kill(local.wrapper_pid(reference), signal.SIGTERM)
    failed = wait_for(local.provider, reference, {S.FAILED})
    assert failed.reason is Reason.HOST_STOPPED
    assert "Starting the trainer" not in [line.message for line in failed.progress]


@pytest.mark.parametrize(
    ("boot", "words"),
    [("another 1", "This machine restarted"), (f"{processes.boot_identity().partition(' ')[0]} 0", "container")],
)
def test_what_restarted_is_told_from_a_killed_wrapper(local: LocalRig, boot: str, words: str) -> None:
    reference = make_reference()
    local.provider.submit(make_submission(reference))
    wait_ready(local.provider, reference)
    spawned = files.read_json(local.directory(reference) / files.SPAWNED)
    assert spawned
    files.write_json(local.directory(reference) / files.SPAWNED, spawned | {"boot": boot})
    os.kill(local.wrapper_pid(reference), signal.SIGKILL)
    failed = wait_for(local.provider, reference, {S.FAILED})
    assert failed.reason is Reason.HOST_STOPPED
    assert words in failed.detail


def test_a_recycled_pid_is_left_alone(local: LocalRig) -> None:
    reference = make_reference()
    local.provider.submit(make_submission(reference))
    wait_ready(local.provider, reference)
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        os.kill(local.wrapper_pid(reference), signal.SIGKILL)
        for name in (files.WRAPPER, files.SPAWNED, files.TRAINER):
            found = files.read_json(local.directory(reference) / name)
            assert found
            files.write_json(local.directory(reference) / name, found | {"pid": stranger.pid})
        local.provider.cancel(reference)
        wait_for(local.provider, reference, {S.CANCELLED})
        assert list(local.provider.stop_all(1)) == []
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_wrapper_that_never_began_is_a_failure(local: LocalRig) -> None:
    reference = make_reference()
    for one in (make_reference(), make_reference(), reference):
        local.provider.submit(make_submission(one))
    gone = subprocess.Popen(["true"])
    gone.wait()
    spawned = {"pid": gone.pid, "identity": "of another", "boot": processes.boot_identity()}
    files.write_json(local.directory(reference) / files.SPAWNED, spawned)
    failed = local.provider.observe(reference)
    assert (failed.state, failed.reason) == (S.FAILED, Reason.EXIT_CODE)
    assert "before it began" in failed.detail


def test_an_environment_that_cannot_be_made_is_explained(local: LocalRig) -> None:
    reference = make_reference()
    local.tell("prepare", fail="torch could not be installed: no space left")
    local.provider.submit(make_submission(reference))
    failed = wait_for(local.provider, reference, {S.FAILED})
    assert failed.reason is Reason.ENVIRONMENT
    assert "torch could not be installed: no space left" in failed.detail


def test_an_environment_without_python_is_explained(local: LocalRig) -> None:
    reference = make_reference()
    (local.behaviour.parent / "trainer" / "prepare.py").write_text("")
    local.provider.submit(make_submission(reference))
    failed = wait_for(local.provider, reference, {S.FAILED})
    assert failed.reason is Reason.ENVIRONMENT
    assert "bin/python" in failed.detail


def test_stopping_the_host_ends_what_runs_and_keeps_what_waits(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, grace_seconds=60)
    obedient, stubborn, waiting = (make_reference() for _ in range(3))
    try:
        rig.tell(stubborn.job, ignore_term=True)
        for reference in (obedient, stubborn, waiting):
            rig.provider.submit(make_submission(reference))
        wait_ready(rig.provider, obedient)
        wait_ready(rig.provider, stubborn)

        assert set(rig.provider.stop_all(0.5)) == {obedient, stubborn}
        assert no_process_of(rig, obedient)
        assert no_process_of(rig, stubborn)
        assert rig.provider.list_references() == [waiting]
        for reference in (obedient, stubborn):
            seen = rig.provider.observe(reference)
            assert (seen.state, seen.reason) == (S.FAILED, Reason.HOST_STOPPED)
        assert rig.provider.observe(waiting).state is S.PENDING
        os.utime(rig.provider.root / "held", (0, 0))  # the host was started again, later
        wait_ready(rig.provider, waiting)
    finally:
        rig.end()


def test_a_dead_head_of_the_queue_does_not_block(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, slots=1)
    first, second, third = (make_reference() for _ in range(3))
    try:
        for reference in (first, second, third):
            rig.provider.submit(make_submission(reference))
        wait_ready(rig.provider, first)
        (rig.provider.root / "queue" / "000000000000.team-a.nobody.1").touch()  # a ticket without an attempt
        os.kill(rig.wrapper_pid(first), signal.SIGKILL)
        until(lambda: rig.provider.observe(third).queue_position == 1)
        wait_ready(rig.provider, second)
        assert rig.provider.list_references() == [second, third]
    finally:
        rig.end()


def test_replicas_take_a_slot_each_and_nobody_passes_them(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, slots=2)
    first, wide, third = (make_reference() for _ in range(3))
    try:
        rig.provider.submit(make_submission(first))
        rig.provider.submit(make_submission(wide, trainer_replica_count=2))
        rig.provider.submit(make_submission(third))
        wait_ready(rig.provider, first)
        assert [rig.provider.observe(each).queue_position for each in (wide, third)] == [1, 2]
        rig.finish(first.job)
        wait_ready(rig.provider, wide)
        assert (rig.provider.capacity().running, rig.provider.observe(third).queue_position) == (2, 1)
        rig.finish(wide.job)
        wait_ready(rig.provider, third)
    finally:
        rig.end()


def test_each_trainer_gets_gpus_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    rig = make_rig(tmp_path, slots=4)
    rig = replace(rig, provider=replace(rig.provider, gpus=f"{H100} = 3"))
    provider = rig.provider
    pair, one, wide, bare = (make_reference() for _ in range(4))
    try:
        provider.submit(make_submission(pair, accelerator_count=2, accelerator_type=H100))
        provider.submit(make_submission(one, accelerator_count=1))
        provider.submit(make_submission(wide, accelerator_count=1, trainer_replica_count=2))
        wait_ready(provider, one)
        seen, free = provider.observe(wide), provider.capacity().gpus
        assert (seen.state, free) == (S.PENDING, (GpuPool(H100, 3, 0),))
        assert seen.detail == "Waiting for a free slot and free GPUs: next in line (4 trainers run here at a time)."
        rig.finish(pair.job)
        provider.submit(make_submission(bare))
        got = []
        for reference in (one, wide, bare):
            wait_ready(provider, reference)
            environment = json.loads((rig.directory(reference) / files.RECORDS / "environ.json").read_text())
            processes = json.loads((rig.directory(reference) / files.CONFIG).read_text())["processes"]
            got.append((environment["CUDA_VISIBLE_DEVICES"], processes))
        assert got == [("2", 1), ("0,1", 2), ("", 1)]
        refused = [
            *provider.fits(make_spec(accelerator_count=1, accelerator_type="NVIDIA_B200_180GB")),
            *provider.fits(make_spec(accelerator_count=2, trainer_replica_count=2)),
        ]
        assert refused == [
            f"The shape needs NVIDIA_B200_180GB; this machine has {H100}.",
            f"It needs 4 GPUs in all; this machine has 3 {H100}.",
        ]
    finally:
        rig.end()


def test_who_waits_for_gpus_is_passed_by_those_without_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    rig = make_rig(tmp_path, slots=4)
    rig = replace(rig, provider=replace(rig.provider, gpus=f"{H100} = 2"))
    provider, emptied = rig.provider, replace(rig.provider, gpus="")
    holder, wide, narrow, bare = (make_reference() for _ in range(4))
    try:
        for reference, gpus in ((holder, 1), (wide, 2), (narrow, 1), (bare, 0)):
            provider.submit(make_submission(reference, accelerator_count=gpus))
        wait_ready(provider, holder)
        wait_ready(provider, bare)
        assert [provider.observe(each).queue_position for each in (wide, narrow)] == [1, 2]
        assert provider.capacity().gpus == (GpuPool(H100, 2, 1),), "one is free, and kept for the wide one"
        rig.finish(holder.job)
        wait_for(emptied, holder, {S.COMPLETED})
        lowered = replace(provider, gpus=f"{H100} = 1")
        assert [each.observe(wide).state for each in (emptied, lowered)] == [S.PENDING, S.PENDING]
        wait_ready(provider, wide)
        assert provider.observe(narrow).state is S.PENDING
    finally:
        rig.end()


def test_nobody_sees_gpus_that_it_was_not_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5")  # of this machine's, trainer-host and we may use two
    rig = make_rig(tmp_path, slots=3)
    rig = replace(rig, provider=replace(rig.provider, gpus=f"{H100} = 2"))
    provider = rig.provider
    trainer, sampler = make_reference(), make_reference("dep")
    try:
        provider.submit(make_submission(trainer, accelerator_count=2))
        wait_ready(provider, trainer)
        environment = json.loads((rig.directory(trainer) / files.RECORDS / "environ.json").read_text())
        assert environment["CUDA_VISIBLE_DEVICES"] == "4,5"
        provider.samplers.start(SamplerSubmission(sampler, make_sampler_spec("dep"), "sls-token"))
        planned = files.read_json(
            provider.root / "samplers" / "jobs" / "team-a" / "dep" / "attempts" / "1" / files.PLAN
        )
        assert planned and planned["trainer_variables"]["CUDA_VISIBLE_DEVICES"] == ""
        told = '{"counts": [], "longest": 0, "tokens": len(os.environ["CUDA_VISIBLE_DEVICES"])}'
        count = rig.behaviour.parent / "trainer" / "count.py"
        count.write_text(f"import json, os\nprint(json.dumps({told}))\n")
        (tmp_path / "rows.jsonl").touch()
        assert provider.count_tokens(make_spec().base_model, tmp_path / "rows.jsonl").tokens == 0

        more, wide, bare = replace(provider, gpus=f"{H100} = 4"), make_reference("wide"), make_reference("bare")
        more.submit(make_submission(wide, accelerator_count=2, node_count=2))  # of more slots than are free
        more.submit(make_submission(bare))
        wait_ready(more, bare)
        seen = more.observe(wide)
        assert seen.state is S.PENDING and seen.detail == (
            f"Waiting: the connection of this machine says 4 {H100}, and trainer-host is shown 2 "
            "(CUDA_VISIBLE_DEVICES=4,5): start it with all of them, or set the connection's GPUs to 2."
        )
    finally:
        rig.end()


def test_a_trainer_sees_no_secrets_and_others_not_its_token(local: LocalRig, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "SLIPWAY_SECRET_KEY", "PIP_INDEX_URL", "HTTPS_PROXY", "ANY_OTHER"):
        monkeypatch.setenv(name, "secret-of-the-worker")
    end_trainer_host(local.provider.root)
    start_trainer_host(local.provider.root)
    reference = make_reference()
    submission = make_submission(reference)
    local.provider.submit(submission)
    wait_ready(local.provider, reference)
    seen = json.loads((local.directory(reference) / files.RECORDS / "environ.json").read_text())
    assert "secret-of-the-worker" not in seen.values()
    assert seen["SLIPWAY_TRAINER_TOKEN"] == submission.token
    prepared = json.loads((local.provider.environment / "prepare.environ.json").read_text())
    assert prepared["PIP_INDEX_URL"] == "secret-of-the-worker"
    assert submission.token not in prepared.values()
    assert not {"DATABASE_URL", "SLIPWAY_SECRET_KEY", "ANY_OTHER"} & set(prepared)
    for pid in (local.wrapper_pid(reference), *local.pids(reference.job)):
        assert submission.token not in " ".join(psutil.Process(pid).cmdline())
    for path in [local.provider.root, *local.provider.root.glob("jobs/*/*/attempts/*")]:
        assert path.stat().st_mode & 0o066 == 0
    assert (local.directory(reference) / files.TOKEN).stat().st_mode & 0o077 == 0


def test_a_second_attempt_waits_for_the_end_of_the_first(local: LocalRig) -> None:
    first = make_reference()
    local.provider.submit(make_submission(first))
    with pytest.raises(Retryable, match="not over"):
        local.provider.submit(make_submission(make_reference(first.job, attempt=2)))
    assert local.provider.list_references() == [first]


def no_process_of(rig: LocalRig, reference: Reference) -> bool:
    """No process of an attempt that is over is left; its wrapper may need a moment to go after its last word."""
    assert rig.provider.observe(reference).state in FINAL
    directory = rig.directory(reference)
    return until(lambda: not [pid for pid in psutil.pids() if belongs(pid, directory)])


def belongs(pid: int, directory: Path) -> bool:
    """Whether a process with that pid is alive and one of the attempt's; a zombie has no environment."""
    try:
        return psutil.Process(pid).environ().get(processes.MARK) == str(directory)
    except (psutil.Error, OSError):
        return False
