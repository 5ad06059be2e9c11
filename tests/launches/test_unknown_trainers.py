"""Trainers that a provider runs although nothing of them is recorded here: noted, shown to admins, ended when asked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone

from accounts.actors import user_actor
from accounts.models import Account, AuditEntry, Membership, User
from accounts.roles import Role
from connections.providers.states import AttemptState, Reason
from launches import tokens
from launches.domain import advance_launch as advancing
from launches.domain import purge_launch as purging
from launches.domain import reconcile_launches as reconciling
from launches.domain.adopt_trainer import adopt_trainer
from launches.domain.advance_launch import advance_launch
from launches.domain.cancel_launch import cancel_launch
from launches.domain.delete_launch import delete_launch
from launches.domain.end_unknown_trainer import end_unknown_trainer
from launches.domain.purge_launch import purge_launch
from launches.domain.reconcile_launches import reconcile_launches
from launches.models import UnknownTrainer
from launches.tokens import token_of, trainer_token
from tests.connections.local_rig import LocalRig, make_rig
from tests.connections.makers import local_connection
from tests.connections.rig import TOKEN, make_reference, make_submission, until, wait_for, wait_ready
from tests.launches.makers import attempt_of, make_launch, make_tiny_version
from tests.makers import make_account, make_member, make_user, sign_in
from wire.errors import NotFound, PermissionDenied

pytestmark = pytest.mark.django_db


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalRig]:
    """This machine's provider, with one slot, as the only one that is connected."""
    rig = make_rig(tmp_path, slots=1)
    monkeypatch.setattr(reconciling, "provider_to_act", lambda _connection: rig.provider)
    yield rig
    rig.end()


def make_unknown(account: Account | None = None, **facts: object) -> UnknownTrainer:
    given = {
        "connection": local_connection(),
        "job_id": "forgotten",
        "attempt_number": 2,
        "seen_at": timezone.now(),
    } | facts
    return UnknownTrainer.objects.create(account_name=account.account_id if account else "gone", **given)


@pytest.mark.e2e
def test_what_a_restored_database_does_not_know_is_listed_and_ends_when_asked(rig: LocalRig) -> None:
    team = make_account(account_id="team-a")
    admin = make_member(account=team, role=Role.ADMIN)
    running, waiting = make_reference(), make_reference(account="gone")
    before = datetime.now(UTC) - timedelta(seconds=2)
    for reference in (running, waiting):
        rig.provider.submit(make_submission(reference))
    wait_ready(rig.provider, running)

    assert reconcile_launches(local_connection().pk) == 0
    assert reconcile_launches(local_connection().pk) == 0
    first, second = UnknownTrainer.objects.order_by("-account_name")  # they are noticed in any order
    assert (first.name, first.state) == (f"accounts/team-a/rlorTrainerJobs/{running.job}", AttemptState.RUNNING)
    assert (second.account_name, second.state) == ("gone", AttemptState.PENDING)
    assert first.since is not None
    assert before < first.since <= datetime.now(UTC)
    assert rig.provider.observe(running).ready  # nobody asked for its end

    end_unknown_trainer(actor=user_actor(admin), trainer=first)
    reconcile_launches(local_connection().pk)
    wait_for(rig.provider, running, {AttemptState.CANCELLED})
    wait_ready(rig.provider, waiting)
    reconcile_launches(local_connection().pk)
    assert list(UnknownTrainer.objects.values_list("job_id", flat=True)) == [waiting.job]
    (entry,) = AuditEntry.objects.filter(verb="end_unknown_trainer")
    assert (entry.target, entry.account, entry.actor) == (first.name, team, admin)


@pytest.mark.e2e
def test_a_launch_under_the_id_of_a_forgotten_one_is_refused_and_touches_nothing_of_it(
    rig: LocalRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    for verb in (advancing, purging):
        monkeypatch.setattr(verb, "provider_to_act", lambda _connection: rig.provider)
    running, over = make_launch(), make_launch()
    checkpoint = rig.provider.root / "jobs/local" / over.job_id / "checkpoints/step-1"
    checkpoint.mkdir(parents=True)  # its attempt's folder was removed as old
    forgotten = make_reference(running.job_id, account="local")
    rig.provider.submit(make_submission(forgotten))
    wait_ready(rig.provider, forgotten)

    for launch in (running, over):
        advance_launch(attempt_of(launch).pk)
        attempt = attempt_of(launch)
        assert (attempt.state, attempt.reason) == (AttemptState.REJECTED, Reason.SPEC_REFUSED)
        assert "Launch it under another job id." in attempt.detail
        delete_launch(actor=user_actor(launch.owner), launch=launch)
        assert purge_launch(launch.pk)
    assert reconcile_launches(local_connection().pk) == 0
    assert UnknownTrainer.objects.get().job_id == running.job_id
    assert rig.provider.observe(forgotten).ready
    assert checkpoint.is_dir()


@pytest.mark.e2e
def test_what_was_forgotten_is_adopted_with_the_token_that_it_was_started_with(
    rig: LocalRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(advancing, "provider_to_act", lambda _connection: rig.provider)
    monkeypatch.setattr(tokens, "open_provider", lambda _connection: rig.provider)
    version = make_tiny_version()
    owner = make_member(account=make_account(account_id="team-a"), role=Role.LAUNCHER)
    forgotten = make_reference(attempt=2)
    rig.provider.submit(make_submission(forgotten, training_shape_version=version.name, display_name="Found"))
    wait_ready(rig.provider, forgotten)
    reconcile_launches(local_connection().pk)
    row = UnknownTrainer.objects.get()
    assert row.gpus == 0
    assert TOKEN not in str(row.kept)

    membership = Membership.objects.get(user=owner)
    launch = adopt_trainer(actor=user_actor(make_user(superuser=True)), trainer=row, owner=membership)
    advance_launch(attempt_of(launch).pk)
    attempt = attempt_of(launch)
    assert (launch.job_id, str(launch), attempt.number) == (forgotten.job, "Found", 2)
    assert (attempt.state, attempt.ready) == (AttemptState.RUNNING, True)
    assert token_of(attempt) == TOKEN
    assert token_of(attempt) != trainer_token(launch)
    assert reconcile_launches(local_connection().pk) == 0
    assert not UnknownTrainer.objects.exists()
    cancel_launch(actor=user_actor(owner), launch=launch)
    advance_launch(attempt.pk)
    wait_for(rig.provider, forgotten, {AttemptState.CANCELLED})


@pytest.mark.e2e
def test_what_is_recorded_here_is_not_listed(rig: LocalRig) -> None:
    launch = make_launch()
    reference = make_reference(launch.job_id, account=launch.account.account_id)
    rig.provider.submit(make_submission(reference))
    until(lambda: rig.provider.list_references() == [reference])
    reconcile_launches(local_connection().pk)
    assert not UnknownTrainer.objects.exists()


def test_admins_see_those_of_their_accounts_and_superusers_all(client: Client) -> None:
    team = make_account(account_id="team-a")
    admin, root = make_member(account=team, role=Role.ADMIN), make_user(superuser=True)
    make_unknown(team, job_id="of-the-team")
    make_unknown(job_id="of-nobody-here")
    seen = {user: sign_in(Client(), user).get("/launches/unknown").content.decode() for user in (admin, root)}
    assert ["of-the-team" in page for page in seen.values()] == [True, True]
    assert ["of-nobody-here" in page for page in seen.values()] == [False, True]
    lists = {user: sign_in(Client(), user).get("/launches").content.decode() for user in (admin, root)}
    assert "1 trainer runs or waits that this Slipway has no launch of" in lists[admin]
    assert "2 trainers run or wait" in lists[root]
    launcher = make_member(account=team, role=Role.LAUNCHER)
    assert "has no launch of" not in sign_in(client, launcher).get("/launches").content.decode()


def test_the_end_is_asked_for_once_by_those_who_may(client: Client) -> None:
    team = make_account(account_id="team-a")
    admin, launcher = make_member(account=team, role=Role.ADMIN), make_member(account=team, role=Role.LAUNCHER)
    known, orphan = make_unknown(team), make_unknown(job_id="of-nobody-here")
    with pytest.raises(PermissionDenied):
        end_unknown_trainer(actor=user_actor(launcher), trainer=known)
    for user in (admin, launcher):
        with pytest.raises(NotFound):
            end_unknown_trainer(actor=user_actor(user), trainer=orphan)
    signed_in = sign_in(client, admin)
    path = f"/launches/unknown/{known.pk}/end"
    assert "End forgotten?" in signed_in.get(path).content.decode()
    for _ in range(2):
        answer = signed_in.post(path, follow=True).content.decode()
        assert "forgotten was asked to end" in answer
        assert ">ending<" in answer
    assert AuditEntry.objects.filter(verb="end_unknown_trainer").count() == 1
    assert UnknownTrainer.objects.get(pk=known.pk).end_requested_by == User.objects.get(pk=admin.pk)
