"""Random lives of a shape's versions, by people of every role: the invariants hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from django.db import transaction
from django.db.models import Sum
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.actors import Actor, user_actor
from accounts.models import Account, AuditEntry
from accounts.roles import Role
from catalog.domain.accept_version import accept_version
from catalog.domain.apply_catalog import apply_catalog
from catalog.domain.clone_shape import clone_shape
from catalog.domain.create_draft import create_draft
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
from catalog.enums import AcceleratorType, WeightPrecision
from catalog.fields import snapshots
from catalog.files.current import read_current
from catalog.files.document import Document
from catalog.models import FacetCount, ShapeVersion, TrainingShape
from catalog.states import LEGAL_MOVES, VersionState, may_move
from launches.domain.create_launch import create_launch
from launches.models import Launch
from publishing.domain.cancel_validation import cancel_validation
from publishing.domain.request_validation import request_validation
from publishing.domain.validate_by_hand import validate_by_hand
from publishing.models import Validation
from tests.makers import make_account, make_member, make_model, make_shape, make_user, make_version
from wire.errors import NotFound, Refusal

CALLS: dict[str, Callable[[Actor, ShapeVersion, int], object]] = {
    "draft": lambda a, v, n: create_draft(
        actor=a,
        shape=v.shape,
        snapshot=replace(v.frozen_snapshot, max_supported_context_length=1024 * (n + 1)),
        launch_fields=v.fields,
        based_on=v,
    ),
    "edit": lambda a, v, n: edit_draft(
        actor=a,
        version=v,
        snapshot=replace(v.frozen_snapshot, node_count=n + 1),
        launch_fields=v.fields,
        note=str(n),
        expected_digest=v.digest,
    ),
    "delete": lambda a, v, _: delete_draft(actor=a, version=v),
    "start": lambda a, v, _: start_validating(actor=a, version=v),
    "accept": lambda a, v, _: accept_version(actor=a, version=v, reason="by hand"),
    "reject": lambda a, v, _: reject_version(actor=a, version=v, reason="no"),
    "publish": lambda a, v, n: publish_version(actor=a, version=v, public=n % 2 == 1, expected_latest=None),
    "publish as seen": lambda a, v, n: publish_version(
        actor=a, version=v, public=True, expected_latest=v.version_id if n % 2 else ""
    ),
    "roll back": lambda a, v, _: roll_back(actor=a, version=v, expected_latest=None),
    "withdraw": lambda a, v, _: withdraw_version(actor=a, version=v),
    "deprecate": lambda a, v, n: deprecate_version(actor=a, version=v, message=str(n)),
    "restore": lambda a, v, _: restore_version(actor=a, version=v),
    "clone": lambda a, v, n: clone_shape(actor=a, source=v, account=v.shape.account, shape_id=f"clone-{n}"),
    "delete shape": lambda a, v, _: delete_shape(actor=a, shape=v.shape),
    "import": lambda a, v, n: import_version(
        actor=a, shape=v.shape, snapshot=v.frozen_snapshot, launch_fields=v.fields, public=n % 2 == 1
    ),
    "apply file": lambda a, v, n: apply_catalog(
        actor=a, document=document_of(v.shape.account, n), file="0" * 64, source="own.yaml"
    ),
    "ask for validation": lambda a, v, _: request_validation(actor=a, version=v, now=timezone.now()),
    "stop validation": lambda a, v, _: cancel_validation(actor=a, validation=newest_validation(v), now=timezone.now()),
    "by hand": lambda a, v, _: validate_by_hand(actor=a, version=v, reason="It runs elsewhere.", now=timezone.now()),
    "launch": lambda a, v, n: create_launch(
        actor=a, account=v.shape.account, version=v, inputs={}, idempotency_key=f"{a.label}-{n}"
    ),
}
PEOPLE = ("publisher", "admin", "launcher", "viewer", "stranger", "publisher of another account")
PUBLISHERS = {"publisher", "admin"}
MAY = {"launch": PUBLISHERS | {"launcher"}}
"""Who may do what; where nothing is said, the publishers."""
_S = VersionState
FOR = {
    "edit": {_S.DRAFT},
    "delete": {_S.DRAFT, _S.REJECTED},
    "accept": {_S.DRAFT, _S.VALIDATING},
    "reject": {_S.VALIDATING},
    "stop validation": {_S.VALIDATING},
    "by hand": {_S.DRAFT, _S.REJECTED},
    "publish": {_S.VALIDATED},
    "publish as seen": {_S.VALIDATED},
    "roll back": {_S.VALIDATED},
    "withdraw": {_S.VALIDATED},
    "deprecate": {_S.VALIDATED},
    "restore": {_S.VALIDATED},
    "launch": {_S.VALIDATED},
}
"""The states in which a verb has a chance, so that lives get somewhere."""
ANY_STATE = 7
"""The number with which a step takes a version in whatever state."""
STEP = st.tuples(
    st.sampled_from(sorted({*CALLS} - {"delete shape"}) * 2 + ["delete shape"]),  # which ends a life
    st.integers(0, ANY_STATE),
    st.sampled_from([*PEOPLE, *["publisher", "admin"] * 3]),
)
KNOWN: dict[str, Any] = {
    "accelerator_type": AcceleratorType.NVIDIA_H100_80GB,
    "trainer_image_tag": "0.383.0",
    "base_model_weight_precision": WeightPrecision.BFLOAT16,
}


def chosen(versions: list[ShapeVersion], verb: str, number: int) -> ShapeVersion:
    """The version that the step is about."""
    fit = [version for version in versions if VersionState(version.state) in FOR.get(verb, set(VersionState))]
    among = versions if number == ANY_STATE else fit or versions
    return among[number % len(among)]


def document_of(account: Account, number: int) -> Document:
    """The account's public heads as a file has them: every other time the first of them with another context."""
    document = read_current(account, public=True).document
    if number % 2 or not document.models:
        return document
    first, *rest = document.models
    entry, *others = first.shapes
    changed = replace(entry, snapshot=replace(entry.snapshot, max_supported_context_length=1024 * (number + 1)))
    return replace(document, models=(replace(first, shapes=(changed, *others)), *rest))


def newest_validation(version: ShapeVersion) -> Validation:
    """The validation that the page would stop. Errors: `NotFound`."""
    found = version.validations.select_related("version__shape__account").order_by("-number").first()
    if found is None:
        raise NotFound("There is none to stop.")
    return found


@dataclass
class Seen:
    """What was true at some time and must stay true."""

    frozen: dict[int, tuple[str, str]] = field(default_factory=dict)
    states: dict[int, VersionState] = field(default_factory=dict)
    public: set[int] = field(default_factory=set)
    withdrawn: set[int] = field(default_factory=set)


def test_nothing_leads_back_to_a_draft_and_validated_is_the_end() -> None:
    assert LEGAL_MOVES.keys() == set(VersionState)
    assert not any(may_move(state, VersionState.DRAFT) for state in VersionState)
    assert not LEGAL_MOVES[VersionState.VALIDATED]


@pytest.mark.e2e  # for how long it takes
@pytest.mark.django_db
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEP, min_size=10, max_size=30))
def test_random_lives(steps: list[tuple[str, int, str]]) -> None:
    with transaction.atomic():
        model = make_model(account=make_account(account_id="local"), model_id="tiny-qwen3")  # can be validated here
        shape = make_shape(base_model=model, account=make_account())
        for gpus, state in ((0, "DRAFT"), (0, "REJECTED"), (8, "DRAFT")):  # with GPUs: by hand only
            make_version(shape=shape, gpus=gpus, context=2048, state=VersionState(state), **KNOWN)
        for public in (False, True, True):
            make_version(shape=shape, gpus=0, context=2048, public=public, published=public, latest=public, **KNOWN)
        home = shape.account
        actors = {person: user_actor(make_member(account=home, role=person)) for person in PEOPLE[:4]}
        actors |= {
            "stranger": user_actor(make_user()),
            "publisher of another account": user_actor(make_member(role=Role.PUBLISHER)),
        }
        seen = Seen(states={version.pk: VersionState(version.state) for version in shape.versions.all()})
        before = state_of(shape)
        for verb, number, who in steps:
            versions = list(ShapeVersion.objects.filter(shape=shape).select_related("shape__account").order_by("pk"))
            if not versions:
                break
            try:
                CALLS[verb](actors[who], chosen(versions, verb, number), number)
            except Refusal:
                assert state_of(shape) == before, "a refusal changes nothing"
            else:
                assert who in MAY.get(verb, PUBLISHERS)
                after = state_of(shape)
                assert after == before or after["audit"] > before["audit"], "nothing is done without a line of the log"
                before = after
            check(shape, seen)
        transaction.set_rollback(True)


def state_of(shape: TrainingShape) -> dict[str, Any]:
    """Everything that a verb may write, but for the clock."""
    rows = shape.versions.order_by("pk").values_list(
        "pk",
        "digest",
        "note",
        "state",
        "is_public",
        "is_latest_validated",
        "published_at",
        "deprecated_at",
        "deprecation_message",
        "withdrawn_at",
    )
    return {
        "rows": list(rows),
        "audit": AuditEntry.objects.filter(account=shape.account).count(),
        "shapes": set(TrainingShape.objects.filter(account=shape.account).values_list("pk", flat=True)),
        "validations": list(Validation.objects.order_by("pk").values_list("version", "number", "state")),
        "launches": list(Launch.objects.order_by("pk").values_list("shape_version", "state")),
    }


def check(shape: TrainingShape, seen: Seen) -> None:
    """The invariants."""
    listed = ShapeVersion.objects.filter(is_latest_validated=True).count()
    assert (FacetCount.objects.aggregate(shapes=Sum("shapes"))["shapes"] or 0) == listed
    versions = list(shape.versions.all())
    launched = set(Launch.objects.values_list("shape_version", flat=True))
    assert launched <= {version.pk for version in versions}, "what launches refer to is kept"
    if not versions and not TrainingShape.objects.filter(pk=shape.pk).exists():
        return
    latest = [version for version in versions if version.is_latest_validated]
    assert len(latest) <= 1
    for version in latest:
        assert version.state == VersionState.VALIDATED
        assert version.withdrawn_at is None and version.published_at is not None
        assert version.is_public or not any(other.is_public for other in versions)
    for version in versions:
        assert snapshots.digest(version.frozen_snapshot, version.launch_fields) == version.digest
        before = seen.states.get(version.pk, VersionState.DRAFT)
        now = VersionState(version.state)
        assert now == before or may_move(before, now)
        seen.states[version.pk] = now
        if now != VersionState.DRAFT:
            content = (version.digest, version.version_id)
            assert seen.frozen.setdefault(version.pk, content) == content
        assert version.is_public >= (version.pk in seen.public)
        assert (version.withdrawn_at is not None) >= (version.pk in seen.withdrawn)
        seen.public |= {version.pk} if version.is_public else set()
        seen.withdrawn |= {version.pk} if version.withdrawn_at else set()
    assert {pk for pk, state in seen.states.items() if state == VersionState.VALIDATED} <= {v.pk for v in versions}
