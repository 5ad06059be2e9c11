"""The catalog follows what a connection offers: as new versions, all or nothing, and only what it brought."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.actors import SYSTEM, user_actor
from accounts.models import Account, AuditEntry
from catalog.domain import carry_out as carry_out_module
from catalog.domain.deprecate_version import deprecate_version
from catalog.domain.sync_catalog import sync_catalog
from catalog.domain.withdraw_version import withdraw_version
from catalog.enums import IdSource
from catalog.models import BaseModel, Offering, ShapeVersion, SyncRun, TrainingShape
from catalog.states import SyncOutcome
from catalog.sync_queries import NOT_IN_CATALOG, due_connections, not_offered
from connections.models import Connection
from connections.providers.catalogs import Following, RemoteCatalog, RemoteVersion
from connections.states import ConnectionState
from tests.catalog.offered import ACCOUNT, OFFERING, OfferingEngine, make_offering, remote
from tests.connections.makers import local_connection
from tests.connections.remote import registered
from tests.makers import make_account, make_member, make_model, make_shape, make_user, make_version
from wire.errors import FailedPrecondition, PermissionDenied

pytestmark = pytest.mark.django_db

OTHERS = tuple(remote(f"stays-{n}") for n in range(4))


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[OfferingEngine]:
    engine = OfferingEngine()
    with registered(monkeypatch, OFFERING, engine):
        yield engine


@pytest.fixture
def far(engine: OfferingEngine) -> Connection:
    return make_offering()


def synced(far: Connection, **how: Any) -> SyncRun:
    return sync_catalog(actor=SYSTEM, connection=far, **how)


def head(shape_id: str, account: str = ACCOUNT) -> ShapeVersion:
    return ShapeVersion.objects.select_related("shape__account").get(
        shape__account__account_id=account, shape__shape_id=shape_id, is_latest_validated=True
    )


def reasons(run: SyncRun) -> dict[str, str]:
    return {line["name"].split("/")[-3]: line["reason"] for line in run.refused}


def test_what_is_offered_comes_under_its_own_names(engine: OfferingEngine, far: Connection) -> None:
    engine.offer(remote("a-64k", "vnuk8fdq"), remote("b-64k", model="glm-5p2"))
    run = synced(far)
    assert (run.outcome, run.counts["offered"], run.counts["add"]) == (SyncOutcome.APPLIED, 2, 2)
    version = head("a-64k")
    assert (version.version_id, version.is_public, version.shape.id_source) == ("vnuk8fdq", True, IdSource.PUBLISHED)
    assert version.shape.base_model.name == f"accounts/{ACCOUNT}/models/qwen3p8-27b"
    model = BaseModel.objects.get(model_id="qwen3p8-27b")
    assert (model.title, model.family, model.named_here) == ("Qwen 3.8 27B", "Qwen", True)
    entry = AuditEntry.objects.get(verb="sync_catalog")
    assert (entry.target, entry.account) == ("connections/far", Account.objects.get(account_id=ACCOUNT))
    again = synced(far)
    assert (again.outcome, again.times) == (SyncOutcome.UNCHANGED, 1)
    assert (synced(far).pk, SyncRun.objects.get(pk=again.pk).times) == (again.pk, 2)
    assert ShapeVersion.objects.count() == 2


def test_a_difference_is_a_new_version_and_nothing_is_edited(engine: OfferingEngine, far: Connection) -> None:
    engine.offer(remote("a", "aaaaaaa1"))
    synced(far)
    first = ShapeVersion.objects.values().get()
    engine.offer(remote("a", "aaaaaaa2", acceleratorType="NVIDIA_RUBIN", maxSupportedContextLength=131072))
    run = synced(far)
    assert head("a").version_id == "aaaaaaa2"
    assert head("a").accelerator_type == "NVIDIA_RUBIN"
    now = ShapeVersion.objects.values().get(version_id="aaaaaaa1")
    assert now | {"is_latest_validated": True, "updated_at": first["updated_at"]} == first
    [step] = run.differences
    assert {field["label"]: (field["before"], field["after"]) for field in step["fields"]}["Version"] == (
        "aaaaaaa1",
        "aaaaaaa2",
    )
    engine.offer(remote("a", "aaaaaaa1"))  # there it was rolled back
    synced(far)
    assert head("a").version_id == "aaaaaaa1"
    assert ShapeVersion.objects.count() == 2


def test_what_vanished_is_deprecated_and_lifted_when_it_returns(engine: OfferingEngine, far: Connection) -> None:
    engine.offer(remote("gone"), *OTHERS)
    synced(far)
    engine.offer(*OTHERS)
    assert synced(far).counts["deprecate"] == 1
    today = timezone.now().date().isoformat()
    assert head("gone").deprecation_message == f"Not offered by Far since {today}."
    assert getattr(head("gone").successor, "shape_id", None) == "stays-0"
    assert not_offered(far, head("gone").name) == (f"It has not offered this shape since {today}.",)
    assert synced(far).outcome == SyncOutcome.UNCHANGED
    engine.offer(remote("gone"), *OTHERS)
    assert synced(far).counts["restore"] == 1
    assert head("gone").deprecated_at is None
    far = Connection.objects.get(pk=far.pk)
    assert not_offered(far, head("gone").name) == ()
    assert not_offered(far, f"accounts/{ACCOUNT}/trainingShapes/other") == (NOT_IN_CATALOG.format("far"),)
    assert not_offered(local_connection(), head("gone").name) == ()


def test_a_shape_of_ones_own_that_is_the_same_there_is_offered_and_stays_ones_own(
    engine: OfferingEngine, far: Connection
) -> None:
    engine.offer(remote("own"), remote("other"), *OTHERS)
    synced(far)
    TrainingShape.objects.filter(shape_id__in=("own", "other")).update(id_source=IdSource.OWN)
    Offering.objects.filter(connection=far, shape__shape_id__in=("own", "other")).delete()
    engine.offer(remote("own", "zzzzzzz7"), remote("other", "zzzzzzz9", maxSupportedContextLength=1024), *OTHERS)
    run = synced(far)
    assert list(reasons(run)) == ["other"] and "of its own" in reasons(run)["other"]
    assert not_offered(far, head("own").name) == ()
    assert "`./run manage sync_catalog far`" in not_offered(far, head("other").name)[0]
    assert not_offered(far, head("other").name) == (NOT_IN_CATALOG.format("far"),)
    engine.offer(remote("own", "zzzzzzz8", maxSupportedContextLength=1024), *OTHERS)
    assert "of its own" in reasons(synced(far))["own"]
    engine.offer(*OTHERS)
    assert synced(far).outcome == SyncOutcome.UNCHANGED
    own = head("own")
    assert (own.deprecated_at, own.shape.id_source) == (None, IdSource.OWN)
    far = Connection.objects.get(pk=far.pk)
    assert "has not offered this shape since" in not_offered(far, own.name)[0]


def test_a_publishers_word_stays(engine: OfferingEngine, far: Connection) -> None:
    engine.offer(remote("warned"), remote("withdrawn"), *OTHERS)
    synced(far)
    deprecate_version(actor=SYSTEM, version=head("warned"), message="It forgets.")
    withdraw_version(actor=SYSTEM, version=head("withdrawn"), reason="It burns.")
    run = synced(far)
    assert "withdrawn" in reasons(run)["withdrawn"]
    assert run.outcome == SyncOutcome.UNCHANGED
    engine.offer(*OTHERS)
    synced(far)
    assert head("warned").deprecation_message == "It forgets."


def test_only_what_it_brought_is_touched(engine: OfferingEngine, far: Connection) -> None:
    account = make_account(account_id=ACCOUNT)
    model = make_model(account=account, model_id="qwen3p8-27b", title="Our words")
    own = make_version(shape=make_shape(base_model=model, shape_id="own", id_source=IdSource.OWN))
    listed = make_version(shape=make_shape(base_model=model, shape_id="listed", id_source=IdSource.DERIVED))
    absent = make_version(shape=make_shape(base_model=model, shape_id="absent", id_source=IdSource.DOCUMENT))
    hidden = make_version(shape=make_shape(base_model=model, shape_id="hidden"), public=False)
    engine.offer(remote("own"), remote("listed"), remote("hidden"), *OTHERS)
    run = synced(far)
    assert reasons(run) == {
        "own": "This Slipway has a shape of that name of its own, which no sync changes. "
        "Map that account to another one here.",
        "hidden": "There is a shape of that name here which not everybody sees, or which was withdrawn.",
    }
    for version in (own, absent, hidden):
        shape = version.shape.shape_id
        assert ShapeVersion.objects.get(shape__shape_id=shape, is_latest_validated=True).pk == version.pk
        assert ShapeVersion.objects.get(pk=version.pk).deprecated_at is None
    assert (head("listed").version_id, head("listed").shape.id_source) == ("aaaaaaa1", IdSource.PUBLISHED)
    assert ShapeVersion.objects.filter(pk=listed.pk).exists()
    assert BaseModel.objects.get(model_id="qwen3p8-27b").title == "Our words"


def test_a_renamed_base_model_holds_nothing_up(engine: OfferingEngine, far: Connection) -> None:
    engine.offer(remote("kept"), *OTHERS)
    synced(far)
    engine.offer(remote("kept", "aaaaaaa2", model="qwen3p8-27b-new"), remote("fresh"), *OTHERS)
    run = synced(far)
    assert "a shape keeps its base model" in reasons(run)["kept"]
    assert head("fresh").version_id == "aaaaaaa1"
    assert (head("kept").version_id, head("kept").deprecated_at) == ("aaaaaaa1", None)


def test_lines_of_all_kinds_are_left_out_by_themselves(engine: OfferingEngine, far: Connection) -> None:
    engine.offer(
        remote("good"),
        remote("private-there") and replace(remote("private-there"), public=False),
        remote("mode", trainerMode="DREAMER"),
        remote("rule", trainerShardingScheme={"tensorParallelism": 3}),
        remote("foreign", account="strangers"),
        replace(remote("model"), base_model="accounts/strangers/models/x"),
    )
    run = synced(far)
    assert sorted(reasons(run)) == ["foreign", "mode", "model", "private-there", "rule"]
    assert TrainingShape.objects.filter(account__account_id=ACCOUNT).count() == 1
    assert not Account.objects.filter(account_id="strangers").exists()


def test_a_version_that_says_something_else_under_its_id_is_left_out(engine: OfferingEngine, far: Connection) -> None:
    engine.offer(remote("a"))
    synced(far)
    engine.offer(remote("a", maxSupportedContextLength=131072))
    assert "a version never changes" in reasons(synced(far))["a"]
    assert head("a").max_context == 65536


def test_what_another_connection_offers_is_not_deprecated(engine: OfferingEngine, far: Connection) -> None:
    near = make_offering("near")
    engine.offer(remote("a"), *OTHERS)
    synced(far)
    synced(near)
    engine.offer(*OTHERS)
    synced(far)
    assert head("a").deprecated_at is None
    assert not_offered(far, head("a").name)
    assert not not_offered(near, head("a").name)
    synced(near)
    assert head("a").deprecation_message.startswith("Not offered by Near")


def test_an_interruption_leaves_nothing_behind(
    engine: OfferingEngine, far: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(_: object) -> None:
        assert ShapeVersion.objects.filter(is_latest_validated=True).exists()
        raise RuntimeError("the machine is on fire")

    monkeypatch.setattr(carry_out_module, "arrange_models", dies)
    engine.offer(*OTHERS)
    with pytest.raises(RuntimeError):
        synced(far)
    assert (Account.objects.filter(account_id=ACCOUNT).exists(), Offering.objects.count()) == (False, 0)
    assert SyncRun.objects.get().outcome == SyncOutcome.FAILED


def test_half_an_answer_changes_nothing(engine: OfferingEngine, far: Connection) -> None:
    engine.offer(*OTHERS)
    synced(far)
    engine.broken = "far.example sent pages of versions without an end."
    run = synced(far)
    assert (run.outcome, run.detail) == (SyncOutcome.FAILED, engine.broken)
    assert not ShapeVersion.objects.filter(deprecated_at__isnull=False).exists()


def test_an_empty_list_waits_for_somebody(engine: OfferingEngine, far: Connection) -> None:
    engine.offer(*OTHERS)
    synced(far)
    engine.offer()
    run = synced(far)
    assert run.outcome == SyncOutcome.PLANNED
    assert run.detail.startswith("4 of the 4 shapes that it offered")
    assert not ShapeVersion.objects.filter(deprecated_at__isnull=False).exists()
    assert synced(far).pk == run.pk
    assert synced(far, expected=run.fingerprint).outcome == SyncOutcome.APPLIED
    assert ShapeVersion.objects.filter(deprecated_at__isnull=False).count() == 4


def test_two_stages_for_who_wants_to_review(engine: OfferingEngine, far: Connection) -> None:
    engine.following = Following.REVIEWED
    engine.offer(*OTHERS)
    plan = synced(far)
    assert (plan.outcome, TrainingShape.objects.count()) == (SyncOutcome.PLANNED, 0)
    engine.offer(*OTHERS, remote("later"))
    stale = synced(far, expected=plan.fingerprint)
    assert (stale.outcome, TrainingShape.objects.count()) == (SyncOutcome.FAILED, 0)
    plan = synced(far, plan_only=True)
    assert synced(far, expected=plan.fingerprint).outcome == SyncOutcome.APPLIED


def test_superusers_and_slipway_only(engine: OfferingEngine, far: Connection) -> None:
    member = make_member(account=make_account(), role="admin")
    with pytest.raises(PermissionDenied):
        sync_catalog(actor=user_actor(member), connection=far)
    engine.offer(*OTHERS)
    boss = make_user(superuser=True)
    assert sync_catalog(actor=user_actor(boss), connection=far).started_by == boss.username
    with pytest.raises(FailedPrecondition, match="no catalog of its own"):
        sync_catalog(actor=SYSTEM, connection=local_connection())


def test_who_is_due(engine: OfferingEngine, far: Connection) -> None:
    hour, now = timedelta(hours=1), timezone.now()
    assert list(due_connections(now, every=hour)) == [far]
    synced(far)
    assert list(due_connections(now, every=hour)) == []
    assert list(due_connections(now + hour + timedelta(minutes=1), every=hour)) == [far]
    engine.broken = "away"
    synced(far)
    assert list(due_connections(now + timedelta(minutes=11), every=hour)) == [far]
    engine.following = Following.OFF
    assert list(due_connections(now + 2 * hour, every=hour)) == []
    engine.following = Following.AUTOMATIC
    Connection.objects.filter(pk=far.pk).update(state=ConnectionState.PAUSED)
    assert list(due_connections(now + 2 * hour, every=hour)) == []


def test_the_command_tells_plans_and_applies(
    engine: OfferingEngine, far: Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    engine.offer(remote("a"), remote("odd", trainerMode="DREAMER"))
    call_command("sync_catalog", "far", "--plan")
    said = capsys.readouterr().out
    assert "+ shape accounts/far-team/trainingShapes/a" in said
    assert "- left out: accounts/far-team/trainingShapes/odd/versions/aaaaaaa1: This release knows no" in said
    fingerprint = said.split("--apply ")[1].split()[0]
    call_command("sync_catalog", "far", "--apply", fingerprint)
    assert "shapes added: 1" in capsys.readouterr().out
    engine.broken = "It is away."
    with pytest.raises(CommandError, match=r"Nothing was changed\. It is away"):
        call_command("sync_catalog", "far")
    with pytest.raises(CommandError, match="no connection 'none'"):
        call_command("sync_catalog", "none")


def test_queries_do_not_grow_with_what_stays(engine: OfferingEngine, far: Connection) -> None:
    def queries(versions: tuple[RemoteVersion, ...]) -> int:
        engine.catalog = RemoteCatalog((ACCOUNT,), versions, ())
        synced(far)
        with CaptureQueriesContext(
            database,
        ) as captured:
            assert synced(far).outcome == SyncOutcome.UNCHANGED
        return len(captured)

    few = queries(OTHERS)
    assert queries((*OTHERS, *(remote(f"more-{n}", model=f"qwen3p8-{n}b") for n in range(20)))) == few
