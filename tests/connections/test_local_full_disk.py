"""A full disk is said in words, loses nothing, and blocks nobody for longer than it lasts."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from connections.providers.errors import Gone, Retryable
from connections.providers.states import AttemptState, Reason
from connections.providers.trainer_files import files
from tests.connections.local_rig import LocalRig, is_alive, make_rig
from tests.connections.rig import make_reference, make_submission, until, wait_for, wait_ready
from tests.connections.trainer_hosts import end_trainer_host, start_trainer_host
from tests.disks import fill, small_disk


@pytest.fixture
def small(tmp_path: Path) -> Iterator[LocalRig]:
    """A rig on a file system of one megabyte."""
    with small_disk(tmp_path / "small", "1m") as folder:
        rig = make_rig(folder, slots=3)
        yield rig
        rig.end()


def test_a_full_disk_is_said_and_survived(small: LocalRig) -> None:
    running, killed, late = (make_reference() for _ in range(3))
    for reference in (running, killed):
        small.provider.submit(make_submission(reference))
        wait_ready(small.provider, reference)
    (small.directory(killed) / f".{files.EXIT}.room").unlink()  # as of attempts that an older release took
    filler = fill(small.provider.root)

    with pytest.raises(Retryable, match="disk of this machine is full"):
        small.provider.submit(make_submission(late))
    with pytest.raises(Gone):
        small.provider.observe(late)
    end_trainer_host(small.provider.root, signal.SIGKILL)
    start_trainer_host(small.provider.root)
    os.kill(small.wrapper_pid(killed), signal.SIGKILL)
    assert small.provider.observe(running).ready
    until(lambda: not is_alive(small.pids(killed.job)[0]))
    with pytest.raises(Retryable, match="could not be noted"):
        small.provider.observe(killed)

    filler.unlink()
    small.provider.submit(make_submission(late))
    wait_ready(small.provider, late)
    wait_for(small.provider, killed, {AttemptState.FAILED})
    assert [len(small.pids(reference.job)) for reference in (running, killed, late)] == [1, 1, 1]


@pytest.mark.e2e  # seconds
def test_how_trainers_ended_is_noted_on_a_full_disk(small: LocalRig) -> None:
    done, failed, cancelled = (make_reference() for _ in range(3))
    endings = {}
    for reference, code in ((done, 0), (failed, 3), (cancelled, None)):
        small.provider.submit(make_submission(reference))
        wait_ready(small.provider, reference)
        if code is not None:
            endings[reference] = small.behaviour / f"{reference.job}.later"
            endings[reference].write_text(str(code))
    fill(small.provider.root)

    for path in endings.values():
        path.rename(path.with_suffix(".exit"))
    small.provider.cancel(cancelled)
    wait_for(small.provider, done, {AttemptState.COMPLETED})
    assert "exit code 3" in wait_for(small.provider, failed, {AttemptState.FAILED}).detail
    assert wait_for(small.provider, cancelled, {AttemptState.CANCELLED}).reason is Reason.USER


@pytest.mark.e2e  # seconds
def test_an_ending_that_the_disk_refuses_is_noted_once_there_is_space(small: LocalRig) -> None:
    done = make_reference()
    small.provider.submit(make_submission(done))
    wait_ready(small.provider, done)
    (small.directory(done) / f".{files.EXIT}.room").unlink()
    (ending := small.behaviour / f"{done.job}.later").write_text("0")
    filler = fill(small.provider.root)

    ending.rename(ending.with_suffix(".exit"))
    until(lambda: not is_alive(small.pids(done.job)[0]))
    assert small.provider.observe(done).state is AttemptState.RUNNING
    filler.unlink()
    wait_for(small.provider, done, {AttemptState.COMPLETED})
