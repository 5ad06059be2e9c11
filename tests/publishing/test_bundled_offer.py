"""A newer catalog file that comes with Slipway is a plan that admins see, apply or dismiss, and nobody else does."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import Client

from accounts.actors import SYSTEM
from accounts.models import Account, AuditEntry
from accounts.roles import Role
from catalog.domain.create_shape import create_shape
from catalog.files.bundled import bundled_files
from catalog.models import AppliedFile, BaseModel, ShapeVersion, TrainingShape
from tests.catalog.test_catalog_code import PUBLIC, SECOND
from tests.makers import make_account, make_member, make_version, sign_in
from tests.publishing.pages import form_in, text

pytestmark = pytest.mark.django_db
URL = "/publish/import"
HINT = 'data-bundled="team-a"'
Bring = Callable[[str], str]


@pytest.fixture
def bring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bring]:
    """Let the file of team-a that comes with Slipway be this text, as an upgrade does; answers its sha256."""
    path = tmp_path / "team.yaml"
    monkeypatch.setattr("catalog.files.bundled.BUNDLED_FILES", (path,))

    def upgrade(content: str) -> str:
        path.write_text(content)
        bundled_files.cache_clear()
        return hashlib.sha256(content.encode()).hexdigest()

    upgrade(PUBLIC)
    call_command("load_catalog", str(path))
    yield upgrade
    bundled_files.cache_clear()


@pytest.fixture
def team(bring: Bring) -> Account:
    return make_account(account_id="team-a")


@pytest.fixture
def admin(client: Client, team: Account) -> Client:
    return sign_in(client, make_member(account=team, role=Role.ADMIN))


def hinted(browser: Client) -> list[bool]:
    return [HINT in browser.get(path).content.decode() for path in ("/publish", URL)]


def test_what_was_loaded_is_known_and_is_nothing_new(admin: Client, team: Account) -> None:
    known = AppliedFile.objects.get(account=team)
    assert known.sha256 == known.bundled_sha256 == hashlib.sha256(PUBLIC.encode()).hexdigest()
    assert known.source.endswith("team.yaml") and known.applied_at
    assert hinted(admin) == [False, False]
    assert f"Last applied: team.yaml {known.sha256[:12]}" in text(admin.get(URL))


def test_a_newer_file_is_reviewed_and_applied(admin: Client, team: Account, bring: Bring) -> None:
    newer = bring(PUBLIC + SECOND)
    before = list(ShapeVersion.objects.values())
    assert hinted(admin) == [True, True]
    assert "This Slipway brings another catalog of team-a: " in text(admin.get("/publish"))
    assert list(ShapeVersion.objects.values()) == before
    answer = admin.post(URL, {"bundled": "review", "account": "team-a"})
    assert answer.status_code == 303
    page = admin.get(answer["location"])
    assert "It came with this Slipway; what it does not have stays as it is." in text(page)
    assert list(ShapeVersion.objects.values()) == before
    assert admin.post(URL, form_in(page)).status_code == 303
    assert ShapeVersion.objects.count() == len(before) + 1
    known = AppliedFile.objects.get(account=team)
    assert (known.sha256, known.bundled_sha256, known.source) == (newer, newer, "team.yaml")
    assert hinted(admin) == [False, False]


def test_it_is_dismissed_until_another_one_comes(admin: Client, team: Account, bring: Bring) -> None:
    newer = bring(PUBLIC + SECOND)
    assert admin.post(URL, {"bundled": "dismiss", "sha256": "0" * 64, "account": "team-a"}).status_code == 409
    assert hinted(admin) == [True, True]
    assert admin.post(URL, {"bundled": "dismiss", "sha256": newer, "account": "team-a"}).status_code == 303
    assert hinted(admin) == [False, False]
    assert AuditEntry.objects.get(verb="dismiss_bundled").after == {"file": newer}
    assert AppliedFile.objects.get(account=team).sha256 != newer
    bring(f"{PUBLIC}{SECOND}# newer still\n")
    assert hinted(admin) == [True, True]


def test_one_that_changes_nothing_is_not_shown(admin: Client, bring: Bring) -> None:
    bring(f"# another comment\n{PUBLIC}")
    assert hinted(admin) == [False, False]


def test_a_change_by_hand_is_no_reason_to_offer_the_same_file(admin: Client) -> None:
    shape = TrainingShape.objects.earliest("pk")
    make_version(shape=shape, context=4096)
    assert hinted(admin) == [False, False]


def test_an_installation_of_which_nothing_is_known_is_compared(admin: Client, team: Account, bring: Bring) -> None:
    AppliedFile.objects.all().delete()  # as it was loaded before this was remembered
    assert hinted(admin) == [False, False]
    bring(PUBLIC + SECOND)
    assert hinted(admin) == [True, True]


def test_what_it_does_not_have_stays(admin: Client, team: Account, bring: Bring) -> None:
    shape = create_shape(
        actor=SYSTEM, account=team, base_model=BaseModel.objects.earliest("pk"), shape_id="own", display_name=""
    )
    own = make_version(shape=shape)
    bring(PUBLIC + SECOND)
    page = admin.get(admin.post(URL, {"bundled": "review", "account": "team-a"})["location"])
    assert "shapes to deprecate" not in text(page).lower()
    assert admin.post(URL, form_in(page)).status_code == 303
    own.refresh_from_db()
    assert own.is_latest_validated and own.deprecated_at is None


def test_it_is_for_admins_of_its_account_alone(team: Account, bring: Bring) -> None:
    newer = bring(PUBLIC + SECOND)
    publisher = sign_in(Client(), make_member(account=team, role=Role.PUBLISHER))
    assert hinted(publisher) == [False, False]
    other = make_account()
    stranger = sign_in(Client(), make_member(account=other, role=Role.ADMIN))
    assert hinted(stranger) == [False, False]
    for what in ("review", "dismiss"):
        sent = {"bundled": what, "sha256": newer}
        assert publisher.post(URL, sent | {"account": "team-a"}).status_code == 403
        assert stranger.post(URL, sent | {"account": other.account_id}).status_code == 404
    assert AppliedFile.objects.get(account=team).bundled_sha256 != newer


def test_an_admin_who_works_in_another_account_is_told_to_switch(team: Account, bring: Bring) -> None:
    bring(PUBLIC + SECOND)
    user = make_member(account=make_account(account_id="aaa"), role=Role.ADMIN)
    make_member(account=team, role=Role.ADMIN, user=user)
    browser = sign_in(Client(), user)
    browser.post("/account", {"account": "aaa"})
    assert "To review or dismiss it, switch to team-a in the menu above." in text(browser.get("/publish"))
    assert HINT not in browser.get(URL).content.decode()
