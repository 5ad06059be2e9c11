"""Weights that a deployment's sampler loads: from its page, and as a worker sees them, with who asked and how long."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Account, AuditEntry, User
from catalog.models import ShapeVersion
from connections.models import Connection
from deployments.domain.advance_deployment import advance_deployment
from deployments.models import Deployment
from tests.deployments.engine import UP, Samplers
from tests.deployments.makers import make_deployment
from tests.launches.gateway_parts import Call, StandIn
from tests.launches.makers import make_launch
from tests.launches.weights import make_checkpoint
from tests.makers import sign_in

pytestmark = pytest.mark.django_db


class LoadingSampler(StandIn):
    """A sampler that loads whatever is not called bad, or says that it is still at it."""

    def __init__(self) -> None:
        self.seen: list[tuple[bytes, dict[str, Any], list[bytes]]] = []
        self.told = "loaded"
        super().__init__(script=self.reply)

    def reply(self, call: Call) -> None:
        body = json.loads(call.body())
        self.seen.append((call.line, body, call.values(b"x-slipway-trainer-job")))
        if body["identity"].startswith("bad"):
            error = {"error": {"message": "Its weights are of another model."}}
            call.answer(json.dumps(error).encode(), status=b"400 x")
        else:
            call.answer(json.dumps({"identity": body["identity"], "status": self.told}).encode())


@pytest.fixture
def sampler() -> Iterator[LoadingSampler]:
    standing_in = LoadingSampler()
    yield standing_in
    standing_in.close()


@pytest.fixture
def row(team: Account, lena: User, version: ShapeVersion, samplers: Samplers, sampler: LoadingSampler) -> Deployment:
    """One that answers, whose trainer saved weights three times."""
    trainer = make_launch(owner=lena, account=team)
    for step, name in enumerate(("step-1", "bad", "step-3"), start=1):
        make_checkpoint(trainer, name=name, step=step)
    make_checkpoint(trainer, name="unfinished", step=4, writing=True)
    facts: dict[str, Any] = {"state": "READY", "endpoint": sampler.endpoint, "running": True, "ready_replicas": 1}
    near = Connection.objects.get(name="near")
    return make_deployment(owner=lena, account=team, version=version, trainer=trainer, connection=near, **facts)


@pytest.fixture
def page(client: Client, lena: User) -> Client:
    return sign_in(client, lena)


def test_weights_of_its_trainer_are_loaded_from_the_page(
    page: Client, row: Deployment, sampler: LoadingSampler, lena: User
) -> None:
    at = f"/deployments/{row.uid}"
    shown = page.get(at).content.decode()
    assert [name for name in ("step-3", "bad", "step-1", "unfinished") if f'value="{name}"' in shown] == [
        "step-3", "bad", "step-1",
    ]  # fmt: skip
    assert page.post(f"{at}/load", {"checkpoint": "step-3"}).status_code == 303
    assert row.trainer
    (line, body, job), *_ = sampler.seen
    assert line.startswith(b"POST /hot_load/v1/models/hot_load ")
    assert (body, job) == ({"identity": "step-3"}, [row.trainer.job_id.encode()])
    row.refresh_from_db()
    assert (row.loaded, row.loaded_by, row.load_asked_by) == ("step-3", lena.get_username(), "")
    assert row.load_seconds is not None and row.loaded_at
    assert (row.events[-1]["message"][:14], row.events[-1]["by"]) == ("Loaded step-3 ", lena.get_username())
    assert AuditEntry.objects.get(verb="load_weights").after == {"identity": "step-3"}
    assert f"by {lena.get_username()}" in page.get(at).content.decode()


def test_what_cannot_be_loaded_is_said_and_changes_nothing(
    page: Client, row: Deployment, sampler: LoadingSampler
) -> None:
    def refused(checkpoint: str) -> tuple[int, str]:
        answer = page.post(f"/deployments/{row.uid}/load", {"checkpoint": checkpoint})
        return answer.status_code, answer.content.decode()

    status, told = refused("bad")
    assert (status, "Its weights are of another model." in told) == (422, True)
    status, told = refused("unfinished")
    assert (status, "cannot be loaded now" in told, len(sampler.seen)) == (422, True, 1)
    sampler.told = "loading"  # it takes longer than an answer is held back for
    assert page.post(f"/deployments/{row.uid}/load", {"checkpoint": "step-1"}).status_code == 303
    row.refresh_from_db()
    assert row.loaded == ""
    Deployment.objects.filter(pk=row.pk).update(replicas=0, endpoint="")
    assert 'name="checkpoint"' not in page.get(f"/deployments/{row.uid}").content.decode()
    assert refused("step-1")[0] == 422


def test_a_worker_notes_what_was_loaded_and_gives_the_credit_to_who_asked(
    row: Deployment, samplers: Samplers, lena: User
) -> None:
    def look(**seen: Any) -> Deployment:
        samplers.seen[row.reference] = replace(UP, **seen)
        Deployment.objects.filter(pk=row.pk).update(next_check_at=timezone.now() - timedelta(seconds=1))
        advance_deployment(row.pk)
        row.refresh_from_db()
        return row

    Deployment.objects.filter(pk=row.pk).update(load_asked_by="ci of lena")
    assert (look().loaded, row.load_asked_by) == ("", "ci of lena")
    first = look(serving="step-1", load_seconds=1.25)
    assert (first.loaded, first.loaded_by, first.load_seconds) == ("step-1", "ci of lena", 1.25)
    assert first.events[-1] | {"at": ""} == {"at": "", "message": "Loaded step-1 in 1.2 s", "by": "ci of lena"}
    events, at = len(first.events), first.loaded_at
    assert (len(look(serving="step-1", load_seconds=1.25).events), row.loaded_at) == (events, at)
    second = look(serving="step-3")
    assert (second.loaded_by, second.load_seconds, second.events[-1]["by"]) == ("", None, "Slipway")
