"""A base model that has another name there: proposed by a sync, agreed to on its page, and the old name resolves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import DatabaseError, transaction
from django.test import Client

from accounts.actors import SYSTEM
from accounts.models import AuditEntry
from accounts.scopes import Scope
from catalog.domain.advance_sync import advance_sync
from catalog.domain.apply_catalog import apply_catalog
from catalog.domain.plan_catalog import plan_catalog
from catalog.domain.sync_catalog import sync_catalog
from catalog.files.current import read_current
from catalog.files.export import write_document
from catalog.files.reader import read_document
from catalog.model_queries import find_model
from catalog.models import BaseModel, ShapeVersion, SyncRun, TrainingShape
from catalog.states import SyncOutcome
from connections.models import Connection
from connections.providers.spec import TrainerSpec
from launches.resolve import resolve
from launches.subjects import subject_of
from tests.api.makers import Caller, make_key
from tests.catalog.offered import ACCOUNT, OFFERING, OfferingEngine, make_offering, remote
from tests.connections.remote import registered
from tests.launches.makers import make_launch
from tests.makers import make_account, make_member, make_model, make_user, sign_in

pytestmark = pytest.mark.django_db

PAGE = "/connections/far/catalog"
OLD, NEW = (f"accounts/{ACCOUNT}/models/{model}" for model in ("qwen3p8-27b", "qwen3p8-27b-instruct"))
NEW_ID = NEW.rpartition("/")[2]


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[OfferingEngine]:
    engine = OfferingEngine()
    with registered(monkeypatch, OFFERING, engine):
        yield engine


@pytest.fixture
def far(engine: OfferingEngine) -> Connection:
    """It offered two shapes of a model, which has another name there now."""
    far = make_offering()
    engine.offer(remote("kept"), remote("also"))
    sync_catalog(actor=SYSTEM, connection=far)
    engine.offer(remote("kept", "aaaaaaa2", model=NEW_ID), remote("also", "aaaaaaa2", model=NEW_ID))
    return far


@pytest.fixture
def pages(client: Client) -> Client:
    return sign_in(client, make_user(superuser=True))


def head(shape_id: str) -> ShapeVersion:
    return ShapeVersion.objects.select_related("shape__account", "shape__base_model__account").get(
        shape__shape_id=shape_id, is_latest_validated=True
    )


def agree(pages: Client, former: str = OLD, new: str = NEW) -> int:
    """Press the button, and let a worker look again; the status of the answer."""
    status = pages.post(f"{PAGE}/rename", {"from": former, "to": new}).status_code
    for run in SyncRun.objects.filter(outcome=SyncOutcome.ASKED):
        advance_sync(run.pk)
    return status


def base_model_of(version: ShapeVersion, given: str) -> str:
    spec = resolve(subject_of(version, None), {"base_model": given})
    assert isinstance(spec, TrainerSpec), spec
    return spec.base_model


def test_it_is_proposed_agreed_to_and_both_names_mean_it(pages: Client, far: Connection) -> None:
    launch = make_launch(version=head("kept"))
    sync_catalog(actor=SYSTEM, connection=far)
    page = pages.get(PAGE).content.decode()
    assert "It is the same model: rename it here" in page and page.count(f'value="{NEW}"') == 1
    assert (head("kept").version_id, BaseModel.objects.filter(model_id=NEW_ID).exists()) == ("aaaaaaa1", False)

    assert agree(pages) == 303
    model = BaseModel.objects.get(account__account_id=ACCOUNT)
    assert (model.model_id, model.title, model.former_names) == (NEW_ID, "Qwen 3.8 27B Instruct", (OLD,))
    for shape in ("kept", "also"):
        assert (head(shape).version_id, head(shape).frozen_snapshot.base_model) == ("aaaaaaa2", NEW)
    assert "It is the same model" not in pages.get(PAGE).content.decode()
    assert AuditEntry.objects.get(verb="rename_model").before == {"name": OLD}

    first = ShapeVersion.objects.select_related("shape__account", "shape__base_model__account").get(
        shape__shape_id="kept", version_id="aaaaaaa1"
    )
    assert first.frozen_snapshot.base_model == OLD  # it is as it was published
    for version in (head("kept"), first):
        assert [base_model_of(version, given) for given in (OLD, NEW, "")] == [NEW] * 3
    launch.refresh_from_db()
    assert launch.attempts.get().launch.spec["base_model"] == OLD
    assert "kept" in pages.get("/?q=qwen3p8-27b").content.decode()

    user = make_member(account=make_account(account_id="team-a"))
    caller = Caller(make_key(account=user.memberships.get().account, user=user, scope=Scope.READ))
    status, body = caller.get(f"/v1/{OLD}")
    assert (status, body["name"]) == (200, NEW)
    versions = f"/v1/accounts/{ACCOUNT}/trainingShapes/-/versions?filter=snapshot.base_model="
    found = {name: caller.get(f'{versions}"{name}"') for name in (OLD, NEW)}
    assert found[OLD] == found[NEW] and len(found[OLD][1]["trainingShapeVersions"]) > 0


def test_a_model_that_came_under_the_new_name_takes_the_shapes_over(
    pages: Client, engine: OfferingEngine, far: Connection
) -> None:
    engine.offer(*engine.catalog.versions, remote("fresh", model=NEW_ID))
    sync_catalog(actor=SYSTEM, connection=far)
    assert head("fresh").shape.base_model.name == NEW and head("kept").shape.base_model.name == OLD
    assert agree(pages) == 303
    assert {shape.base_model.name for shape in TrainingShape.objects.filter(account__account_id=ACCOUNT)} == {NEW}
    assert head("kept").version_id == "aaaaaaa2"
    found = find_model([], OLD)
    assert found is not None and found.name == NEW
    assert BaseModel.objects.filter(account=found.account).count() == 1
    other = make_model(account=found.account)
    with pytest.raises(DatabaseError, match="keeps its account, id and base model"), transaction.atomic():
        TrainingShape.objects.filter(shape_id="kept").update(base_model=other)


def test_what_is_no_rename_is_not_proposed(pages: Client, engine: OfferingEngine, far: Connection) -> None:
    for told, versions in {
        "one shape still trains it": (remote("kept", "aaaaaaa2", model=NEW_ID), remote("also")),
        "they do not agree": (remote("kept", "aaaaaaa2", model=NEW_ID), remote("also", "aaaaaaa2", model="another")),
    }.items():
        engine.offer(*versions)
        run = sync_catalog(actor=SYSTEM, connection=far)
        assert run.refused and not any("from" in line for line in run.refused), told
    assert agree(pages) == 422
    assert agree(pages, "x", "y") == 422
    assert BaseModel.objects.get(account__account_id=ACCOUNT).model_id == "qwen3p8-27b"


def test_files_go_by_either_name(pages: Client, far: Connection) -> None:
    account = head("kept").shape.account
    before = read_document(write_document(read_current(account, public=True).document), source="before.yaml")
    sync_catalog(actor=SYSTEM, connection=far)
    agree(pages)
    after = read_document(write_document(read_current(account, public=True).document), source="after.yaml")
    assert [model.name for model in after.models] == [NEW]
    assert not plan_catalog(actor=SYSTEM, document=after, file="0" * 64, source="after.yaml").steps
    plan = apply_catalog(actor=SYSTEM, document=before, file="1" * 64, source="before.yaml")
    assert {step.kind for step in plan.steps} <= {"change_model", "change"}
    assert [model.name for model in read_current(account, public=True).document.models] == [NEW]
