"""Make launches for tests, through the same verb that people's launches go through."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

from accounts.actors import user_actor
from accounts.models import Account, Membership, User
from catalog.models import ShapeVersion
from connections.providers.attempts import Observation
from connections.providers.spec import TrainerMode
from connections.providers.states import AttemptState, Reason
from connections.providers.telemetry import MetricRecord
from launches.domain.apply_report import apply_report
from launches.domain.claim_attempt import claim_attempt
from launches.domain.create_launch import create_launch
from launches.models import Attempt, Launch
from launches.poll import Report
from tests.makers import make_account, make_member, make_model, make_shape, make_version

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def make_tiny_version(
    *,
    mode: TrainerMode = TrainerMode.LORA_TRAINER,
    account: Account | None = None,
    model_id: str = "tiny-qwen3",
    **facts: Any,
) -> ShapeVersion:
    """A version that the local provider can run: no GPU, one node, a demo model."""
    home = account or make_account(account_id="local")
    model = home.base_models.filter(model_id=model_id).first() or make_model(account=home, model_id=model_id)
    return make_version(shape=make_shape(base_model=model), mode=mode, gpus=0, nodes=1, context=2048, **facts)


def make_launch(
    *,
    owner: User | None = None,
    account: Account | None = None,
    version: ShapeVersion | None = None,
    key: str | None = None,
    **inputs: Any,
) -> Launch:
    """An accepted launch, QUEUED, of a launcher of account `local` where nothing else is said."""
    version = version or make_tiny_version()
    account = account or make_account(account_id="local")
    if owner is None:
        owner = make_member(account=account)
    elif not Membership.objects.filter(account=account, user=owner).exists():
        make_member(account=account, user=owner)
    return create_launch(
        actor=user_actor(owner),
        account=account,
        version=version,
        inputs=inputs,
        idempotency_key=key or uuid.uuid4().hex,
    )


def attempt_of(launch: Launch) -> Attempt:
    """The newest attempt, fresh from the database."""
    return Attempt.objects.select_related("launch").get(
        launch_id=launch.pk, number=Launch.objects.get(pk=launch.pk).attempt_count
    )


def seen(state: AttemptState, *, reason: Reason | None = None, **facts: Any) -> Report:
    """What a provider reports."""
    return Report(Observation(state=state, reason=reason, **facts), checkpoints=())


def bring_to(launch: Launch, state: AttemptState) -> None:
    """Let the provider report that state of it."""
    claim = claim_attempt(attempt_of(launch).pk, now=timezone.now())
    assert claim is not None
    apply_report(claim, seen(state), now=timezone.now())
    launch.refresh_from_db()
    assert launch.state == state


def metric(number: int, loss: float = 5.0) -> MetricRecord:
    """One record of the trainer."""
    return MetricRecord(number, number, loss, 1e-3, 0.5, 512, 0.1, 2**20, NOW + timedelta(seconds=number))
