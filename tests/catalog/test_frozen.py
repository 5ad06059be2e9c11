"""What the database itself keeps, whoever writes: frozen content, one latest version, and no verb without its entry."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone

from accounts.actors import user_actor
from accounts.models import Account, AuditEntry
from accounts.roles import Role
from catalog.fields import snapshots
from catalog.models import BaseModel, ShapeVersion, TrainingShape
from catalog.states import VersionState
from tests.catalog.test_version_roles import VERBS
from tests.makers import make_account, make_member, make_model, make_shape, make_version

pytestmark = pytest.mark.django_db

LEFT_DRAFT = [VersionState.VALIDATING, VersionState.REJECTED, VersionState.VALIDATED]
NO_AUDIT_LOG = """
CREATE FUNCTION refuse_entries() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'the audit log is full' USING ERRCODE = 'restrict_violation'; END $$;
CREATE TRIGGER refuse_entries BEFORE INSERT ON accounts_auditentry FOR EACH ROW EXECUTE FUNCTION refuse_entries();
"""


def run(statement: str, values: list[Any] | None = None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def made(state: VersionState) -> ShapeVersion:
    """A version of that state, which nothing resolves to."""
    return make_version(state=state, public=False, latest=False, published=False)


@pytest.mark.parametrize("state", LEFT_DRAFT)
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("snapshot", '{"name": "x"}'),
        ("launch_fields", "[]"),
        ("fields_edition", 2),
        ("digest", "0" * 64),
        ("version_id", "zzzzzzzz"),
    ],
)
def test_whatever_left_draft_is_frozen(state: VersionState, column: str, value: object) -> None:
    version = made(state)
    with pytest.raises(DatabaseError, match="left DRAFT and is frozen"), transaction.atomic():
        run(f"UPDATE catalog_shapeversion SET {column} = %s WHERE id = %s", [value, version.pk])


@pytest.mark.parametrize("state", LEFT_DRAFT)
def test_no_version_moves_to_another_shape(state: VersionState) -> None:
    version, other = made(state), make_shape()
    with pytest.raises(DatabaseError, match="left DRAFT and is frozen"), transaction.atomic():
        ShapeVersion.objects.filter(pk=version.pk).update(shape=other)
    draft = made(VersionState.DRAFT)
    assert ShapeVersion.objects.filter(pk=draft.pk).update(shape=other) == 1


@pytest.mark.parametrize("state", LEFT_DRAFT)
def test_an_equal_figure_written_otherwise_is_a_change(state: VersionState) -> None:
    version = made(state)
    rank = next(number for number, field in enumerate(version.fields) if field.name == "lora_rank")
    for column, path, same in (("snapshot", "{nodeCount}", "1.0"), ("launch_fields", f"{{{rank},maximum}}", "128.0")):
        with pytest.raises(DatabaseError, match="left DRAFT and is frozen"), transaction.atomic():
            run(
                f"UPDATE catalog_shapeversion SET {column} = jsonb_set({column}, %s, %s) WHERE id = %s",
                [path, same, version.pk],
            )
    kept = ShapeVersion.objects.get(pk=version.pk)
    assert snapshots.digest(kept.frozen_snapshot, kept.launch_fields) == version.digest
    kept.save()  # what was read and is written again is the same


@pytest.mark.parametrize("state", LEFT_DRAFT)
def test_no_state_leads_back_to_draft(state: VersionState) -> None:
    version = made(state)
    with pytest.raises(DatabaseError, match="cannot be DRAFT again"), transaction.atomic():
        ShapeVersion.objects.filter(pk=version.pk).update(state=VersionState.DRAFT)


def test_a_withdrawal_is_not_taken_back() -> None:
    version = make_version(latest=False)
    ShapeVersion.objects.filter(pk=version.pk).update(withdrawn_at=timezone.now())
    with pytest.raises(DatabaseError, match="withdrawn for good"), transaction.atomic():
        ShapeVersion.objects.filter(pk=version.pk).update(withdrawn_at=None)


def test_a_shape_has_one_latest_version_by_the_database() -> None:
    latest = make_version()
    other = make_version(shape=latest.shape, latest=False)
    with pytest.raises(IntegrityError, match="one_latest_validated_per_shape"), transaction.atomic():
        ShapeVersion.objects.filter(pk=other.pk).update(is_latest_validated=True)


def test_versions_are_not_emptied_by_truncate() -> None:
    version = make_version()
    with pytest.raises(DatabaseError, match="shape versions are kept"), transaction.atomic():
        connection.check_constraints()  # it wants nothing to be pending
        run("TRUNCATE catalog_shapeversion CASCADE")
    assert ShapeVersion.objects.filter(pk=version.pk).exists()


def everything(shape: TrainingShape) -> list[Any]:
    """All that a verb on the shape may write, but for the clock."""
    columns = [field.attname for field in ShapeVersion._meta.concrete_fields if field.attname != "updated_at"]
    versions = list(ShapeVersion.objects.order_by("pk").values_list(*columns))
    return [versions, list(TrainingShape.objects.order_by("pk").values()), AuditEntry.objects.count()]


@pytest.mark.parametrize("name", VERBS)
def test_what_cannot_be_noted_in_the_audit_log_is_not_done(name: str) -> None:
    shape = make_shape(base_model=make_model(account=make_account()))
    version = VERBS[name].version(shape)
    actor = user_actor(make_member(account=shape.account, role=Role.PUBLISHER))
    before = everything(shape)
    with transaction.atomic():
        run(NO_AUDIT_LOG)
        with pytest.raises(DatabaseError, match="the audit log is full"), transaction.atomic():
            VERBS[name].call(actor, version)
        transaction.set_rollback(True)
    assert everything(shape) == before


def test_a_base_model_has_its_accounts_id_beside_its_own_whoever_writes_either() -> None:
    account = make_account(account_id="team-a")
    model = make_model(account=account)
    BaseModel.objects.filter(pk=model.pk).update(account_slug="other", title="Another")
    model.refresh_from_db()
    assert model.account_slug == "team-a"
    Account.objects.filter(pk=account.pk).update(account_id="team-z")
    BaseModel.objects.filter(pk=model.pk).update(account=(other := make_account()))
    model.refresh_from_db()
    assert model.account_slug == other.account_id
    BaseModel.objects.filter(pk=model.pk).update(account=account)
    Account.objects.filter(pk=account.pk).update(account_id="team-y")
    model.refresh_from_db()
    assert model.account_slug == "team-y"
