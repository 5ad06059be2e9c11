"""Launches that are not over here and not found where they run: shown to admins, asked for again, ended by a person."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.actors import user_actor
from accounts.models import Account, AuditEntry
from accounts.roles import Role
from connections.domain.note_answer import note_failure
from connections.models import Connection
from connections.providers.errors import Unreachable
from connections.providers.states import AttemptState
from launches.domain.advance_launch import advance_launch
from launches.domain.apply_report import apply_report
from launches.domain.claim_attempt import claim_attempt
from launches.domain.end_here import end_here
from launches.domain.reconcile_launches import reconcile_launches
from launches.models import Attempt, Launch, UnknownTrainer
from tests.connections.remote import RemoteEngine
from tests.launches.makers import attempt_of, make_launch, seen
from tests.makers import make_account, make_member, make_user, make_version, sign_in
from wire.errors import FailedPrecondition, PermissionDenied

pytestmark = pytest.mark.django_db
PAGE = "/launches/unknown"


@pytest.fixture
def team() -> Account:
    return make_account(account_id="team-a")


@pytest.fixture
def launch(far: Connection, team: Account) -> Launch:
    """One that is pending there."""
    launch = make_launch(version=make_version(gpus=8), account=team, owner=make_member(account=team))
    advance_launch(attempt_of(launch).pk)
    return launch


def lose(launch: Launch, engine: RemoteEngine) -> Attempt:
    """The engine knows it no more, and is asked."""
    engine.jobs.clear()
    Attempt.objects.update(next_check_at=timezone.now() - timedelta(seconds=10))
    advance_launch(attempt_of(launch).pk)
    return attempt_of(launch)


def page_of(user: object, path: str = PAGE) -> str:
    return sign_in(Client(), user).get(path).content.decode()  # type: ignore[arg-type]


def test_what_is_not_found_there_is_shown_with_what_is_done_about_it(
    launch: Launch, team: Account, engine: RemoteEngine
) -> None:
    admin, root, other = (
        make_member(account=team, role=Role.ADMIN),
        make_user(superuser=True),
        make_member(role=Role.ADMIN),
    )
    for user in (admin, root):
        assert "All trainers match" in page_of(user)
    lose(launch, engine)
    for user in (admin, root):
        page = page_of(user)
        assert "Known here, not found there" in page
        assert "It knows no" in page
        assert "after 4 times in a row it counts as lost" in page
        assert "Ask again now" in page
    assert "1 launch that is not over: there is no word of it" in page_of(admin, "/launches")
    assert "All trainers match" in page_of(other)


def test_it_is_asked_for_again_at_once_by_who_manages_its_account(
    launch: Launch, team: Account, engine: RemoteEngine, far: Connection
) -> None:
    attempt = lose(launch, engine)
    assert attempt.next_check_at > timezone.now()
    note_failure(connection=far, error=Unreachable("It is away."), now=timezone.now())
    admin = make_member(account=team, role=Role.ADMIN)
    answer = sign_in(Client(), admin).post(f"/launches/missing/{attempt.pk}/look", follow=True).content.decode()
    assert "is asked for" in answer
    assert attempt_of(launch).next_check_at <= timezone.now()
    far.refresh_from_db()
    assert far.next_try_at is not None
    assert far.next_try_at <= timezone.now()
    assert AuditEntry.objects.filter(verb="look_again", actor=admin, account=team).count() == 1


def test_it_is_ended_here_by_a_persons_word_and_a_worker_that_is_late_changes_nothing(
    launch: Launch, team: Account, engine: RemoteEngine, far: Connection
) -> None:
    admin = make_member(account=team, role=Role.ADMIN)
    with pytest.raises(FailedPrecondition, match="answers for"):
        end_here(actor=user_actor(admin), attempt=attempt_of(launch))
    held = dict(engine.jobs)
    attempt = lose(launch, engine)
    Attempt.objects.update(next_check_at=timezone.now())
    late = claim_attempt(attempt.pk, now=timezone.now())
    assert late
    client, path = sign_in(Client(), admin), f"/launches/missing/{attempt.pk}/end"
    assert "Nothing is told to" in client.get(path).content.decode()
    engine.calls.clear()
    assert "is over here" in client.post(path, follow=True).content.decode()
    assert apply_report(late, seen(AttemptState.RUNNING), now=timezone.now()) is None
    ended = attempt_of(launch)
    assert (ended.state, ended.detail) == ("LOST", f"Ended here by {admin.username}: Far knows no such job.")
    assert engine.calls == []
    assert AuditEntry.objects.filter(verb="end_here", actor=admin, account=team).count() == 1
    engine.jobs = held  # it shows again: nobody ends it, and it is told
    assert reconcile_launches(far.pk) == 0
    assert UnknownTrainer.objects.get().job_id == launch.job_id


def test_of_a_connection_that_does_not_answer_superusers_alone_say_that_it_is_over(
    launch: Launch, team: Account, far: Connection
) -> None:
    note_failure(connection=far, error=Unreachable("It is away."), now=timezone.now())
    admin, root = make_member(account=team, role=Role.ADMIN), make_user(superuser=True)
    page = page_of(admin)
    assert "It is away." in page
    assert "End here" not in page
    assert "End here" in page_of(root)
    with pytest.raises(PermissionDenied):
        end_here(actor=user_actor(admin), attempt=attempt_of(launch))
    reference = make_launch(account=team, owner=launch.owner)
    Launch.objects.filter(pk=reference.pk).update(reference_of=launch)
    end_here(actor=user_actor(root), attempt=attempt_of(launch))
    assert attempt_of(reference).state == "CANCELLING", "nothing asks it any more"
    assert (attempt_of(launch).state, "may still run" in attempt_of(launch).detail) == ("LOST", True)
