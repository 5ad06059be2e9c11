"""Create, cancel, resume, delete: who may, when, and what is left behind."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import IntegrityError, connection
from django.utils import timezone

from accounts.actors import user_actor
from accounts.models import AuditEntry, User
from accounts.roles import Role
from catalog.models import ShapeVersion
from catalog.states import VersionState
from connections.providers.states import FINAL, AttemptState
from launches.domain.cancel_launch import cancel_launch
from launches.domain.create_launch import create_launch
from launches.domain.delete_launch import delete_launch
from launches.domain.resume_launch import resume_launch
from launches.models import Launch
from launches.states import RESUMABLE
from tests.launches.makers import attempt_of, bring_to, make_launch, make_tiny_version
from tests.makers import make_account, make_member, make_user, make_version
from wire.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, PermissionDenied, Refusal

pytestmark = pytest.mark.django_db


def test_an_accepted_launch_is_recorded_whole() -> None:
    launch = make_launch(lora_rank="8", display_name="mine")
    assert launch.spec["lora_rank"] == 8
    assert launch.spec["max_context_length"] == 2048
    assert launch.inputs == {"lora_rank": "8", "display_name": "mine"}
    assert (launch.connection.name, launch.state, launch.display_name) == ("local", "QUEUED", "mine")
    assert [event.actor for event in launch.events.all()] == [launch.owner]
    assert AuditEntry.objects.filter(verb="create_launch", target=launch.name, actor=launch.owner).count() == 1


def test_the_same_key_answers_the_same_launch() -> None:
    first = make_launch(key="k", lora_rank="8")
    again = make_launch(owner=first.owner, version=first.shape_version, key="k", lora_rank="8")
    assert again.pk == first.pk
    assert AuditEntry.objects.filter(verb="create_launch").count() == 1


def test_the_same_key_with_other_values_is_refused() -> None:
    first = make_launch(key="k", lora_rank="8")
    with pytest.raises(AlreadyExists, match="sent before with other values"):
        make_launch(owner=first.owner, version=first.shape_version, key="k", lora_rank="16")


def test_a_bad_body_is_refused_even_where_its_key_is_known() -> None:
    first = make_launch(key="k")
    with pytest.raises(InvalidArgument):
        make_launch(owner=first.owner, version=first.shape_version, key="k", lora_rank="999")


def test_a_job_id_is_taken_for_ever() -> None:
    first = make_launch()
    delete_launch(actor=user_actor(first.owner), launch=first)
    with pytest.raises(AlreadyExists, match="is taken"):
        create_launch(
            actor=user_actor(first.owner),
            account=first.account,
            version=first.shape_version,
            inputs={},
            idempotency_key="another",
            job_id=first.job_id,
        )


def test_what_else_the_database_refuses_is_not_called_a_taken_id() -> None:
    first = make_launch()
    with connection.cursor() as cursor:
        connection.check_constraints()  # a table with checks that are still to be made cannot be altered
        cursor.execute("ALTER TABLE launches_launch ADD CONSTRAINT not_that CHECK (display_name <> 'job_id')")
    with pytest.raises(IntegrityError, match="not_that"):
        make_launch(owner=first.owner, version=first.shape_version, display_name="job_id")


def withdraw(version: ShapeVersion) -> None:
    ShapeVersion.objects.filter(pk=version.pk).update(is_latest_validated=False, withdrawn_at=timezone.now())
    version.refresh_from_db()


def test_a_withdrawn_version_is_not_launched() -> None:
    version = make_tiny_version()
    withdraw(version)
    with pytest.raises(FailedPrecondition, match="withdrawn"):
        make_launch(version=version)


def test_a_draft_is_not_launched() -> None:
    with pytest.raises(FailedPrecondition, match="not validated"):
        make_launch(version=make_tiny_version(state=VersionState.DRAFT))


def test_what_no_provider_can_run_is_not_accepted() -> None:
    with pytest.raises(FailedPrecondition, match="No connection can run this"):
        make_launch(version=make_version(gpus=8))
    assert not Launch.objects.exists()


def test_a_viewer_may_not_launch_and_a_stranger_learns_nothing() -> None:
    account = make_account(account_id="local")
    with pytest.raises(PermissionDenied, match="viewer"):
        make_launch(owner=make_member(account=account, role=Role.VIEWER), account=account)
    version = make_tiny_version()
    with pytest.raises(NotFound):
        create_launch(actor=user_actor(make_user()), account=account, version=version, inputs={}, idempotency_key="k")


VERBS: dict[str, Callable[..., object]] = {
    "cancel": cancel_launch,
    "resume": resume_launch,
    "delete": delete_launch,
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("who", "refusal"),
    [
        ("owner", None),
        ("publisher", None),
        ("admin", None),
        ("launcher", PermissionDenied),
        ("viewer", PermissionDenied),
        ("stranger", NotFound),
        ("owner who left", NotFound),
    ],
)
def test_who_may_control_a_launch(verb: str, who: str, refusal: type[Refusal] | None) -> None:
    launch = make_launch()
    if verb == "resume":
        bring_to(launch, AttemptState.FAILED)
    if who == "owner who left":
        launch.owner.memberships.all().delete()
    actors: dict[str, Callable[[], User]] = {
        "owner": lambda: launch.owner,
        "owner who left": lambda: launch.owner,
        "stranger": lambda: make_member(role=Role.ADMIN),
    }
    user = actors.get(who, lambda: make_member(account=launch.account, role=Role(who)))()
    if refusal is None:
        VERBS[verb](actor=user_actor(user), launch=launch)
        assert AuditEntry.objects.filter(verb=f"{verb}_launch", actor=user).exists()
    else:
        before = attempt_of(launch).state
        with pytest.raises(refusal):
            VERBS[verb](actor=user_actor(user), launch=launch)
        assert attempt_of(launch).state == before


@pytest.mark.parametrize("state", sorted(set(AttemptState) - {AttemptState.QUEUED, AttemptState.CANCELLING}))
def test_cancel_is_legal_until_it_is_over_and_resume_after(state: AttemptState) -> None:
    launch = make_launch(recipe="none")
    bring_to(launch, state)
    actor = user_actor(launch.owner)
    if state in FINAL:
        with pytest.raises(FailedPrecondition, match="is over"):
            cancel_launch(actor=actor, launch=launch)
    else:
        cancel_launch(actor=actor, launch=launch)
        cancel_launch(actor=actor, launch=launch)
        assert attempt_of(launch).state == AttemptState.CANCELLING
    if state in RESUMABLE:
        resume_launch(actor=actor, launch=launch)
        assert (attempt_of(launch).number, attempt_of(launch).state) == (2, "QUEUED")
    else:
        with pytest.raises(FailedPrecondition):
            resume_launch(actor=actor, launch=launch)


def test_deleting_a_running_launch_cancels_it_and_leaves_a_tombstone() -> None:
    launch = make_launch()
    bring_to(launch, AttemptState.RUNNING)
    delete_launch(actor=user_actor(launch.owner), launch=launch)
    delete_launch(actor=user_actor(launch.owner), launch=launch)
    launch.refresh_from_db()
    assert launch.deleted_at is not None
    assert attempt_of(launch).state == AttemptState.CANCELLING
    with pytest.raises(FailedPrecondition, match="deleted"):
        resume_launch(actor=user_actor(launch.owner), launch=launch)
