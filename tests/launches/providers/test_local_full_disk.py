"""A full disk is said in words, loses nothing, and blocks nobody for longer than it lasts."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from launches.providers.base import Gone, Retryable
from launches.states import AttemptState
from tests.launches.providers.local_rig import LocalRig, is_alive, make_rig
from tests.launches.providers.rig import make_reference, make_submission, until, wait_for, wait_ready


@pytest.fixture
def small(tmp_path: Path) -> Iterator[LocalRig]:
    """A rig on a file system of one megabyte."""
    mounted = tmp_path / "small"
    mounted.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mounted)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small file system can be mounted by root only")
    rig = make_rig(mounted)
    yield rig
    rig.end()
    subprocess.run(["umount", "--lazy", str(mounted)], check=True)


def fill(rig: LocalRig) -> Path:
    """Leave no byte on the rig's file system; removing the file that is returned frees them."""
    filler = rig.provider.root / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (4096, 1):
            try:
                while file.write(b"\0" * size):
                    pass
            except OSError:
                continue
    return filler


def test_a_full_disk_is_said_and_survived(small: LocalRig) -> None:
    running, killed, late = (make_reference() for _ in range(3))
    for reference in (running, killed):
        small.provider.submit(make_submission(reference))
        wait_ready(small.provider, reference)
    filler = fill(small)

    with pytest.raises(Retryable, match="disk of this machine is full"):
        small.provider.submit(make_submission(late))
    with pytest.raises(Gone):
        small.provider.observe(late)
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
