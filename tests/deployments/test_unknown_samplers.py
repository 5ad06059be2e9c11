"""Samplers on a connection of which no deployment is here: noted, shown to admins, ended when asked."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.actors import user_actor
from accounts.models import Account, AuditEntry, User
from accounts.roles import Role
from catalog.enums import Engine, ShapeKind
from catalog.models import ShapeVersion
from connections.models import Connection
from connections.providers.attempts import NEWEST_ATTEMPT, Observation, Reference
from connections.providers.samplers import SamplerSubmission
from connections.providers.states import AttemptState
from deployments.domain.advance_deployment import advance_deployment
from deployments.domain.end_unknown_sampler import end_unknown_sampler
from deployments.domain.reconcile_deployments import reconcile_deployments
from deployments.models import Deployment, UnknownSampler
from deployments.states import DeploymentState
from tests.connections.sampler_contract import TOKEN, make_spec
from tests.deployments.engine import ASKED, UP, Samplers
from tests.deployments.makers import make_deployment
from tests.makers import make_member, make_shape, make_user, make_version, sign_in
from wire.errors import NotFound, PermissionDenied

pytestmark = pytest.mark.django_db
FORGOTTEN = Reference("team-a", "rollouts-0a1b2c3d", 2)


def start(samplers: Samplers, reference: Reference, **changes: Any) -> None:
    """As another database once had it started."""
    samplers.start(SamplerSubmission(reference, make_spec(**changes), TOKEN))
    samplers.seen[reference] = replace(UP, since=datetime(2026, 1, 1, tzinfo=UTC))


def compare() -> int:
    return reconcile_deployments(Connection.objects.get(name="near").pk)


def test_what_a_restored_database_does_not_know_is_listed_and_ends_when_asked(
    samplers: Samplers, team: Account, lena: User, version: ShapeVersion
) -> None:
    admin = make_member(account=team, role=Role.ADMIN)
    near = Connection.objects.get(name="near")
    row = make_deployment(owner=lena, account=team, version=version, connection=near)
    advance_deployment(row.pk)
    served = make_version(
        shape=make_shape(account=team, base_model=version.shape.base_model, kind=ShapeKind.DEPLOYMENT), gpus=8,
        engine=Engine.VLLM,
    )  # fmt: skip
    start(samplers, FORGOTTEN, deployment_shape_version=served.name, accelerator_count=8, trainer_job="policy")
    assert (compare(), compare()) == (1, 1)
    found = UnknownSampler.objects.get()
    assert found.reference == FORGOTTEN
    assert (found.state, found.gpus, found.trainer_job, found.shape_version) == (
        AttemptState.RUNNING, 8, "policy", served.name,
    )  # fmt: skip
    assert found.since == datetime(2026, 1, 1, tzinfo=UTC)
    assert samplers.observe(FORGOTTEN).ready  # nobody asked for its end

    samplers.away = "It is away."
    assert compare() == 0
    assert UnknownSampler.objects.count() == 1
    assert Connection.objects.get(pk=near.pk).last_error == "It is away."
    Connection.objects.update(next_try_at=None)
    samplers.away = ""

    for user in (lena, make_user()):
        with pytest.raises((NotFound, PermissionDenied)):
            end_unknown_sampler(actor=user_actor(user), sampler=found)
    for _ in range(2):
        end_unknown_sampler(actor=user_actor(admin), sampler=found)
    samplers.takes_its_time = True
    compare()
    assert UnknownSampler.objects.get().end_requested_by == admin
    samplers.takes_its_time = False
    compare()
    compare()
    assert not UnknownSampler.objects.exists()
    assert (set(samplers.deleted), list(samplers.seen)) == ({FORGOTTEN.job}, [replace(row.reference, attempt=1)])
    (entry,) = AuditEntry.objects.filter(verb="end_unknown_sampler")
    assert (entry.target, entry.account, entry.actor) == (f"accounts/team-a/deployments/{FORGOTTEN.job}", team, admin)


def test_what_was_deleted_here_and_stands_there_ends(
    samplers: Samplers, team: Account, lena: User, version: ShapeVersion
) -> None:
    near = Connection.objects.get(name="near")
    row = make_deployment(owner=lena, account=team, version=version, connection=near, start=1, running=True)
    start(samplers, row.reference)
    assert compare() == 0
    assert samplers.observe(row.reference).ready, "it is wanted"
    Deployment.objects.update(state=DeploymentState.DELETED, finished_at=timezone.now(), running=False)
    assert compare() == 0
    assert (samplers.deleted, samplers.seen) == ([row.reference.job], {})
    assert not UnknownSampler.objects.exists()


def test_one_that_a_connection_knows_by_its_own_id_alone_is_found_by_that(
    samplers: Samplers, team: Account, lena: User, version: ShapeVersion
) -> None:
    near = Connection.objects.get(name="near")
    there = Reference("", "s7k2f-cut-4qz2mxw7ab", NEWEST_ATTEMPT)
    start(samplers, there)
    row = make_deployment(owner=lena, account=team, version=version, connection=near)
    assert compare() == 1
    assert UnknownSampler.objects.get().account_name == ""
    Deployment.objects.filter(pk=row.pk).update(remote_name=f"accounts/there/deployments/{there.job}")
    assert compare() == 0
    assert not UnknownSampler.objects.exists()


def test_what_has_a_deployment_here_is_never_taken_for_unknown(
    samplers: Samplers, team: Account, lena: User, version: ShapeVersion, django_assert_max_num_queries: Any
) -> None:
    """One that was never observed, whose id there is cut, and of which an earlier comparison was asked for the end."""
    near = Connection.objects.get(name="near")
    rows = [
        make_deployment(owner=lena, account=team, version=version, connection=near, deployment_id=f"dep-{number}")
        for number in range(9)
    ]
    listed = [Reference("", samplers.id_of(row.reference), NEWEST_ATTEMPT) for row in rows]
    for reference in listed:
        start(samplers, reference)
    facts: dict[str, Any] = {"state": AttemptState.RUNNING, "seen_at": timezone.now(), "account_name": ""}
    UnknownSampler.objects.create(
        connection=near, job_id=listed[0].job, start=0, end_requested_at=timezone.now(), **facts
    )
    samplers.seen[listed[0]] = ASKED
    with django_assert_max_num_queries(12):
        assert compare() == 0
    assert not UnknownSampler.objects.exists()
    assert (samplers.deleted, len(samplers.seen)) == ([], 9)


def test_a_restored_database_catches_up_with_the_start_that_stands_there(
    samplers: Samplers, team: Account, lena: User, version: ShapeVersion
) -> None:
    near = Connection.objects.get(name="near")
    row = make_deployment(owner=lena, account=team, version=version, connection=near, start=2)
    start(samplers, replace(row.reference, attempt=5))
    assert compare() == 0
    row.refresh_from_db()
    assert (row.start, row.running) == (5, True)
    advance_deployment(row.pk)
    row.refresh_from_db()
    assert (row.state, row.ready_replicas, len(samplers.seen)) == ("READY", 1, 1)


def test_a_deployment_whose_sampler_is_gone_says_so(
    samplers: Samplers, team: Account, lena: User, version: ShapeVersion
) -> None:
    near = Connection.objects.get(name="near")
    row = make_deployment(owner=lena, account=team, version=version, connection=near)
    for seen in (UP, Observation(AttemptState.LOST, "There is no deployment s7k2f at north (any more).")):
        advance_deployment(row.pk)
        samplers.say(seen)
        Deployment.objects.update(next_check_at=timezone.now())
    advance_deployment(row.pk)
    lost = Deployment.objects.get()
    assert (lost.state, lost.detail) == ("FAILED", "There is no deployment s7k2f at north (any more).")


def test_admins_see_those_of_their_accounts(samplers: Samplers, team: Account, lena: User, client: Client) -> None:
    admin, root = make_member(account=team, role=Role.ADMIN), make_user(superuser=True)
    start(samplers, FORGOTTEN)
    start(samplers, replace(FORGOTTEN, account="gone", job="of-nobody-0a1b2c3d"))
    compare()
    for user, seen in ((admin, 1), (root, 2)):
        sign_in(client, user)
        assert client.get("/deployments").content.decode().count("/deployments/unknown") == 1
        page = client.get("/deployments/unknown").content.decode()
        assert (page.count("End…"), "of-nobody-0a1b2c3d" in page) == (seen, seen == 2)
        assert client.get("/deployments/unknown", headers={"HX-Request": "true"}).content.decode().count("End…") == seen
        assert "/deployments/unknown" in client.get("/launches/unknown").content.decode()
    gone = UnknownSampler.objects.get(account_name="gone")
    with pytest.raises(NotFound):
        end_unknown_sampler(actor=user_actor(admin), sampler=gone)
    assert client.post(f"/deployments/unknown/{gone.pk}/end").status_code == 303
    assert "ending" in client.get("/deployments/unknown").content.decode()
    sign_in(client, lena)
    assert "/deployments/unknown" not in client.get("/deployments").content.decode()
