"""What samplers did for a trainer: read by a worker's steps, and shown beside the loss."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Account, User
from catalog.models import ShapeVersion
from connections.models import Connection
from connections.providers.checkpoints import CheckpointKind
from connections.providers.samplers import SamplerRecord
from connections.providers.states import AttemptState
from deployments.domain.advance_deployment import advance_deployment
from deployments.models import Deployment, SamplerMetric
from launches.models import Checkpoint, Launch, Metric
from tests.deployments.engine import UP, Samplers
from tests.deployments.makers import make_deployment
from tests.launches.makers import attempt_of, bring_to, make_launch
from tests.makers import sign_in

pytestmark = pytest.mark.django_db
BEGAN = timezone.now().replace(microsecond=0)


def after(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def answered(number: int, identity: str, at: float, requests: int = 2) -> SamplerRecord:
    return SamplerRecord(number, False, identity, requests, 10 * requests, 40 * requests, 0.5, "", after(at))


def loaded(number: int, identity: str, at: float, message: str = "") -> SamplerRecord:
    return SamplerRecord(number, True, identity, 0, 0, 0, 0.25, message, after(at))


@pytest.fixture
def trainer(team: Account, lena: User, samplers: Samplers) -> Launch:
    """Two steps, at 10 s and 20 s, each with its weights."""
    launch = make_launch(owner=lena, account=team)
    bring_to(launch, AttemptState.RUNNING)
    for step in (1, 2):
        Metric.objects.create(
            attempt=attempt_of(launch),
            number=step,
            step=step,
            seconds=2.0,
            reward=0.1 * step,
            recorded_at=after(10 * step),
        )
        Checkpoint.objects.create(
            launch=launch,
            kind=CheckpointKind.SAMPLER,
            name=f"step-{step}-abc",
            step=step,
            size_bytes=1,
            saved_at=after(0),
        )
    return launch


@pytest.fixture
def deployment(team: Account, lena: User, version: ShapeVersion, samplers: Samplers, trainer: Launch) -> Deployment:
    near = Connection.objects.get(name="near")
    return make_deployment(owner=lena, account=team, version=version, connection=near, trainer=trainer)


def look(row: Deployment) -> None:
    """A worker's step."""
    Deployment.objects.filter(pk=row.pk).update(next_check_at=timezone.now() - timedelta(seconds=1))
    advance_deployment(row.pk)


def test_what_each_set_of_weights_answered_is_one_series_with_the_trainers_steps(
    samplers: Samplers, deployment: Deployment, trainer: Launch, client: Client, lena: User
) -> None:
    look(deployment)
    samplers.say(UP)
    samplers.told = [answered(1, "", 9), loaded(2, "step-1-abc", 11), answered(3, "step-1-abc", 15)]
    look(deployment)
    samplers.told += [
        answered(4, "step-1-abc", 21, requests=1),
        loaded(5, "step-2-abc", 22, "torn"),
        answered(6, "other", 23),
    ]
    look(deployment)
    look(deployment)
    assert SamplerMetric.objects.filter(launch=trainer).count() == 6
    page = sign_in(client, lena)
    for address in (f"/launches/{trainer.uid}/sampling", f"/deployments/{deployment.uid}/sampling"):
        with CaptureQueriesContext(database) as asked:
            told = page.get(f"{address}/records").json()
        assert len(asked) < 14
        base, first, second = told["records"]
        assert (base["step"], base["staleness"], base["tokensIn"], base["tokensOut"], base["reward"]) == (
            0,
            0,
            20,
            80,
            None,
        )
        assert (first["step"], first["training"], first["sampling"], first["loading"]) == (1, 2.0, 1.0, 0.25)
        assert (first["tokensPerSecond"], first["staleness"]) == (120, pytest.approx(1 / 3))
        assert (second["step"], second["reward"], second["tokensOut"], second["loading"]) == (2, 0.2, None, None)
        assert told["figures"]["tokens"] == "50 in, 200 out" and told["figures"]["step"] == "1"
        panel = page.get(address)
        assert panel.status_code == 286
        html = panel.content.decode()
        assert 'data-figure="reward">0.2</dd>' in html and "step-2-abc, failed: torn" in html


def test_what_ended_is_read_to_its_end_and_is_of_the_trainer_that_it_began_with(
    samplers: Samplers, deployment: Deployment, trainer: Launch, team: Account, lena: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    look(deployment)
    samplers.page = 2
    samplers.told = [answered(number, "", number) for number in range(1, 8)]
    samplers.say(UP)
    look(deployment)
    assert SamplerMetric.objects.count() == 2, "a piece at a time of what runs"
    Deployment.objects.update(trainer=make_launch(owner=lena, account=team), stop_asked=True)
    monkeypatch.setattr("deployments.domain.advance_deployment.READ_SECONDS", -1.0)
    look(deployment)
    assert (SamplerMetric.objects.count(), Deployment.objects.get().running) == (4, True), "its end is told last"
    monkeypatch.undo()
    look(deployment)
    assert (SamplerMetric.objects.count(), Deployment.objects.get().running) == (7, False)
    assert SamplerMetric.objects.filter(launch=trainer).count() == 7


def test_a_curve_is_short_however_long_the_run_and_whatever_a_sampler_tells(
    deployment: Deployment, trainer: Launch, client: Client, lena: User
) -> None:
    kept = {"attempt": attempt_of(trainer), "recorded_at": after(30)}
    Metric.objects.bulk_create(Metric(number=step, step=step, **kept) for step in range(3, 4000))
    record = {"is_load": False, "requests": 1, "prompt_tokens": 1, "completion_tokens": 9, "start": 1, "at": after(1)}
    SamplerMetric.objects.bulk_create(
        SamplerMetric(deployment=deployment, launch=trainer, number=number, identity=name, seconds=seconds, **record)
        for number, name, seconds in ((1, "", 5e-324), (2, "step-1-abc", 1e308), (3, "step-1-abc", 1e308))
    )
    answer = sign_in(client, lena).get(f"/launches/{trainer.uid}/sampling/records")
    assert b"Infinity" not in answer.content
    steps = [each["step"] for each in answer.json()["records"]]
    assert (len(steps) <= 2000, steps[0], steps[-1]) == (True, 0, 3999)


def test_a_launch_that_nobody_samples_for_has_no_panel_and_is_asked_again_while_it_runs(
    trainer: Launch, team: Account, client: Client, lena: User
) -> None:
    page = sign_in(client, lena)
    address = f"/launches/{trainer.uid}/sampling"
    assert f'hx-get="{address}"' in page.get(f"/launches/{trainer.uid}").content.decode()
    answer = page.get(address)
    assert (answer.status_code, answer.content) == (200, b"")
    over = make_launch(owner=lena, account=team)
    bring_to(over, AttemptState.COMPLETED)
    assert page.get(f"/launches/{over.uid}/sampling").status_code == 286


def test_a_deployment_that_answered_nothing_yet_says_so(deployment: Deployment, client: Client, lena: User) -> None:
    page = sign_in(client, lena)
    assert (
        f'hx-get="/deployments/{deployment.uid}/sampling"'
        in page.get(f"/deployments/{deployment.uid}").content.decode()
    )
    assert "Nothing was sampled yet" in page.get(f"/deployments/{deployment.uid}/sampling").content.decode()
    assert page.get(f"/deployments/{deployment.uid}/sampling/records").json()["records"] == []
