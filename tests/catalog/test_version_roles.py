"""Who may do what to the versions of a shape: every verb by every role, in an account and in the shared one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.actors import Actor, user_actor
from accounts.models import Account, AuditEntry, User
from accounts.roles import Role
from catalog.domain.accept_version import accept_version
from catalog.domain.apply_catalog import apply_catalog
from catalog.domain.clone_shape import clone_shape
from catalog.domain.create_draft import create_draft
from catalog.domain.create_shape import create_shape
from catalog.domain.delete_draft import delete_draft
from catalog.domain.delete_shape import delete_shape
from catalog.domain.deprecate_version import deprecate_version
from catalog.domain.edit_draft import edit_draft
from catalog.domain.import_version import import_version
from catalog.domain.publish_version import publish_version
from catalog.domain.reject_version import reject_version
from catalog.domain.restore_version import restore_version
from catalog.domain.roll_back import roll_back
from catalog.domain.start_validating import start_validating
from catalog.domain.withdraw_version import withdraw_version
from catalog.files.current import read_current
from catalog.models import ShapeVersion, TrainingShape
from catalog.states import VersionState
from publishing.domain.cancel_validation import cancel_validation
from publishing.domain.request_validation import request_validation
from publishing.domain.validate_by_hand import validate_by_hand
from tests.launches.makers import make_tiny_version
from tests.makers import make_account, make_member, make_model, make_shape, make_user, make_version
from tests.publishing.makers import make_validation
from tests.publishing.pages import draft_of, validated
from wire.errors import (
    NotFound,
    PermissionDenied,
    Refusal,
)

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class VerbCase:
    """A verb that succeeds on `version` for somebody with the right."""

    call: Callable[[Actor, ShapeVersion], object]
    version: Callable[[TrainingShape], ShapeVersion]


def rejected(shape: TrainingShape) -> ShapeVersion:
    """A version that failed."""
    return make_version(shape=shape, state=VersionState.REJECTED, public=False)


def older(shape: TrainingShape) -> ShapeVersion:
    """A published version that is not the latest any more."""
    version = make_version(shape=shape)
    make_version(shape=shape)
    return version


def make_published(shape: TrainingShape) -> ShapeVersion:
    """The public head of the shape."""
    return make_version(shape=shape)


def runnable(account: Account) -> ShapeVersion:
    """A draft of another shape of the account, which the local provider can run."""
    model = make_tiny_version().shape.base_model
    shape = make_shape(base_model=model, account=account)
    return make_version(shape=shape, gpus=0, context=2048, state=VersionState.DRAFT)


def being_validated(account: Account) -> ShapeVersion:
    """The same, once its validation was asked for."""
    return make_validation(version=runnable(account), user=make_member(account=account, role=Role.ADMIN)).version


VERBS: dict[str, VerbCase] = {
    "create_shape": VerbCase(
        lambda a, v: create_shape(
            actor=a, account=v.shape.account, base_model=v.shape.base_model, shape_id="another-shape"
        ),
        draft_of,
    ),
    "create_draft": VerbCase(
        lambda a, v: create_draft(actor=a, shape=v.shape, snapshot=v.frozen_snapshot, launch_fields=v.fields), draft_of
    ),
    "edit_draft": VerbCase(
        lambda a, v: edit_draft(
            actor=a,
            version=v,
            snapshot=v.frozen_snapshot,
            launch_fields=v.fields,
            note="new",
            expected_digest=v.digest,
        ),
        draft_of,
    ),
    "delete_draft": VerbCase(lambda a, v: delete_draft(actor=a, version=v), draft_of),
    "delete_shape": VerbCase(lambda a, v: delete_shape(actor=a, shape=v.shape), draft_of),
    "clone_shape": VerbCase(
        lambda a, v: clone_shape(actor=a, source=v, account=v.shape.account, shape_id="a-clone"), draft_of
    ),
    "start_validating": VerbCase(lambda a, v: start_validating(actor=a, version=v), rejected),
    "accept_version": VerbCase(lambda a, v: accept_version(actor=a, version=v, reason="by hand"), draft_of),
    "reject_version": VerbCase(
        lambda a, v: reject_version(actor=a, version=v, reason="no"),
        lambda shape: make_version(shape=shape, state=VersionState.VALIDATING),
    ),
    "publish_version": VerbCase(
        lambda a, v: publish_version(actor=a, version=v, public=True, expected_latest=None), validated
    ),
    "roll_back": VerbCase(lambda a, v: roll_back(actor=a, version=v, expected_latest=None), older),
    "withdraw_version": VerbCase(lambda a, v: withdraw_version(actor=a, version=v), older),
    "deprecate_version": VerbCase(lambda a, v: deprecate_version(actor=a, version=v, message="old"), older),
    "restore_version": VerbCase(
        lambda a, v: restore_version(actor=a, version=v),
        lambda shape: deprecate_version(
            actor=Actor(user=None, label="Slipway"), version=make_version(shape=shape), message="old"
        ),
    ),
    "import_version": VerbCase(
        lambda a, v: import_version(
            actor=a, shape=v.shape, snapshot=v.frozen_snapshot, launch_fields=v.fields, public=True
        ),
        draft_of,
    ),
    "apply_catalog": VerbCase(
        lambda a, v: apply_catalog(
            actor=a,
            document=replace(read_current(v.shape.account, public=True).document, models=()),
            file="0" * 64,
            source="own.yaml",
        ),
        make_published,
    ),
    "request_validation": VerbCase(
        lambda a, v: request_validation(actor=a, version=v, now=timezone.now()),
        lambda shape: runnable(shape.account),
    ),
    "cancel_validation": VerbCase(
        lambda a, v: cancel_validation(actor=a, validation=v.validations.get(), now=timezone.now()),
        lambda shape: being_validated(shape.account),
    ),
    "validate_by_hand": VerbCase(
        lambda a, v: validate_by_hand(actor=a, version=v, reason="It runs elsewhere.", now=timezone.now()), draft_of
    ),
}
IN_TEAM: dict[str, type[Refusal] | None] = {
    "viewer": PermissionDenied,
    "launcher": PermissionDenied,
    "publisher": None,
    "admin": None,
    "stranger": NotFound,
    "publisher of another account": NotFound,
}
IN_SHARED = IN_TEAM | {"publisher": PermissionDenied}


def somebody(who: str, account: Account) -> User:
    """A new user who is that."""
    if who == "stranger":
        return make_user()
    if who in {role.value for role in Role}:
        return make_member(account=account, role=Role(who))
    return make_member(role=Role.PUBLISHER)


@pytest.mark.parametrize("name", VERBS)
@pytest.mark.parametrize(
    ("account_id", "table"), [("team-a", IN_TEAM), ("fireworks", IN_SHARED)], ids=["own", "shared"]
)
def test_who_may_do_what(
    name: str, account_id: str, table: dict[str, type[Refusal] | None], subtests: pytest.Subtests
) -> None:
    account = make_account(account_id=account_id)
    made = VERBS[name].version(make_shape(base_model=make_model(account=account)))
    for who, expected in table.items():
        with subtests.test(who), transaction.atomic():
            user, version, entries = (
                somebody(who, account),
                ShapeVersion.objects.get(pk=made.pk),
                AuditEntry.objects.count(),
            )
            if expected is None:
                VERBS[name].call(user_actor(user), version)
                assert AuditEntry.objects.filter(actor=user, account=account).exists()
            else:
                with pytest.raises(expected):
                    VERBS[name].call(user_actor(user), version)
                assert AuditEntry.objects.count() == entries
            transaction.set_rollback(True)
