"""Random lives of a shape's versions, and many publishers at once: the invariants hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.actors import Actor, user_actor
from accounts.models import AuditEntry
from accounts.roles import Role
from catalog import snapshots
from catalog.domain.accept_version import accept_version
from catalog.domain.create_draft import create_draft
from catalog.domain.delete_draft import delete_draft
from catalog.domain.deprecate_version import deprecate_version
from catalog.domain.edit_draft import edit_draft
from catalog.domain.publish_version import publish_version
from catalog.domain.reject_version import reject_version
from catalog.domain.restore_version import restore_version
from catalog.domain.roll_back import roll_back
from catalog.domain.start_validating import start_validating
from catalog.domain.withdraw_version import withdraw_version
from catalog.models import ShapeVersion, TrainingShape
from catalog.states import LEGAL_MOVES, VersionState, may_move
from tests.makers import make_account, make_member, make_model, make_shape, make_user, make_version
from wire.errors import Conflict, Refusal

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
}
STEP = st.tuples(st.sampled_from(sorted(CALLS)), st.integers(0, 7), st.sampled_from(["member", "viewer", "stranger"]))


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


@pytest.mark.django_db
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEP, max_size=25))
def test_random_lives(steps: list[tuple[str, int, str]]) -> None:
    with transaction.atomic():
        shape = make_shape(base_model=make_model(account=make_account()))
        make_version(shape=shape, gpus=0, state=VersionState.DRAFT)
        actors = {
            "member": user_actor(make_member(account=shape.account, role=Role.PUBLISHER)),
            "viewer": user_actor(make_member(account=shape.account, role=Role.VIEWER)),
            "stranger": user_actor(make_user()),
        }
        seen = Seen()
        for verb, number, who in steps:
            versions = list(ShapeVersion.objects.filter(shape=shape).select_related("shape__account").order_by("pk"))
            if not versions:
                break
            before = state_of(shape)
            try:
                CALLS[verb](actors[who], versions[number % len(versions)], number)
            except Refusal:
                assert state_of(shape) == before, "a refusal changes nothing"
            else:
                assert who == "member"
                assert state_of(shape)["rows"] == before["rows"] or state_of(shape)["audit"] > before["audit"]
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
    return {"rows": list(rows), "audit": AuditEntry.objects.filter(account=shape.account).count()}


def check(shape: TrainingShape, seen: Seen) -> None:
    """The invariants."""
    versions = list(shape.versions.all())
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


PUBLISHERS = 16
PUBLISHES = 200


def publish_all(versions: list[ShapeVersion], actor: Actor, expected: str | None) -> Counter[str]:
    """Publish each version, many at a time, each on a connection of its own; how it ended, by name."""

    def publish(version: ShapeVersion) -> str:
        try:
            publish_version(actor=actor, version=version, public=True, expected_latest=expected)
        except Conflict:
            return "conflict"
        finally:
            connection.close()
        return "published"

    with ThreadPoolExecutor(PUBLISHERS) as pool:
        return Counter(pool.map(publish, versions))


def make_validated(shape: TrainingShape, number: int) -> list[ShapeVersion]:
    """Versions that are validated and were never published."""
    return [
        make_version(shape=shape, gpus=0, public=False, latest=False, published=False, version_id=f"v{n:07}")
        for n in range(number)
    ]


@pytest.mark.django_db(transaction=True)
def test_200_publishes_at_once_leave_exactly_one_latest() -> None:
    shape = make_shape(base_model=make_model(account=make_account()))
    actor = user_actor(make_member(account=shape.account, role=Role.PUBLISHER))
    ended = publish_all(make_validated(shape, PUBLISHES), actor, expected=None)
    assert ended == {"published": PUBLISHES}
    last = AuditEntry.objects.filter(verb="publish_version").order_by("pk")
    latest = shape.versions.get(is_latest_validated=True)
    assert [entry.after and entry.after["latestValidated"] for entry in last][-1] == latest.version_id
    # Each publisher replaced what the one before had published: no pointer move was lost.
    moves = [(entry.before or {}, entry.after or {}) for entry in last]
    assert [before["latestValidated"] for before, _ in moves] == [
        None,
        *(after["latestValidated"] for _, after in moves[:-1]),
    ]


@pytest.mark.django_db(transaction=True)
def test_of_200_publishers_who_saw_the_same_one_wins() -> None:
    shape = make_shape(base_model=make_model(account=make_account()))
    actor = user_actor(make_member(account=shape.account, role=Role.PUBLISHER))
    ended = publish_all(make_validated(shape, PUBLISHES), actor, expected="")
    assert ended == {"published": 1, "conflict": PUBLISHES - 1}
    assert shape.versions.filter(is_latest_validated=True).count() == 1
    assert shape.versions.filter(is_public=True).count() == 1
