"""What the audit log keeps of the verbs that move a shape, and what they leave alone: launches, and what is private."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.actors import Actor, user_actor
from accounts.models import AuditEntry
from accounts.roles import Role
from catalog.domain.accept_version import accept_version
from catalog.domain.clone_shape import clone_shape
from catalog.domain.delete_draft import delete_draft
from catalog.domain.delete_shape import delete_shape, mark_of
from catalog.domain.deprecate_version import deprecate_version
from catalog.domain.edit_draft import edit_draft
from catalog.domain.import_version import import_version
from catalog.domain.publish_version import publish_version
from catalog.domain.roll_back import roll_back
from catalog.domain.withdraw_version import withdraw_version
from catalog.enums import AcceleratorType, WeightPrecision
from catalog.models import ShapeVersion, TrainingShape
from catalog.states import VersionState
from launches.models import Launch
from tests.launches.makers import make_launch, make_tiny_version
from tests.makers import make_account, make_member, make_model, make_shape, make_version
from wire.errors import Conflict, FailedPrecondition, InvalidArgument

pytestmark = pytest.mark.django_db

KNOWN: dict[str, Any] = {
    "accelerator_type": AcceleratorType.NVIDIA_H100_80GB,
    "trainer_image_tag": "0.383.0",
    "base_model_weight_precision": WeightPrecision.BFLOAT16,
}


@pytest.fixture
def shape() -> TrainingShape:
    return make_shape(base_model=make_model(account=make_account(account_id="team-a")), shape_id="own")


@pytest.fixture
def paula(shape: TrainingShape) -> Actor:
    return user_actor(make_member(account=shape.account, role=Role.PUBLISHER, username="paula"), request_id="r1")


def validated(shape: TrainingShape) -> ShapeVersion:
    return make_version(shape=shape, public=False, latest=False, published=False, **KNOWN)


def published(shape: TrainingShape) -> ShapeVersion:
    return make_version(shape=shape, public=False, **KNOWN)


def entry(verb: str) -> tuple[str, Any, Any, str]:
    """Target, before, after and reason of the newest line, which is paula's of that verb."""
    line = AuditEntry.objects.latest("pk")
    assert (line.verb, line.actor_label, line.request_id) == (verb, "paula", "r1")
    return line.target, line.before, line.after, line.reason


def test_an_acceptance_is_kept_with_its_evidence(shape: TrainingShape, paula: Actor) -> None:
    version = make_version(shape=shape, state=VersionState.REJECTED, public=False)
    accept_version(actor=paula, version=version, reason="By hand: I ran it.")
    after = {"state": "VALIDATED", "digest": version.digest}
    assert entry("accept_version") == (version.name, {"state": "REJECTED"}, after, "By hand: I ran it.")


def test_the_pointer_s_moves_are_kept_before_and_after(shape: TrainingShape, paula: Actor) -> None:
    one, two = published(shape), published(shape)
    roll_back(actor=paula, version=one, expected_latest=two.version_id, reason="Slower.")
    moved = ({"latestValidated": two.version_id}, {"latestValidated": one.version_id})
    assert entry("roll_back") == (one.name, *moved, "Slower.")
    publish_version(actor=paula, version=one, public=True, expected_latest=one.version_id, reason="For all.")
    before = {"latestValidated": one.version_id, "public": False}
    after = {"latestValidated": one.version_id, "public": True, "digest": one.digest}
    assert entry("publish_version") == (one.name, before, after, "For all.")
    withdraw_version(actor=paula, version=one, reason="Wrong image.")
    gone = {"latestValidated": None, "withdrawn": True}
    assert entry("withdraw_version") == (one.name, {"latestValidated": one.version_id}, gone, "Wrong image.")


def test_an_import_says_what_it_replaced_and_by_which_file(shape: TrainingShape, paula: Actor) -> None:
    old = published(shape)
    new = import_version(
        actor=paula,
        shape=shape,
        snapshot=old.frozen_snapshot,
        launch_fields=old.fields,
        public=True,
        note="by file, 0123456789ab",
    )
    after = {"latestValidated": new.version_id, "public": True, "digest": new.digest}
    before = {"latestValidated": old.version_id}
    assert entry("import_version") == (new.name, before, after, "by file, 0123456789ab")


def test_a_clone_and_a_deletion_have_lines_of_their_own(shape: TrainingShape, paula: Actor) -> None:
    source = published(shape)
    clone = clone_shape(actor=paula, source=source, account=shape.account, shape_id="copy")
    after = {"source": source.name, "version": clone.version_id, "baseModel": shape.base_model.name}
    assert entry("clone_shape") == (clone.shape.name, None, after, "")
    delete_draft(actor=paula, version=clone, reason="A try.")
    assert entry("delete_draft") == (clone.name, {"digest": clone.digest}, None, "A try.")
    delete_shape(actor=paula, shape=clone.shape, reason="Unused.")
    assert entry("delete_shape") == (clone.shape.name, {"versions": {}}, None, "Unused.")


def test_launches_keep_what_they_recorded_whatever_the_shape_resolves_to(paula: Actor) -> None:
    old = make_tiny_version(public=False, **KNOWN)
    make_member(account=old.shape.account, role=Role.PUBLISHER, user=paula.user)
    launch = make_launch(version=old)
    recorded = Launch.objects.filter(pk=launch.pk).values().get()
    new = make_version(shape=old.shape, gpus=0, context=1024, public=False, latest=False, published=False, **KNOWN)
    publish_version(actor=paula, version=new, public=False, expected_latest=old.version_id)
    assert Launch.objects.filter(pk=launch.pk).values().get() == recorded
    newer = make_launch(version=new)
    assert (newer.shape_version, newer.spec["max_context_length"]) == (new, 1024)
    roll_back(actor=paula, version=old, expected_latest=new.version_id)
    assert Launch.objects.filter(pk=launch.pk).values().get() == recorded
    newer.refresh_from_db()
    assert (newer.shape_version, newer.state, newer.spec["max_context_length"]) == (new, "QUEUED", 1024)


def test_publishing_again_what_was_replaced_is_called_a_roll_back(shape: TrainingShape, paula: Actor) -> None:
    old, new = published(shape), published(shape)
    with pytest.raises(FailedPrecondition, match="Roll back to it instead"):
        publish_version(actor=paula, version=old, public=False, expected_latest=new.version_id)
    assert shape.versions.get(is_latest_validated=True) == new


def test_a_successor_is_one_that_all_users_may_see(shape: TrainingShape, paula: Actor) -> None:
    other = make_account(account_id="team-b")
    make_member(account=other, role=Role.PUBLISHER, user=paula.user)
    private, version = validated(shape), published(shape)
    theirs = published(make_shape(base_model=make_model(account=other)))
    ours = published(make_shape(base_model=make_model(account=shape.account)))
    with pytest.raises(InvalidArgument, match="has no version that all users of this one may see"):
        deprecate_version(actor=paula, version=version, message="Old.", successor=theirs.shape)
    deprecate_version(actor=paula, version=private, message="Old.", successor=ours.shape)
    with pytest.raises(FailedPrecondition, match=f"is deprecated for {ours.shape.name}, which not everybody may see"):
        publish_version(actor=paula, version=private, public=True, expected_latest=None)
    assert not shape.versions.filter(is_public=True).exists()
    publish_version(actor=paula, version=private, public=False, expected_latest=None)
    publish_version(actor=paula, version=ours, public=True, expected_latest=None)
    publish_version(actor=paula, version=private, public=True, expected_latest=None)
    deprecate_version(actor=paula, version=version, message="Old.", successor=ours.shape)


def test_any_change_of_the_versions_keeps_a_shape_from_being_deleted_unseen(shape: TrainingShape, paula: Actor) -> None:
    draft = make_version(shape=shape, state=VersionState.DRAFT)
    seen = mark_of(shape)
    edit_draft(
        actor=paula,
        version=draft,
        snapshot=draft.frozen_snapshot,
        launch_fields=draft.fields[1:],
        note="",
        expected_digest=draft.digest,
    )
    with pytest.raises(Conflict, match="are others now than when you looked"):
        delete_shape(actor=paula, shape=shape, expected=seen)
    seen = mark_of(shape)
    accept_version(actor=paula, version=draft, reason="By hand.")
    with pytest.raises(Conflict):
        delete_shape(actor=paula, shape=shape, expected=seen)
    delete_shape(actor=paula, shape=shape, expected=mark_of(shape))
