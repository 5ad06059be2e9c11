"""Deployments and launch sets for the screenshots and the search for barriers; a part of `benchmarks.sample_data`."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.actors import Actor
from accounts.models import Account, User
from catalog.models import ShapeVersion
from connections.models import Connection
from deployments.domain.create_launch_set import create_launch_set
from deployments.domain.move_deployment import note
from deployments.models import Deployment, SamplerMetric
from deployments.resolved import spec_of
from deployments.served import ServedWeights
from launches.domain.create_launch import create_launch
from launches.models import Attempt, Checkpoint, Launch, Metric

STEPS = 12


def deployments(
    actor: Actor, account: Account, admin: User, version: ShapeVersion, trained: ShapeVersion
) -> dict[str, str]:
    """One that answers, one that failed, one that is scaled to 0, and an orphan; no worker looks at them."""
    now = timezone.now()
    base = version.shape.base_model.name
    local = Connection.objects.get(name="local")
    trainer = _ended(actor, account, trained)

    def make(deployment_id: str, **facts: Any) -> Deployment:
        served = ServedWeights(base, base)
        spec = spec_of(version, account, deployment_id, facts.get("trainer"), served)
        given = {"state": "READY", "min_replicas": 0, "max_replicas": 1, "replicas": 1, "start": 1} | facts
        row = Deployment(
            account=account, owner=admin, deployment_id=deployment_id, shape_version=version, connection=local,
            spec=spec.as_json(), serves=base, next_check_at=now + timedelta(days=1), observed_at=now, **given,
        )  # fmt: skip
        note(row, "Accepted", now=now - timedelta(minutes=3), actor=actor)
        return row

    def saved(row: Deployment, *lines: str) -> str:
        with transaction.atomic():
            for line in lines:
                note(row, line, now=now)
            row.save()
        return f"/deployments/{row.uid}"

    up: dict[str, Any] = {"ready_replicas": 1, "endpoint": "http://127.0.0.1:40123", "running": True}
    log = "13:02:07 loading accounts/local/models/tiny-qwen3\n13:02:09 ready on 127.0.0.1:40123\n"
    ready = make("support-tone", said={"description": "What support tries on Fridays."}, log_tail=log)
    served = {
        "loaded": "step-40",
        "loaded_at": now - timedelta(minutes=2),
        "load_seconds": 1.8,
        "loaded_by": "ci of mira",
    }
    failed = "It ended with 1: the weights of step-40 have another number of layers than its base model."
    return {
        "deployments": "/deployments",
        "deployment": (serves := saved(_with(ready, up | served), "Ready")),
        "deployment-try": f"{serves}/try",
        "deployment-failed": saved(make("broken", state="FAILED", detail=failed, log_tail=log), f"Failed: {failed}"),
        "deployment-idle": saved(make("asleep", replicas=0), "Ready", "Scaled to 0: no call for 60 minutes."),
        "deployment-orphan": (orphan := saved(_with(make("orphan", trainer=trainer), up), "Ready")),
        "deployment-delete": f"{orphan}/delete",
        "deployment-new": f"/shapes/{version.shape.account.account_id}/{version.shape.shape_id}/deploy",
        "deployments-none": "/deployments?state=UPDATING",
    }


def launch_sets(actor: Actor, account: Account, version: ShapeVersion) -> dict[str, str]:
    """A policy with its reference and its sampler, of which no worker hears; and the form of another one."""
    now, later = timezone.now(), timezone.now() + timedelta(days=1)
    asked = {"reference": "yes", "deployment_replica_count": "1"}
    with transaction.atomic():
        policy = create_launch_set(
            actor=actor, account=account, version=version, idempotency_key="of-the-set",
            inputs={"display_name": "Brief answers", "recipe": "none", **asked},
        )  # fmt: skip
        members = Launch.objects.filter(Q(pk=policy.pk) | Q(reference_of=policy))
        Attempt.objects.filter(launch__in=members).update(state="CANCELLED", finished_at=now, reason="USER")
        members.update(state="CANCELLED")
        sampler = Deployment.objects.filter(trainer=policy)
        sampler.update(state="FAILED", detail="It ended with 1.", next_check_at=later)
        _reinforced(policy, sampler.get())
    form = f"/shapes/{version.shape.account.account_id}/{version.shape.shape_id}/launch"
    return {
        "launch-form-set": f"{form}?{urlencode(asked)}",
        "launch-of-set": f"/launches/{policy.uid}",
        "launch-set": f"/launches/{policy.uid}/set",
    }


def _reinforced(policy: Launch, sampler: Deployment) -> None:
    """Steps of a loop whose reward rises: each is saved, loaded, and answers."""
    begun = timezone.now() - timedelta(minutes=STEPS)
    records: list[SamplerMetric] = []
    for step in range(1, STEPS + 1):
        at, name, wave = begun + timedelta(minutes=step), f"step-{step}", math.sin(step)
        Metric.objects.create(
            attempt=policy.attempts.get(), number=step, step=step, loss_per_token=2 / step**0.5 + wave / 40,
            tokens=9000, learning_rate=3e-4, seconds=11 + wave, recorded_at=at,
            reward=0.8 - 0.7 / step**0.5 + wave / 30,
        )  # fmt: skip
        Checkpoint.objects.create(
            launch=policy, name=name, kind="SAMPLER", step=step, size_bytes=84_000_000, saved_at=at
        )
        loaded = {"is_load": True, "requests": 0, "prompt_tokens": 0, "completion_tokens": 0, "seconds": 1.8 + wave / 4}
        answers = {"is_load": False, "requests": 64, "prompt_tokens": 2048, "completion_tokens": 8100 + int(900 * wave)}
        for facts in (loaded, answers | {"seconds": 24 - 3 * wave}):
            number, later = len(records) + 1, at + timedelta(seconds=len(records) % 2 * 30)
            known = {"deployment": sampler, "launch": policy, "start": 1, "number": number, "identity": name}
            records.append(SamplerMetric(**known, at=later, **facts))
    SamplerMetric.objects.bulk_create(records)


def _with(row: Deployment, facts: dict[str, Any]) -> Deployment:
    for name, value in facts.items():
        setattr(row, name, value)
    return row


def _ended(actor: Actor, account: Account, version: ShapeVersion) -> Launch:
    """A launch that is over before any worker hears of it."""
    with transaction.atomic():
        launch = create_launch(
            actor=actor, account=account, version=version, idempotency_key="of-the-orphan",
            inputs={"display_name": "Support tone"},
        )  # fmt: skip
        launch.attempts.update(state="COMPLETED", finished_at=timezone.now() - timedelta(hours=5))
        Launch.objects.filter(pk=launch.pk).update(state="COMPLETED")
        for step in (20, 40):
            Checkpoint.objects.create(
                launch=launch, name=f"step-{step}", kind="SAMPLER", step=step, size_bytes=84_000_000,
                saved_at=timezone.now(),
            )  # fmt: skip
    return launch
