"""Recipes of ours beside the trainers of another Slipway, as a loop that runs on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import E2E_OFFSET, broker_url, worker_number
from tests.e2e.conftest import SlipwayServer, running_slipway
from tests.e2e.recipes import LORA, OVER_SECONDS, Launcher, make_key
from tests.e2e.test_recipe_runs import running
from tests.e2e.test_two_slipways import offer_another_shape
from tests.waiting import wait_for


@pytest.fixture
def near(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlipwayServer]:
    """One that no other test has connected with anything, so that it knows the other's catalog from nobody."""
    redis_url = broker_url(E2E_OFFSET + (worker_number() + 2) % E2E_OFFSET)
    with running_slipway(tmp_path_factory.mktemp("near"), redis_url) as server:
        yield server


@pytest.fixture
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlipwayServer]:
    """The other one, whose trainers are not the first one's."""
    redis_url = broker_url(E2E_OFFSET + (worker_number() + 4) % E2E_OFFSET)
    with running_slipway(tmp_path_factory.mktemp("beyond"), redis_url) as server:
        yield server


def test_our_own_recipes_run_there_as_they_run_here_and_go_on_where_they_were(
    near: SlipwayServer, far: SlipwayServer
) -> None:
    offer_another_shape(far)  # so that the sync brings one, and all others are the same here and there
    told = ("--set", f"url={far.url}", "--set", "accounts=local=local", "--for-everyone", "--secret-stdin")
    near.manage("connect", "beyond", "--kind", "control_plane", *told, stdin=make_key(far))
    near.manage("sync_catalog", "beyond")
    launcher = Launcher(near)
    long: dict[str, Any] = {"epochs": 15, "save_every": 6, "evaluation_every": 10}
    there = launcher.launch("dpo", LORA, "pairs there", connection="beyond", **long)
    here = launcher.launch("dpo", LORA, "pairs here", samples=0, **long)
    # On the disk of who saves it: by when it is listed here, the few steps that follow may be over.
    wait_for(lambda: any(far.home.glob("local/jobs/*/*/checkpoints/step-6")), seconds=OVER_SECONDS)
    for process in running(there):
        if "loop.py" in " ".join(process.cmdline()):
            process.kill()
    launcher.resume(there)
    launcher.until_completed([there, here])
    (losses, measured), found = launcher.curves("pairs here"), launcher.curves("pairs there")
    assert found[0] == pytest.approx(losses, abs=1e-5) and found[1] == pytest.approx(measured, abs=1e-5)
    assert len(losses) == 30 and measured[-1] < measured[0]
    page = launcher.read("pairs there")
    assert "Has run to its end" in page and "step-30" in page
    assert "Attempt 2" in page
