"""The page of what a connection offers: its runs, what differed, what was left out, and looking now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.actors import SYSTEM
from catalog.domain.advance_sync import advance_sync
from catalog.domain.sync_catalog import sync_catalog
from catalog.models import ShapeVersion, SyncRun, TrainingShape
from catalog.states import SyncOutcome
from connections.models import Connection
from connections.providers.catalogs import Following
from tests.catalog.offered import OFFERING, OfferingEngine, make_offering, remote
from tests.connections.remote import registered
from tests.launches.makers import make_launch
from tests.makers import make_account, make_member, make_user, sign_in
from wire.errors import FailedPrecondition

pytestmark = pytest.mark.django_db
PAGE = "/connections/far/catalog"
SYNC, EMPTY = f'action="{PAGE}/sync"', 'class="empty"'


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[OfferingEngine]:
    engine = OfferingEngine()
    with registered(monkeypatch, OFFERING, engine):
        yield engine


@pytest.fixture
def far(engine: OfferingEngine) -> Connection:
    return make_offering()


@pytest.fixture
def pages(client: Client, far: Connection) -> Client:
    return sign_in(client, make_user(superuser=True))


def said(client: Client, path: str = PAGE) -> str:
    return client.get(path).content.decode()


def worked_off(pages: Client) -> str:
    """The page once a worker has seen to what was asked for."""
    advance_sync(SyncRun.objects.get(outcome=SyncOutcome.ASKED).pk)
    return said(pages)


def test_nothing_yet_then_what_was_brought_and_what_was_left_out(pages: Client, engine: OfferingEngine) -> None:
    assert EMPTY in said(pages) and SYNC in said(pages)
    assert f'href="{PAGE}"' in said(pages, "/connections/far")
    engine.offer(remote("a-64k"), remote("odd", trainerMode="DREAMER"))
    asked = pages.post(f"{PAGE}/sync", follow=True)
    assert asked.redirect_chain[0][1] == 303
    assert "every 1s" in asked.content.decode() and SYNC not in asked.content.decode()
    assert not TrainingShape.objects.exists()
    page = worked_off(pages)
    assert "every 1s" not in page and SYNC in page
    assert "applied</span>" in page
    assert "1 shape offered; accounts added: 1; base models added: 1; shapes added: 1; 1 left out." in page
    assert "accounts/far-team/trainingShapes/a-64k" in page and "Shapes added" in page
    assert "knows no trainer mode DREAMER" in page and "1 shape offered" in page


def test_a_plan_is_applied_by_its_fingerprint_or_not_at_all(pages: Client, engine: OfferingEngine) -> None:
    engine.following = Following.REVIEWED
    engine.offer(remote("a-64k"))
    pages.post(f"{PAGE}/sync", {"look": "1"})
    page = worked_off(pages)
    plan = SyncRun.objects.get()
    assert plan.outcome == SyncOutcome.PLANNED and f'value="{plan.fingerprint}"' in page
    assert "Shapes to add" in page and not TrainingShape.objects.exists()
    engine.offer(remote("a-64k"), remote("b-64k"))
    pages.post(f"{PAGE}/sync", {"plan": plan.fingerprint})
    assert "changed since this plan was made" in worked_off(pages)
    pages.post(f"{PAGE}/sync", {"look": "1"})
    worked_off(pages)
    newest = SyncRun.objects.latest("pk")
    assert pages.post(f"{PAGE}/sync", {"plan": newest.fingerprint}).status_code == 303
    worked_off(pages)
    assert TrainingShape.objects.count() == 2
    assert 'name="plan"' not in said(pages, f"{PAGE}?run={newest.pk}")


def test_a_failure_is_said_and_a_connection_without_a_catalog_has_none(pages: Client, engine: OfferingEngine) -> None:
    engine.broken = "far.example did not answer within 15 s."
    pages.post(f"{PAGE}/sync")
    assert "notice-error" in worked_off(pages) and engine.broken in said(pages)
    nothing = said(pages, "/connections/local/catalog")
    assert EMPTY in nothing and "/sync" not in nothing.partition("<main")[2]
    assert 'href="/connections/local/catalog"' not in said(pages, "/connections/local")


def test_who_launched_from_what_vanished_is_told_for_a_month(client: Client, engine: OfferingEngine) -> None:
    far = make_offering()
    stays = [remote(f"stays-{n}k", maxSupportedContextLength=n * 1024) for n in (32, 64, 128)]
    engine.offer(remote("gone-64k"), *stays)
    sync_catalog(actor=SYSTEM, connection=far)
    member = make_member(account=make_account(account_id="team-a"))
    version = ShapeVersion.objects.select_related("shape__account").get(shape__shape_id="gone-64k")
    make_launch(account=make_account(account_id="team-a"), owner=member, version=version)
    sign_in(client, member)
    assert "not offered any more" not in said(client, "/launches")
    engine.offer(*stays)
    sync_catalog(actor=SYSTEM, connection=far)
    shape = said(client, "/shapes/far-team/gone-64k")
    assert "title from its id" in shape and "It has not offered this shape since" in shape
    page = said(client, "/launches")
    assert "Not offered by Far since" in page and 'href="/shapes/far-team/stays-64k"' in page
    assert "not offered any more" not in said(sign_in(Client(), make_member(account=make_account())), "/launches")
    ShapeVersion.objects.filter(pk=version.pk).update(deprecated_at=timezone.now() - timedelta(days=31))
    assert "not offered any more" not in said(client, "/launches")


def test_what_vanished_is_not_launched_there(engine: OfferingEngine) -> None:
    far = make_offering()
    others = [remote(f"stays-{n}") for n in range(3)]
    engine.offer(remote("gone"), *others)
    sync_catalog(actor=SYSTEM, connection=far)
    engine.offer(*others)
    sync_catalog(actor=SYSTEM, connection=far)
    versions = ShapeVersion.objects.select_related("shape__account")
    with pytest.raises(FailedPrecondition, match="Far: It has not offered this shape since"):
        make_launch(version=versions.get(shape__shape_id="gone"))
    assert make_launch(version=versions.get(shape__shape_id="stays-0")).connection == far
