"""The local provider with the real trainer: its environment, its sample recipe, its checkpoints."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from connections.providers.local import processes
from connections.providers.local.provider import LocalProvider
from connections.providers.states import AttemptState, Reason
from tests.connections.rig import make_reference, make_submission, until, wait_for
from tests.sdk.environments import KEPT

S = AttemptState
PREPARED_SECONDS = 600


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[LocalProvider]:
    """The provider as it is deployed, in a directory of its own; the trainer's environment is kept between runs."""
    provider = LocalProvider(
        root=tmp_path / "local",
        slots=2,
        bind="127.0.0.1",
        host="127.0.0.1",
        models=tmp_path / "models",
        trainer_package=settings.BASE_DIR / "trainer",
        environment=KEPT / "trainer",
    )
    yield provider
    for directory in provider.root.glob("jobs/*/*/attempts/*"):
        processes.end_all(directory)


@pytest.mark.e2e
def test_the_sample_recipe_trains_and_goes_on_after_a_kill(provider: LocalProvider) -> None:
    first = make_reference()
    provider.submit(make_submission(first, recipe="sample-sft", learning_rate=1e-2))
    until(lambda: provider.observe(first).state is not S.CREATING, PREPARED_SECONDS)
    until(lambda: wait_for(provider, first, {S.RUNNING}).ready, 120)
    until(lambda: provider.checkpoints(first.account, first.job).records, 120)
    until(lambda: len(provider.metrics(first, 0).records) > 20)
    os.kill(_trainer_pid(provider, first.job), signal.SIGKILL)
    failed = wait_for(provider, first, {S.FAILED})
    assert failed.reason is Reason.EXIT_CODE
    assert "SIGKILL" in failed.detail

    second = make_reference(first.job, attempt=2)
    provider.submit(make_submission(second, recipe="sample-sft", learning_rate=1e-2))
    done = until(lambda: (seen := provider.observe(second)).reason and seen, 180)
    assert done
    assert (done.state, done.reason, done.resumed_from) == (S.COMPLETED, Reason.DONE, "step-20")
    before, after = provider.metrics(first, 0).records, provider.metrics(second, 0).records
    assert after[0].step == 21
    assert after[-1].step == 60
    losses = [record.loss_per_token for record in (before[0], after[0], after[-1])]
    assert all(losses)
    assert losses == sorted(losses, key=float, reverse=True)  # type: ignore[arg-type]
    assert "step-60" in [record.name for record in provider.checkpoints(first.account, first.job).records]
    assert "COMPLETED" in provider.logs(second, 0).text


@pytest.mark.e2e
def test_an_idle_trainer_stops_itself(provider: LocalProvider) -> None:
    """The provider's own probes are no calls."""
    reference = make_reference()
    provider.submit(make_submission(reference, inactivity_timeout_seconds=3))
    until(lambda: provider.observe(reference).state is not S.CREATING, PREPARED_SECONDS)
    idle = until(lambda: (seen := provider.observe(reference)).reason and seen, 120)
    assert idle
    assert (idle.state, idle.reason) == (S.CANCELLED, Reason.INACTIVE)


def _trainer_pid(provider: LocalProvider, job: str) -> int:
    (path,) = provider.root.glob(f"jobs/*/{job}/attempts/*/trainer.json")
    pid = json.loads(path.read_text())["pid"]
    assert isinstance(pid, int)
    return pid
