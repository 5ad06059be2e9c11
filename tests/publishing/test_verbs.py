"""Ask for a validation, stop one, vouch by hand: who may, when, and what is left behind."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import IntegrityError, connections
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.actors import SYSTEM, user_actor
from accounts.models import AuditEntry
from accounts.roles import Role
from catalog.domain.delete_shape import delete_shape
from catalog.domain.start_validating import start_validating
from catalog.models import ShapeVersion, TrainingShape
from catalog.states import VersionState
from connections.providers.spec import ShardingScheme
from launches.models import Launch
from publishing.domain.cancel_validation import cancel_validation
from publishing.domain.request_validation import request_validation
from publishing.domain.sweep_validations import sweep_validations
from publishing.domain.validate_by_hand import validate_by_hand
from publishing.models import Validation
from tests.launches.makers import attempt_of, make_tiny_version
from tests.makers import make_account, make_member, make_version
from tests.publishing.makers import (
    complete,
    launch_of,
    make_draft,
    make_publisher,
    make_validation,
    running,
    step,
)
from wire.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied

pytestmark = pytest.mark.django_db
REASON = "It has run on our own cluster since May."


def state_of(version: ShapeVersion) -> str:
    return ShapeVersion.objects.values_list("state", flat=True).get(pk=version.pk)


def make_gpu_draft() -> ShapeVersion:
    """A draft that no connection can run."""
    return make_version(shape=make_tiny_version().shape, gpus=8, state=VersionState.DRAFT)


def test_asking_freezes_the_version_and_queues_the_work(settings: Settings) -> None:
    settings.SLIPWAY_VALIDATION_STEPS = 7
    user = make_publisher()
    validation = make_validation(user=user)
    assert (validation.number, validation.kind, validation.state, validation.steps) == (1, "RUN", "QUEUED", 7)
    assert validation.requested_by == user
    assert state_of(validation.version) == "VALIDATING"
    assert AuditEntry.objects.filter(verb="request_validation", target=validation.version.name, actor=user).count() == 1


def test_one_at_a_time() -> None:
    user = make_publisher()
    validation = make_validation(user=user)
    with pytest.raises(FailedPrecondition, match=r"Validation 1 of .* is under way"):
        make_validation(version=validation.version, user=user)
    with pytest.raises(IntegrityError):
        Validation.objects.create(version=validation.version, number=2, kind="RUN", steps=1, requested_label="x")


@pytest.mark.django_db(transaction=True)
def test_of_many_who_ask_at_the_same_time_one_is_served() -> None:
    user, draft = make_publisher(), make_draft()

    def ask(_: int) -> bool:
        version = ShapeVersion.objects.select_related("shape__account", "shape__base_model__account").get(pk=draft.pk)
        try:
            make_validation(version=version, user=user)
        except FailedPrecondition:
            return False
        finally:
            connections.close_all()
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(ask, range(16))) == 1


@pytest.mark.django_db(transaction=True)
def test_outcome_stop_and_request_at_the_same_time_end_each_validation_once() -> None:
    user, version = make_publisher(), make_tiny_version()

    def act(number: int) -> None:
        mine = ShapeVersion.objects.select_related("shape__account", "shape__base_model__account").get(pk=version.pk)
        try:
            under_way = mine.validations.filter(finished_at__isnull=True).select_related("version__shape__account")
            if number % 3 == 0:
                make_validation(version=mine, user=user)
            elif (found := under_way.first()) and number % 3 == 1:
                cancel_validation(actor=user_actor(user), validation=found, now=timezone.now())
            elif found:
                step(found)
        except FailedPrecondition:
            pass
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(act, range(60)))
    ended = AuditEntry.objects.filter(verb="end_validation", target=version.name).count()
    assert ended == Validation.objects.filter(version=version, finished_at__isnull=False).count()
    assert state_of(version) == "VALIDATED"


@pytest.mark.parametrize("role", [Role.VIEWER, Role.LAUNCHER])
def test_lesser_roles_may_not_and_strangers_learn_nothing(role: Role) -> None:
    version, now = make_draft(), timezone.now()
    member, stranger = user_actor(make_publisher(role)), user_actor(make_member(role=Role.ADMIN))
    validation = make_validation(user=make_publisher())
    for actor, refusal in ((member, PermissionDenied), (stranger, NotFound)):
        with pytest.raises(refusal):
            request_validation(actor=actor, version=version, now=now)
        with pytest.raises(refusal):
            validate_by_hand(actor=actor, version=version, reason=REASON, now=now)
        with pytest.raises(refusal):
            cancel_validation(actor=actor, validation=validation, now=now)
    assert state_of(version) == "DRAFT"


def test_the_shared_account_takes_an_admin() -> None:
    shared = make_account(account_id="fireworks")
    version = make_version(state=VersionState.DRAFT)
    for role in (Role.PUBLISHER, Role.ADMIN):
        actor = user_actor(make_member(account=shared, role=role))
        if role is Role.PUBLISHER:
            with pytest.raises(PermissionDenied):
                validate_by_hand(actor=actor, version=version, reason=REASON, now=timezone.now())
        else:
            validate_by_hand(actor=actor, version=version, reason=REASON, now=timezone.now())
    assert state_of(version) == "VALIDATED"


def test_slipway_itself_cannot_ask_because_a_launch_has_an_owner() -> None:
    with pytest.raises(PermissionDenied, match="owner"):
        request_validation(actor=SYSTEM, version=make_draft(), now=timezone.now())


def test_what_fails_the_static_checks_stays_a_draft() -> None:
    draft = make_draft(trainer_sharding_scheme=ShardingScheme(tensor_parallelism=4))
    with pytest.raises(InvalidArgument, match="there is no GPU to divide anything over"):
        make_validation(version=draft)
    assert state_of(draft) == "DRAFT"


def test_what_no_provider_can_run_is_refused_with_the_reasons_and_a_way_on() -> None:
    draft = make_gpu_draft()
    with pytest.raises(FailedPrecondition, match=r"needs 8 GPUs a replica.*by hand"):
        make_validation(version=draft)
    assert state_of(draft) == "DRAFT"
    assert not Validation.objects.exists()


def test_a_withdrawn_version_is_not_measured() -> None:
    version = make_tiny_version(latest=False)
    ShapeVersion.objects.filter(pk=version.pk).update(withdrawn_at=timezone.now())
    with pytest.raises(FailedPrecondition, match="withdrawn"):
        make_validation(version=version)


def test_one_that_was_left_validating_without_a_validation_is_taken_up() -> None:
    draft = make_draft()
    start_validating(actor=SYSTEM, version=draft)
    validation = make_validation(version=ShapeVersion.objects.get(pk=draft.pk))
    assert validation.state == "QUEUED"


def test_by_hand_where_nothing_can_run_it() -> None:
    user, draft = make_publisher(), make_gpu_draft()
    validation = validate_by_hand(actor=user_actor(user), version=draft, reason=f"  {REASON} ", now=timezone.now())
    assert (validation.kind, validation.state, validation.reason) == ("BY_HAND", "PASSED", REASON)
    assert state_of(draft) == "VALIDATED"
    entry = AuditEntry.objects.get(verb="accept_version", target=draft.name)
    assert (entry.actor, entry.reason) == (user, f"By hand: {REASON}")


@pytest.mark.parametrize(
    ("reason", "limit"),
    [("", "use 10 to 1,000"), ("because   ", "use 10 to 1,000"), ("x" * 1001, "the limit is 1000")],
)
def test_by_hand_needs_a_reason_of_some_length(reason: str, limit: str) -> None:
    draft = make_gpu_draft()
    with pytest.raises(InvalidArgument, match=limit):
        validate_by_hand(actor=user_actor(make_publisher()), version=draft, reason=reason, now=timezone.now())
    assert state_of(draft) == "DRAFT"


def test_by_hand_is_refused_where_a_provider_can_run_it() -> None:
    draft = make_draft()
    with pytest.raises(FailedPrecondition, match="This machine can run"):
        validate_by_hand(actor=user_actor(make_publisher()), version=draft, reason=REASON, now=timezone.now())
    assert state_of(draft) == "DRAFT"


def test_by_hand_twice_is_refused() -> None:
    actor, draft = user_actor(make_publisher()), make_gpu_draft()
    validate_by_hand(actor=actor, version=draft, reason=REASON, now=timezone.now())
    with pytest.raises(FailedPrecondition, match="validated"):
        validate_by_hand(actor=actor, version=ShapeVersion.objects.get(pk=draft.pk), reason=REASON, now=timezone.now())
    assert Validation.objects.count() == 1


def test_what_was_vouched_for_is_vouched_for_again_once_it_is_old() -> None:
    user, version, now = make_publisher(), make_gpu_draft(), timezone.now()
    first = validate_by_hand(actor=user_actor(user), version=version, reason=REASON, now=now - timedelta(days=91))
    assert first.finished_at is not None
    assert first.expires_at == first.finished_at + timedelta(days=90)
    version.refresh_from_db()
    second = validate_by_hand(actor=user_actor(user), version=version, reason="It still runs there.", now=now)
    assert (second.number, second.expires_at, state_of(version)) == (2, now + timedelta(days=90), "VALIDATED")
    entry = AuditEntry.objects.get(verb="renew_passport", target=version.name)
    assert (entry.actor, entry.reason) == (user, "By hand: It still runs there.")
    with pytest.raises(FailedPrecondition, match="validated"):
        validate_by_hand(actor=user_actor(user), version=version, reason=REASON, now=now)


@pytest.mark.parametrize("steps", range(4))
def test_stopping_ends_it_at_every_step(steps: int) -> None:
    user = make_publisher()
    validation = make_validation(user=user)
    for _ in range(steps):
        step(validation)
    cancel_validation(actor=user_actor(user), validation=validation, now=timezone.now())
    validation.refresh_from_db()
    assert (validation.state, validation.outcome) == ("FAILED", f"Stopped by {user.username}.")
    assert state_of(validation.version) == "REJECTED"
    assert all(attempt_of(launch).state == "CANCELLING" for launch in Launch.objects.all())
    assert Launch.objects.count() == (1 if steps == 3 else 0)
    assert step(validation) is None
    with pytest.raises(FailedPrecondition, match="nothing to stop"):
        cancel_validation(actor=user_actor(user), validation=validation, now=timezone.now())


def test_a_rejected_version_is_validated_again_under_the_next_number() -> None:
    user = make_publisher()
    first = make_validation(user=user)
    cancel_validation(actor=user_actor(user), validation=first, now=timezone.now())
    second = running(version=ShapeVersion.objects.get(pk=first.version_id), user=user)
    assert second.number == 2
    complete(second)
    assert second.state == "PASSED"
    assert state_of(first.version) == "VALIDATED"


def test_the_sweep_hints_what_is_overdue() -> None:
    validation = make_validation()
    assert sweep_validations() == 0, "a hint is under way"
    late = timezone.now() - timedelta(minutes=1)
    Validation.objects.filter(pk=validation.pk).update(next_check_at=late)
    assert sweep_validations() == 1
    Validation.objects.filter(pk=validation.pk).update(lease_until=timezone.now() + timedelta(minutes=1))
    assert sweep_validations() == 0, "somebody holds it"


def test_a_shape_that_nothing_was_launched_from_goes_with_its_validations() -> None:
    user = make_publisher()
    validation = make_validation(user=user)
    cancel_validation(actor=user_actor(user), validation=validation, now=timezone.now())
    shape = validation.version.shape
    delete_shape(actor=user_actor(user), shape=shape)
    assert not TrainingShape.objects.filter(pk=shape.pk).exists()
    assert not Validation.objects.exists()


def test_a_shape_whose_validation_launched_is_kept() -> None:
    user = make_publisher()
    validation = running(user=user)
    complete(validation)
    with pytest.raises(FailedPrecondition, match="is kept"):
        delete_shape(actor=user_actor(user), shape=validation.version.shape)


def test_without_any_provider_nothing_is_validated_by_running(settings: Settings) -> None:
    settings.SLIPWAY_LOCAL_PROVIDER = False
    with pytest.raises(FailedPrecondition, match="This machine: SLIPWAY_LOCAL_PROVIDER is off"):
        make_validation()


def test_its_launch_belongs_to_who_asked_and_is_no_secret() -> None:
    user = make_publisher()
    validation = running(user=user)
    launch = launch_of(validation)
    assert (launch.owner, launch.account) == (user, validation.version.shape.account)
    assert (launch.spec["recipe"], launch.spec["recipe_steps"]) == ("validation", validation.steps)
