"""The verbs on shape versions: what each does, what it refuses and in which words, and what the audit log keeps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from accounts.actors import Actor, user_actor
from accounts.models import AuditEntry
from accounts.roles import Role
from catalog.domain.accept_version import accept_version
from catalog.domain.clone_shape import clone_shape
from catalog.domain.create_draft import create_draft
from catalog.domain.delete_draft import delete_draft
from catalog.domain.delete_shape import delete_shape
from catalog.domain.deprecate_version import deprecate_version
from catalog.domain.edit_draft import edit_draft
from catalog.domain.publish_version import publish_version
from catalog.domain.reject_version import reject_version
from catalog.domain.restore_version import restore_version
from catalog.domain.roll_back import roll_back
from catalog.domain.start_validating import start_validating
from catalog.domain.withdraw_version import withdraw_version
from catalog.enums import AcceleratorType, WeightPrecision
from catalog.fields import snapshots
from catalog.fields.launch_fields import common_fields
from catalog.models import ShapeVersion, TrainingShape
from catalog.states import VersionState
from connections.providers.spec import TrainerMode
from tests.launches.makers import make_launch, make_tiny_version
from tests.makers import make_account, make_member, make_model, make_shape, make_version
from wire.errors import (
    AlreadyExists,
    Conflict,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
)

pytestmark = pytest.mark.django_db

KNOWN: dict[str, Any] = {
    "accelerator_type": AcceleratorType.NVIDIA_H100_80GB,
    "trainer_image_tag": "0.383.0",
    "base_model_weight_precision": WeightPrecision.BFLOAT16,
}


@pytest.fixture
def shape() -> TrainingShape:
    """A shape of team-a, without versions."""
    return make_shape(base_model=make_model(account=make_account(account_id="team-a")), shape_id="own-8k")


@pytest.fixture
def publisher(shape: TrainingShape) -> Actor:
    """A publisher of team-a."""
    return user_actor(make_member(account=shape.account, role=Role.PUBLISHER, username="paula"), request_id="r1")


def draft_of(shape: TrainingShape, **facts: Any) -> ShapeVersion:
    """A draft with every fact that publishing asks for."""
    return make_version(shape=shape, state=VersionState.DRAFT, **(KNOWN | facts))


def validated(shape: TrainingShape, **facts: Any) -> ShapeVersion:
    """A version that is validated and was not published yet."""
    return make_version(shape=shape, public=False, latest=False, published=False, **(KNOWN | facts))


def latest(shape: TrainingShape) -> str | None:
    """The id that the shape resolves to."""
    return shape.versions.filter(is_latest_validated=True).values_list("version_id", flat=True).first()


def last_entry() -> AuditEntry:
    """The newest line of the audit log."""
    return AuditEntry.objects.latest("pk")


def test_a_draft_is_made_edited_and_frozen(shape: TrainingShape, publisher: Actor) -> None:
    source = make_version(shape=shape, gpus=2, **KNOWN)
    snapshot = replace(source.frozen_snapshot, accelerator_count=4)
    draft = create_draft(
        actor=publisher, shape=shape, snapshot=snapshot, launch_fields=source.fields, note=" four ", based_on=source
    )
    assert (draft.state, draft.note, draft.based_on, draft.created_by) == ("DRAFT", "four", source, publisher.user)
    assert (last_entry().verb, last_entry().target) == ("create_draft", draft.name)
    assert last_entry().after == {"digest": draft.digest, "basedOn": source.name}

    wider = replace(snapshot, accelerator_count=8)
    edited = edit_draft(
        actor=publisher,
        version=draft,
        snapshot=wider,
        launch_fields=draft.fields,
        note="eight",
        expected_digest=draft.digest,
    )
    assert edited.digest == snapshots.digest(wider, edited.launch_fields) != draft.digest
    assert (last_entry().before, last_entry().after) == (
        {"digest": draft.digest, "note": "four"},
        {"digest": edited.digest, "note": "eight"},
    )
    edited.refresh_from_db()
    assert (edited.gpus, edited.updated_at > edited.created_at) == (8, True)

    started = start_validating(actor=publisher, version=edited)
    assert started.state == VersionState.VALIDATING
    with pytest.raises(FailedPrecondition, match="no draft any more"):
        edit_draft(
            actor=publisher,
            version=draft,
            snapshot=snapshot,
            launch_fields=draft.fields,
            note="",
            expected_digest=edited.digest,
        )


def test_of_two_editors_the_second_is_told_and_changes_nothing(shape: TrainingShape, publisher: Actor) -> None:
    draft = draft_of(shape)
    first, second = (replace(draft.frozen_snapshot, node_count=nodes) for nodes in (2, 3))
    common: dict[str, Any] = {"actor": publisher, "version": draft, "launch_fields": draft.fields, "note": ""}
    saved = edit_draft(**common, snapshot=first, expected_digest=draft.digest)
    with pytest.raises(Conflict, match="Somebody else saved"):
        edit_draft(**common, snapshot=second, expected_digest=draft.digest)
    assert ShapeVersion.objects.get(pk=draft.pk).digest == saved.digest
    assert edit_draft(**common, snapshot=first, expected_digest=draft.digest).digest == saved.digest  # sent twice


def test_a_draft_keeps_to_its_shape_and_to_the_limits(shape: TrainingShape, publisher: Actor) -> None:
    snapshot = draft_of(shape).frozen_snapshot
    wrong = replace(
        snapshot, name="accounts/team-a/trainingShapes/other", base_model="accounts/x/models/y", node_count=5000
    )
    with pytest.raises(InvalidArgument) as caught:
        create_draft(actor=publisher, shape=shape, snapshot=wrong, launch_fields=[], note="n" * 2001)
    assert {v.field for v in caught.value.violations} == {"name", "base_model", "node_count", "note"}
    assert "Use 1 to 1,024" in str(caught.value)


def test_validation_ends_validated_or_rejected_and_may_be_tried_again(shape: TrainingShape, publisher: Actor) -> None:
    version = start_validating(actor=publisher, version=draft_of(shape))
    with pytest.raises(FailedPrecondition, match="being validated"):
        start_validating(actor=publisher, version=version)
    rejected = reject_version(actor=publisher, version=version, reason="loss is not finite")
    assert (rejected.state, last_entry().reason) == (VersionState.REJECTED, "loss is not finite")
    with pytest.raises(FailedPrecondition, match="rejected"):
        reject_version(actor=publisher, version=version, reason="")
    start_validating(actor=publisher, version=version)
    accepted = accept_version(actor=publisher, version=version, reason="by run 1")
    assert (accepted.state, accepted.is_public, latest(shape)) == (VersionState.VALIDATED, False, None)
    with pytest.raises(FailedPrecondition, match="it cannot become being validated"):
        start_validating(actor=publisher, version=version)


def test_nothing_is_called_validated_that_breaks_the_static_checks(shape: TrainingShape, publisher: Actor) -> None:
    bad = draft_of(shape, mode=TrainerMode.FORWARD_ONLY, launch_fields=common_fields(TrainerMode.LORA_TRAINER))
    with pytest.raises(InvalidArgument, match="Forward-only shapes do not offer learning_rate"):
        accept_version(actor=publisher, version=bad, reason="by hand")
    assert ShapeVersion.objects.get(pk=bad.pk).state == VersionState.DRAFT


def test_publishing_moves_the_pointer_and_tells_the_audit_log(shape: TrainingShape, publisher: Actor) -> None:
    one, two = validated(shape, display_name="One"), validated(shape, display_name="Two")
    publish_version(actor=publisher, version=one, public=False, expected_latest="")
    assert latest(shape) == one.version_id
    publish_version(actor=publisher, version=two, public=True, expected_latest=one.version_id, reason="faster")
    shape.refresh_from_db()
    assert (latest(shape), shape.display_name, "two" in shape.search_text) == (two.version_id, "Two", True)
    entry = last_entry()
    assert (entry.verb, entry.reason, entry.request_id) == ("publish_version", "faster", "r1")
    assert entry.before == {"latestValidated": one.version_id, "public": False}
    assert entry.after == {"latestValidated": two.version_id, "public": True, "digest": two.digest}


def test_publishing_twice_writes_once_and_later_makes_it_public(shape: TrainingShape, publisher: Actor) -> None:
    one = validated(shape)
    for _ in range(2):
        publish_version(actor=publisher, version=one, public=False, expected_latest="")
    assert AuditEntry.objects.filter(verb="publish_version").count() == 1
    first = ShapeVersion.objects.get(pk=one.pk).published_at
    publish_version(actor=publisher, version=one, public=True, expected_latest=one.version_id)
    one.refresh_from_db()
    assert (one.is_public, one.published_at) == (True, first)


def test_the_slower_of_two_publishers_is_told(shape: TrainingShape, publisher: Actor) -> None:
    one, two = validated(shape), validated(shape)
    publish_version(actor=publisher, version=one, public=True, expected_latest="")
    with pytest.raises(Conflict, match=f"is {one.version_id} now; it was none when you looked"):
        publish_version(actor=publisher, version=two, public=True, expected_latest="")
    assert latest(shape) == one.version_id


def test_what_is_not_ready_is_not_published(shape: TrainingShape, publisher: Actor) -> None:
    draft, bare = draft_of(shape), validated(shape, **dict.fromkeys(KNOWN))
    with pytest.raises(FailedPrecondition, match="not validated"):
        publish_version(actor=publisher, version=draft, public=True, expected_latest=None)
    with pytest.raises(InvalidArgument) as caught:
        publish_version(actor=publisher, version=bare, public=True, expected_latest=None)
    assert {v.field for v in caught.value.violations} == set(KNOWN)
    public, private = validated(shape), validated(shape)
    publish_version(actor=publisher, version=public, public=True, expected_latest=None)
    with pytest.raises(FailedPrecondition, match="only a public version can be its latest"):
        publish_version(actor=publisher, version=private, public=False, expected_latest=None)


def test_rolling_back_and_what_withdrawing_falls_back_to(shape: TrainingShape, publisher: Actor) -> None:
    one, two, three = (validated(shape) for _ in range(3))
    for version in (one, two):
        publish_version(actor=publisher, version=version, public=True, expected_latest=None)
    with pytest.raises(FailedPrecondition, match="never published"):
        roll_back(actor=publisher, version=three, expected_latest=None)
    with pytest.raises(FailedPrecondition, match="already"):
        roll_back(actor=publisher, version=two, expected_latest=None)
    with pytest.raises(Conflict):
        roll_back(actor=publisher, version=one, expected_latest=one.version_id)
    roll_back(actor=publisher, version=one, expected_latest=two.version_id)
    assert latest(shape) == one.version_id
    # Two was rolled back from, so withdrawing one must not bring it back.
    assert withdraw_version(actor=publisher, version=one, reason="wrong image") is None
    assert latest(shape) is None
    roll_back(actor=publisher, version=two, expected_latest="")
    publish_version(actor=publisher, version=three, public=True, expected_latest=None)
    assert withdraw_version(actor=publisher, version=three) == two
    assert latest(shape) == two.version_id
    with pytest.raises(FailedPrecondition, match="withdrawn for good"):
        publish_version(actor=publisher, version=three, public=True, expected_latest=None)
    with pytest.raises(FailedPrecondition, match="withdrawn for good"):
        roll_back(actor=publisher, version=three, expected_latest=None)


def test_withdrawing_keeps_running_launches_and_refuses_new_ones(publisher: Actor) -> None:
    version = make_tiny_version()
    launch = make_launch(version=version)
    make_member(account=version.shape.account, role=Role.PUBLISHER, user=publisher.user)
    withdraw_version(actor=publisher, version=version)
    launch.refresh_from_db()
    assert (launch.state, launch.shape_version_id) == ("QUEUED", version.pk)
    with pytest.raises(FailedPrecondition, match="withdrawn by its publisher"):
        make_launch(version=version)  # the caller's copy of the row is older than the withdrawal
    with pytest.raises(FailedPrecondition, match="withdrawn for good"):
        withdraw_version(actor=publisher, version=version)


def test_deprecating_warns_points_and_is_lifted(shape: TrainingShape, publisher: Actor) -> None:
    version = make_version(shape=shape)
    other = make_version(shape=make_shape(base_model=shape.base_model)).shape
    hidden = make_version(shape=make_shape(base_model=shape.base_model), public=False).shape
    deprecate_version(actor=publisher, version=version, message=" use the other ", successor=other)
    version.refresh_from_db()
    assert (version.deprecation_message, version.successor, version.is_latest_validated) == (
        "use the other",
        other,
        True,
    )
    assert last_entry().after == {"deprecated": True, "message": "use the other", "successor": other.name}
    for successor, message, field in ((shape, "m", "successor"), (hidden, "m", "successor"), (None, " ", "message")):
        with pytest.raises(InvalidArgument) as caught:
            deprecate_version(actor=publisher, version=version, message=message, successor=successor)
        assert [v.field for v in caught.value.violations] == [field]
    restore_version(actor=publisher, version=version)
    version.refresh_from_db()
    assert (version.deprecated_at, version.deprecation_message, version.successor) == (None, "", None)
    with pytest.raises(FailedPrecondition, match="not deprecated"):
        restore_version(actor=publisher, version=version)


def test_a_shape_is_cloned_under_a_new_id_also_for_another_model(shape: TrainingShape, publisher: Actor) -> None:
    source = make_version(shape=shape, mode=TrainerMode.FORWARD_ONLY, model_type="qwen3", parameter_count=9)
    clone = clone_shape(actor=publisher, source=source, account=shape.account, shape_id="own-8k-b")
    assert (clone.state, clone.based_on, clone.shape.base_model) == ("DRAFT", source, shape.base_model)
    assert clone.frozen_snapshot == replace(source.frozen_snapshot, name="accounts/team-a/trainingShapes/own-8k-b")
    model = make_model(account=shape.account, model_type="gemma", parameter_count=27)
    other = clone_shape(actor=publisher, source=source, account=shape.account, shape_id="own-8k-c", base_model=model)
    assert (other.frozen_snapshot.base_model, other.frozen_snapshot.parameter_count) == (model.name, 27)
    with pytest.raises(AlreadyExists):
        clone_shape(actor=publisher, source=source, account=shape.account, shape_id="own-8k-b")


def test_drafts_are_deleted_and_what_launches_refer_to_is_kept(publisher: Actor, shape: TrainingShape) -> None:
    draft = draft_of(shape)
    delete_draft(actor=publisher, version=draft)
    assert (last_entry().verb, last_entry().before) == ("delete_draft", {"digest": draft.digest})
    with pytest.raises(NotFound, match="somebody deleted it"):
        delete_draft(actor=publisher, version=draft)
    with pytest.raises(FailedPrecondition, match="withdraw it instead"):
        delete_draft(actor=publisher, version=make_version(shape=shape))

    launched = make_launch().shape_version
    make_member(account=launched.shape.account, role=Role.PUBLISHER, user=publisher.user)
    with pytest.raises(FailedPrecondition, match="Launches refer to"):
        delete_shape(actor=publisher, shape=launched.shape)
    assert ShapeVersion.objects.filter(pk=launched.pk).exists()


def test_a_shape_goes_with_all_of_its_versions(publisher: Actor, shape: TrainingShape) -> None:
    one, two = make_version(shape=shape), draft_of(shape)
    busy = make_version(shape=shape, state=VersionState.DRAFT)
    start_validating(actor=publisher, version=busy)
    with pytest.raises(FailedPrecondition, match="being validated"):
        delete_shape(actor=publisher, shape=shape)
    reject_version(actor=publisher, version=busy, reason="stopped")
    delete_shape(actor=publisher, shape=shape)
    assert not TrainingShape.objects.filter(pk=shape.pk).exists()
    assert last_entry().before == {"versions": {v.version_id: v.digest for v in (one, two, busy)}}


FROZEN: dict[str, Any] = {
    "snapshot": {"name": "x"},
    "launch_fields": [],
    "digest": "0" * 64,
    "version_id": "zzzzzzzz",
    "state": VersionState.DRAFT,
    "is_public": False,
}


@pytest.mark.parametrize("column", FROZEN)
@pytest.mark.parametrize("by", ["model", "queryset", "sql"])
def test_what_left_draft_is_frozen_whoever_tries(column: str, by: str) -> None:
    version = make_version(latest=False)
    value = FROZEN[column]
    with pytest.raises((DatabaseError, IntegrityError)), transaction.atomic():
        if by == "model":
            setattr(version, column, value)
            version.save()
        elif by == "queryset":
            ShapeVersion.objects.filter(pk=version.pk).update(**{column: value})
        else:
            with connection.cursor() as cursor:
                text = "'{}'::jsonb" if column in {"snapshot", "launch_fields"} else "%s"
                values: list[Any] = [] if "jsonb" in text else [value]
                cursor.execute(f"UPDATE catalog_shapeversion SET {column} = {text} WHERE id = {version.pk}", values)
    kept = ShapeVersion.objects.get(pk=version.pk)
    assert snapshots.digest(kept.frozen_snapshot, kept.launch_fields) == kept.digest
    assert kept.state == VersionState.VALIDATED


def test_validated_versions_and_names_of_shapes_are_kept(shape: TrainingShape) -> None:
    version = make_version(shape=shape)
    with pytest.raises(DatabaseError, match="is kept"), transaction.atomic():
        version.delete()
    with pytest.raises(DatabaseError, match="keeps its account, id and base model"), transaction.atomic():
        TrainingShape.objects.filter(pk=shape.pk).update(shape_id="renamed")
