"""trainer-host alone owns what runs: workers come and go in any container, it may be away, drained, or end itself."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import pytest
from django.core.management import call_command
from pytest_django.fixtures import Settings

from connections.providers.errors import Retryable
from connections.providers.local import processes, trainer_host
from connections.providers.local.asking import SOCKET, Part, settings_of
from connections.providers.local.samplers import LocalSamplers
from connections.providers.local.trainer_host import Taken, held
from connections.providers.states import AttemptState, Reason
from connections.providers.trainer_files import files
from tests.connections.local_rig import LocalRig, is_alive, make_rig
from tests.connections.namespaces import HOST, ROOT, alone, start_worker, tell
from tests.connections.rig import make_reference, make_submission, until, wait_for, wait_ready
from tests.connections.sampler_contract import submission as sampler_submission
from tests.connections.trainer_hosts import answers, end_trainer_host, start_trainer_host

pytestmark = pytest.mark.e2e  # real processes, some in namespaces of their own
S = AttemptState


def test_workers_of_two_containers_see_and_end_the_same_trainers_and_take_none_along(
    local: LocalRig, tmp_path: Path
) -> None:
    one, other = (start_worker(local.provider, tmp_path / name) for name in ("one", "other"))
    first, second = make_reference(), make_reference()
    try:
        one.does("submit", first)
        other.does("submit", second)
        for reference in (first, second):
            other.sees(reference, "RUNNING", None, True)
            one.sees(reference, "RUNNING", None, True)
        other.does("cancel", first)
        one.sees(first, "CANCELLED", "USER", False)
        (trainer,) = local.pids(second.job)
        other.end()
        one.sees(second, "RUNNING", None, True)
        assert local.pids(second.job) == [trainer] and is_alive(trainer)
        one.does("cancel", second)
        one.sees(second, "CANCELLED", "USER", False)
    finally:
        one.end()
        other.end()


def test_a_second_one_is_refused_and_the_socket_is_the_owners(local: LocalRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer_host, "LOCK_SECONDS", 0)
    told = files.read_json(local.provider.root / trainer_host.WHO)
    assert told
    with (
        pytest.raises(Taken, match=rf"process {told['pid']} of .* one for each SLIPWAY_HOME"),
        held(local.provider.root),
    ):
        pass
    assert (local.provider.root / SOCKET).stat().st_mode & 0o777 == 0o600


def test_while_it_is_away_what_runs_goes_on_what_waits_says_why_and_an_end_is_an_end(local: LocalRig) -> None:
    running, unwanted, waiting = (make_reference() for _ in range(3))
    for reference in (running, unwanted):
        local.provider.submit(make_submission(reference))
        wait_ready(local.provider, reference)
    end_trainer_host(local.provider.root, signal.SIGKILL)
    local.provider.submit(make_submission(waiting))
    local.provider.cancel(unwanted)
    assert wait_for(local.provider, unwanted, {S.CANCELLED}).reason is Reason.USER
    seen = local.provider.observe(waiting)
    assert (seen.state, seen.detail) == (
        S.PENDING,
        "Waiting for trainer-host, which starts what runs on this machine and does not run now.",
    )
    assert local.provider.observe(running).ready
    assert local.provider.capacity().queue_length == 1
    os.kill(local.wrapper_pid(running), signal.SIGKILL)
    until(lambda: "trainer-host" in local.provider.observe(running).detail)
    assert local.provider.observe(running).reason is None, "nobody can say yet how it ended"
    start_trainer_host(local.provider.root)
    assert wait_for(local.provider, running, {S.FAILED}).reason is Reason.EXIT_CODE
    wait_ready(local.provider, waiting)


def test_a_drain_starts_nothing_and_says_what_time_it_took(local: LocalRig, settings: Settings) -> None:
    settings.SLIPWAY_HOME = local.provider.root.parent
    running, waiting = make_reference(), make_reference()
    local.provider.submit(make_submission(running))
    wait_ready(local.provider, running)
    said = io.StringIO()
    call_command("drain_trainer_host", within=0.0, stdout=said)
    lines = said.getvalue().splitlines()
    assert [line.partition("s  ")[2] for line in lines] == [
        "1 trainer still runs",
        "ended 1 trainer",
        "drained: nothing runs or is started, until drain_trainer_host --undo",
    ]
    failed = local.provider.observe(running)
    assert (failed.reason, "was drained" in failed.detail) == (Reason.HOST_STOPPED, True)
    end_trainer_host(local.provider.root)
    start_trainer_host(local.provider.root)
    local.provider.submit(make_submission(waiting))
    seen = local.provider.observe(waiting)
    assert seen.state is S.PENDING and "is drained since" in seen.detail
    os.utime(local.provider.root / trainer_host.HELD, (0, 0))
    call_command("drain_trainer_host", undo=True, stdout=said)
    wait_ready(local.provider, waiting)


def test_what_another_release_tells_or_wrote_stops_nobody_else(local: LocalRig) -> None:
    told = settings_of(local.provider)
    told["limits"]["of_tomorrow"] = told["of_tomorrow"] = 1
    del told["run_slots"], told["datasets"]
    assert trainer_host.provider_from(told) == local.provider
    end_trainer_host(local.provider.root)
    broken, sound = make_reference(), make_reference()
    for reference in (broken, sound):
        local.provider.submit(make_submission(reference))
    (local.provider.slots_of(Part.TRAINERS).queue.directory(broken) / files.SUBMISSION).write_text('{"of": "tomorrow"}')
    start_trainer_host(local.provider.root)
    wait_ready(local.provider, sound)
    with pytest.raises(Retryable, match=r"Its files on this machine cannot be read: another release .* Cancel ends it"):
        local.provider.observe(broken)
    local.provider.cancel(broken)
    assert local.provider.observe(broken).reason is Reason.USER
    (local.directory(sound) / files.SPAWNED).write_text('{"of": "tomorrow"}')
    os.kill(local.wrapper_pid(sound), signal.SIGKILL)
    assert wait_for(local.provider, sound, {S.FAILED}).reason is Reason.EXIT_CODE


def test_a_start_that_is_under_way_as_it_is_told_to_stop_ends_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make_rig(tmp_path, hosted=False)
    host = trainer_host.TrainerHost(rig.provider.root)
    starts, may_start, begin = threading.Event(), threading.Event(), LocalSamplers._begin

    def slowly(samplers: LocalSamplers, directory: Path) -> int:
        starts.set()
        assert may_start.wait(60)
        return begin(samplers, directory)

    monkeypatch.setattr(LocalSamplers, "_begin", slowly)
    sampler = sampler_submission(make_reference())
    try:
        rig.provider.samplers.start(sampler)
        with ThreadPoolExecutor() as others:
            advanced = others.submit(host.go_on, rig.provider, Part.SAMPLERS)
            assert starts.wait(60)
            ended = others.submit(host.end, 60)
            until((rig.provider.root / trainer_host.HELD).exists)
            may_start.set()
            advanced.result()
            ended.result()
        seen = rig.provider.samplers.observe(sampler.reference)
        assert seen.reason is Reason.HOST_STOPPED
    finally:
        may_start.set()
        rig.end()


@pytest.mark.parametrize(
    ("number", "busy", "words"),
    [(signal.SIGKILL, False, "container"), (signal.SIGTERM, False, "stopped"), (signal.SIGTERM, True, "stopped")],
)
def test_what_ends_with_its_container_has_a_true_reason(tmp_path: Path, number: int, busy: bool, words: str) -> None:
    rig = make_rig(tmp_path, hosted=False)
    reference = make_reference()
    container = alone(HOST, str(rig.provider.root), "5", home=tmp_path / "home")
    try:
        until(lambda: rig.provider.root.is_dir() and answers(rig.provider.root))
        rig.provider.submit(make_submission(reference))
        wait_ready(rig.provider, reference)
        turn = rig.provider.slots_of(Part.TRAINERS).queue.turn() if busy else nullcontext()
        with turn:  # which somebody else has for longer than may be waited for
            tell(container, number)
            assert (container.wait() == 0) == (number == signal.SIGTERM)
        start_trainer_host(rig.provider.root)
        failed = wait_for(rig.provider, reference, {S.FAILED})
        assert failed.reason is Reason.HOST_STOPPED
        assert words in failed.detail
    finally:
        if container.poll() is None:
            tell(container, signal.SIGKILL)
        rig.end()


def test_a_container_of_a_pod_that_starts_anew_is_told_as_that(tmp_path: Path) -> None:
    """Containers of a pod share the first process, which goes on; what one runs ends with it all the same."""
    rig = make_rig(tmp_path, hosted=False)
    reference = make_reference()
    command = [sys.executable, "-c", HOST, str(rig.provider.root), "5"]
    containers = list[subprocess.Popen[bytes]]()

    def start() -> None:
        containers.append(subprocess.Popen(command, cwd=ROOT))
        until(lambda: rig.provider.root.is_dir() and answers(rig.provider.root))

    try:
        start()
        rig.provider.submit(make_submission(reference))
        wait_ready(rig.provider, reference)
        containers[0].kill()
        containers[0].wait()
        processes.end_all(rig.directory(reference))
        start()
        failed = wait_for(rig.provider, reference, {S.FAILED})
        assert (failed.reason, "was started anew" in failed.detail) == (Reason.HOST_STOPPED, True)
    finally:
        for container in containers:
            container.kill()
            container.wait()
        rig.end()
