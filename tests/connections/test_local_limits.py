"""What a trainer may use of the machine: it is ended beyond, in words, or its log is cut."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from connections.providers.local.limits import FIRST_TO_GO, Limits
from connections.providers.states import AttemptState, Reason
from tests.connections.local_rig import LocalRig, is_alive, make_rig
from tests.connections.rig import make_reference, make_submission, until, wait_for, wait_ready

LIMITS = Limits(memory_bytes=140_000_000, disk_bytes=20_000_000, files=200, log_bytes=1_000_000)


@pytest.fixture
def narrow(tmp_path: Path) -> Iterator[LocalRig]:
    """A rig whose trainers may use little."""
    rig = make_rig(tmp_path, limits=LIMITS)
    yield rig
    rig.end()


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("uses", "words"),
    [
        ({"memory_mb": 300}, r"used 0\.[23] GB of memory, and a trainer here may use 0\.1 GB \(SLIPWAY_TRAINER_MEM"),
        ({"files": 300}, r"keeps more files than the 200 that a job here may \(SLIPWAY_TRAINER_FILES\)"),
    ],
)
def test_a_trainer_that_uses_too_much_is_ended_and_told_why(narrow: LocalRig, uses: dict[str, Any], words: str) -> None:
    if "memory_mb" in uses and sys.platform != "linux":
        pytest.skip("memory is looked at on Linux only")
    modest, greedy = make_reference(), make_reference()
    narrow.tell(modest.job, memory_mb=10, files=20)
    narrow.tell(greedy.job, checkpoints={"step-5": 5}, child=True, **uses)
    for reference in (modest, greedy):
        narrow.provider.submit(make_submission(reference))
    failed = wait_for(narrow.provider, greedy, {AttemptState.FAILED})
    assert failed.reason is Reason.LIMIT
    assert re.search(words, failed.detail), failed.detail
    until(lambda: not is_alive(narrow.pids(greedy.job, "child")[0]))
    assert [record.name for record in narrow.provider.checkpoints(greedy.account, greedy.job).records] == ["step-5"]
    assert wait_ready(narrow.provider, modest).ready


@pytest.mark.e2e
def test_a_job_that_keeps_too_much_is_ended_and_no_file_grows_beyond(narrow: LocalRig) -> None:
    greedy, huge = make_reference(), make_reference()
    narrow.tell(greedy.job, files_mb=15)
    narrow.finish(greedy.job)
    narrow.provider.submit(make_submission(greedy))
    wait_for(narrow.provider, greedy, {AttemptState.COMPLETED})
    checkpoints = narrow.directory(greedy).parent.parent / "checkpoints"
    (checkpoints / "older").write_bytes(b"o" * 15_000_000)
    (narrow.behaviour / f"{greedy.job}.exit").unlink()
    again = make_reference(greedy.job, attempt=2)
    narrow.provider.submit(make_submission(again))
    failed = wait_for(narrow.provider, again, {AttemptState.FAILED})
    assert (failed.reason, "SLIPWAY_TRAINER_DISK_GB" in failed.detail) == (Reason.LIMIT, True)

    narrow.tell(huge.job, files_mb=30)
    narrow.provider.submit(make_submission(huge))
    failed = wait_for(narrow.provider, huge, {AttemptState.FAILED})
    assert "File too large" in failed.detail


@pytest.mark.e2e
def test_a_log_is_cut_once_in_words_and_its_trainer_goes_on(narrow: LocalRig) -> None:
    reference = make_reference()
    narrow.tell(reference.job, log="\n".join(f"{number:09}" for number in range(500_000)))
    narrow.provider.submit(make_submission(reference))
    wait_ready(narrow.provider, reference)
    narrow.finish(reference.job)
    wait_for(narrow.provider, reference, {AttemptState.COMPLETED})
    log = (narrow.directory(reference) / "trainer.log").read_text()
    assert len(log) <= LIMITS.log_bytes + 100
    assert "\n000000999\n" in log
    assert log.endswith("\nSlipway keeps 1 MB of a trainer's log; the rest is dropped.\n")
    assert log.count("Slipway keeps") == 1


@pytest.mark.e2e
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux is told whom to end first")
def test_the_kernel_ends_a_trainer_before_anything_of_ours(narrow: LocalRig) -> None:
    reference = make_reference()
    narrow.provider.submit(make_submission(reference))
    wait_ready(narrow.provider, reference)
    points = [
        int(Path(f"/proc/{pid}/oom_score_adj").read_text())
        for pid in (narrow.pids(reference.job)[0], narrow.wrapper_pid(reference))
    ]
    assert points == [FIRST_TO_GO, 0]
    assert psutil.Process(narrow.pids(reference.job)[0]).is_running()


def test_without_a_figure_it_is_nine_tenths_of_the_machine(tmp_path: Path) -> None:
    found = Limits().in_force(tmp_path)
    assert found["memory_bytes"] == pytest.approx(psutil.virtual_memory().total * 0.9, rel=0.01)
    assert found["disk_bytes"] == psutil.disk_usage(str(tmp_path)).total * 9 // 10
    assert replace(Limits(), memory_bytes=7).in_force(tmp_path)["memory_bytes"] == 7
