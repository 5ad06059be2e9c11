"""Launches that measure a version: who may make them, of what, and that nothing else can."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.test import Client
from django.utils import timezone

from accounts.actors import user_actor
from accounts.models import User
from accounts.roles import Role
from accounts.scopes import Scope
from catalog.fields.launch_fields import common_fields
from catalog.models import ShapeVersion
from catalog.states import VersionState
from connections.providers.spec import TrainerMode, TrainerSpec
from connections.providers.states import AttemptState
from launches.domain.apply_report import apply_report
from launches.domain.claim_attempt import claim_attempt
from launches.domain.create_launch import create_launch
from launches.models import Launch
from launches.validation_runs import MEASURED_ONCE, ValidationRun, validation_offer
from tests.api.makers import make_caller
from tests.launches.makers import attempt_of, make_tiny_version, seen
from tests.makers import make_account, make_member, make_version, sign_in
from wire.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied

pytestmark = pytest.mark.django_db


def make_publisher(role: Role = Role.PUBLISHER) -> User:
    return make_member(account=make_account(account_id="local"), role=role)


def validation_run(version: ShapeVersion, user: User, *, steps: int = 5, key: str = "k") -> Launch:
    return create_launch(
        actor=user_actor(user),
        account=version.shape.account,
        version=version,
        inputs={},
        idempotency_key=key,
        validation_run=ValidationRun(steps),
    )


@pytest.mark.parametrize("state", [VersionState.VALIDATING, VersionState.VALIDATED])
def test_a_probe_runs_what_is_validated_now_or_was(state: VersionState) -> None:
    version = make_tiny_version(state=state)
    launch = validation_run(version, make_publisher())
    spec = TrainerSpec.from_json(launch.spec)
    assert (spec.recipe, spec.recipe_steps) == ("validation", 5)
    assert launch.display_name == f"Validation of {version.version_id}"
    assert f"validation of {version.name}: 5 steps" in launch.events.get(kind="probe").message


@pytest.mark.parametrize("state", [VersionState.DRAFT, VersionState.REJECTED])
def test_a_probe_runs_nothing_that_can_still_change_or_was_refused(state: VersionState) -> None:
    with pytest.raises(FailedPrecondition, match="only its validation"):
        validation_run(make_tiny_version(state=state), make_publisher())


def test_a_withdrawn_version_is_not_probed() -> None:
    version = make_tiny_version(latest=False)
    ShapeVersion.objects.filter(pk=version.pk).update(withdrawn_at=timezone.now())
    version.refresh_from_db()
    with pytest.raises(FailedPrecondition, match="withdrawn"):
        validation_run(version, make_publisher())


def test_what_is_being_validated_is_not_launched_without_a_probe() -> None:
    version = make_tiny_version(state=VersionState.VALIDATING)
    with pytest.raises(FailedPrecondition, match="not validated"):
        create_launch(
            actor=user_actor(make_publisher()),
            account=version.shape.account,
            version=version,
            inputs={},
            idempotency_key="k",
        )


def test_a_launcher_may_not_probe_and_a_stranger_learns_nothing() -> None:
    version = make_tiny_version(state=VersionState.VALIDATING)
    with pytest.raises(PermissionDenied, match="publish"):
        validation_run(version, make_publisher(Role.LAUNCHER))
    with pytest.raises(NotFound):
        validation_run(version, make_member(role=Role.ADMIN))


def test_the_same_key_is_the_same_probe() -> None:
    version, user = make_tiny_version(), make_publisher()
    assert validation_run(version, user).pk == validation_run(version, user).pk
    assert Launch.objects.count() == 1


def test_the_form_does_not_take_the_recipe(client: Client) -> None:
    version = make_tiny_version()
    sign_in(client, make_publisher())
    form = f"/shapes/local/{version.shape.shape_id}/launch"
    answer = client.post(form, {"recipe": "validation", "idempotency_key": "from-the-form"})
    assert answer.status_code == 422
    assert "is not a recipe here" in answer.content.decode()
    assert client.post(form, {"idempotency_key": "k", "recipe_steps": "3"}).status_code == 422
    assert not Launch.objects.exists()


def test_no_door_resumes_a_probe(client: Client) -> None:
    user = make_publisher()
    launch = validation_run(make_tiny_version(state=VersionState.VALIDATING), user)
    claim = claim_attempt(attempt_of(launch).pk, now=timezone.now())
    assert claim is not None
    apply_report(claim, seen(AttemptState.FAILED), now=timezone.now())
    page = f"/launches/{launch.uid}"
    shown = sign_in(client, user).get(page).content.decode()
    assert f'action="{page}/resume"' not in shown
    assert f'title="{MEASURED_ONCE}"' in shown
    refused = client.post(f"{page}/resume")
    assert refused.status_code == 422
    assert MEASURED_ONCE in refused.content.decode().partition("</h1>")[0]
    caller = make_caller(account=launch.account, user=user, scope=Scope.LAUNCH)
    status, body = caller.post(f"/v1/{launch.name}:resume")
    assert (status, body["message"]) == (400, MEASURED_ONCE)
    assert launch.attempts.count() == 1


def test_the_offer_is_that_of_the_defaults() -> None:
    assert validation_offer(make_tiny_version(), ValidationRun(20)).connection is not None
    offer = validation_offer(make_version(gpus=8), ValidationRun(20))
    assert offer.connection is None
    assert "needs 8 GPUs" in str(offer.refusals)


def test_defaults_that_do_not_resolve_are_named() -> None:
    fields = [
        replace(field, default=999_999) if field.name == "lora_rank" else field
        for field in common_fields(TrainerMode.LORA_TRAINER)
    ]
    with pytest.raises(InvalidArgument, match="lora_rank"):
        validation_offer(make_tiny_version(state=VersionState.DRAFT, launch_fields=fields), ValidationRun(20))
