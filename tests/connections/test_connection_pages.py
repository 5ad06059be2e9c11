"""The pages of connections: adding, trying, lending, pausing; what admins see of it, and what is locked."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.actors import SYSTEM
from accounts.models import Account, AuditEntry, User
from accounts.roles import Role
from connections.domain.edit_connection import edit_connection
from connections.domain.lend_connection import lend_connection
from connections.domain.pause_connection import pause_connection
from connections.models import Connection
from connections.sealing import unseal
from tests.connections.elsewhere import NAME, SECRET, make_connection
from tests.connections.makers import local_connection
from tests.makers import make_account, make_member, make_user, sign_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("elsewhere")]

FIELDS = {"name": "north", "display_name": "The north", "config.url": "https://north.example", "secret": SECRET}
NEW = f"/connections/new?kind={NAME}"


@pytest.fixture
def root(db: None) -> User:
    return make_user(superuser=True)


@pytest.fixture
def pages(client: Client, root: User) -> Client:
    return sign_in(client, root)


def said(client: Client, path: str) -> str:
    return client.get(path).content.decode()


def test_one_is_added_from_the_form_of_its_kind_and_says_that_nobody_may_use_it(pages: Client) -> None:
    assert f'href="{NEW}"' in said(pages, "/connections/new")
    assert "This machine" not in said(pages, "/connections/new")
    form = said(pages, NEW)
    assert 'name="config.url"' in form and '<option value="south">south</option>' in form
    assert re.search(r'<input type="password" name="secret"', form)
    answer = pages.post(NEW, FIELDS, follow=True)
    page = answer.content.decode()
    assert answer.redirect_chain == [("/connections/north", 303)]
    assert re.search(r"data-text>[^<]*north", page) and "data-for-nobody" in page and SECRET not in page
    row = Connection.objects.get(name="north")
    assert row.config == {"url": "https://north.example"} and unseal(row.secret) == SECRET


def test_a_wrong_form_comes_back_as_it_was_with_everything_that_is_wrong(pages: Client) -> None:
    wrong = {"name": "Nord!", "config.url": "http://plain.example", "config.slots": "many", "display_name": "Kept"}
    answer = pages.post(NEW, wrong)
    page = answer.content.decode()
    assert answer.status_code == 422 and 'value="Kept"' in page and 'value="http://plain.example"' in page
    for words in (
        "is no name of a connection",
        "Address &#x27;http://plain.example&#x27; is not usable: use https://.",
        "Slots &#x27;many&#x27; is not usable: use a whole number of at least 1.",
        "Its key is missing.",
    ):
        assert words in page
    assert not Connection.objects.filter(kind=NAME).exists()
    assert pages.post(NEW, wrong | {"name": "nul\0"}).status_code == 422


def test_a_kind_that_cannot_be_added_leads_to_the_choice(pages: Client) -> None:
    for kind in ("local", "made-up"):
        assert "There is no kind of that name" in said(pages, f"/connections/new?kind={kind}")


def test_a_locked_setting_is_shown_with_its_variable_and_is_no_field(pages: Client, settings: Settings) -> None:
    settings.SLIPWAY_SET_VARIABLES = {"SLIPWAY_LOCAL_SLOTS": "9"}
    for path in ("/connections/local/edit", "/connections/local"):
        page = said(pages, path)
        assert 'set by <span class="id">SLIPWAY_LOCAL_SLOTS</span>' in page and '<span class="id">9</span>' in page
        assert 'name="config.slots"' not in page
    answer = pages.post("/connections/local/edit", {"display_name": "Here", "config.slots": "4"})
    assert answer.status_code == 303
    row = Connection.objects.get(name="local")
    assert (row.display_name, row.config) == ("Here", {})  # a form that was opened before does not write it either


def test_where_base_models_lie_is_written_in_lines(pages: Client) -> None:
    assert "<textarea" in said(pages, "/connections/local/edit")
    answer = pages.post("/connections/local/edit", {"config.models": "accounts/x/models/y = here"})
    assert answer.status_code == 422 and "is neither a whole path nor a repository" in answer.content.decode()
    assert pages.post("/connections/local/edit", {"config.models": "accounts/x/models/y = /srv/y"}).status_code == 303
    assert Connection.objects.get(name="local").config == {"models": "accounts/x/models/y = /srv/y"}
    part = pages.post("/connections/local/test", headers={"HX-Request": "true"}).content.decode()
    assert "accounts/x/models/y" in part and "has no config.json at /srv/y" in part


def test_the_test_shows_who_we_are_there_and_what_is_not_told(pages: Client) -> None:
    make_connection()
    answer = pages.post("/connections/north/test", headers={"HX-Request": "true"})
    part = answer.content.decode()
    assert "<html" not in part and "team-north" in part and "quota" in part and "Not told" in part
    assert "team-north" in pages.post("/connections/north/test").content.decode()  # a whole page without scripts
    make_connection(name="south", secret="a wrong one")
    page = pages.post("/connections/south/test").content.decode()
    assert "It does not know this key. Make another there, and give it here." in page


def test_this_machine_can_be_tested(pages: Client) -> None:
    assert "Trainers run as" in pages.post("/connections/local/test").content.decode()


def test_who_may_use_it_is_written_as_ids_and_unknown_ones_are_named(pages: Client, team: Account) -> None:
    make_connection()
    answer = pages.post("/connections/north/lend", {"accounts": "team-a, team-x\nteam-y", "owner": "nobody"})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert all(f"There is no account &#x27;{name}&#x27;" in page for name in ("team-x", "team-y", "nobody"))
    assert pages.post("/connections/north/lend", {"accounts": "team-a team-a"}).status_code == 303
    assert list(Connection.objects.get(name="north").accounts.all()) == [team]
    assert "team-a" in said(pages, "/connections/north/lend")
    pages.post("/connections/north/lend", {"for_everyone": "on", "owner": "team-a"})
    assert "every account" in said(pages, "/connections/north")


def test_admins_see_how_it_stands_and_neither_its_settings_nor_the_buttons(team: Account) -> None:
    row = make_connection()
    admin = sign_in(Client(), make_member(account=team, role=Role.ADMIN))
    assert admin.get("/connections/north").status_code == 404 and "north" not in said(admin, "/connections")
    lend_connection(actor=SYSTEM, connection=row, for_everyone=False, accounts=[team])
    assert "north" in said(admin, "/connections")
    page = said(admin, "/connections/north")
    for hidden in ("north.example", "Its key", "/edit", "/pause", "/lend", "/test", "/retire", '/move"'):
        assert hidden not in page + said(admin, "/connections")


def test_how_it_stands_is_said_on_the_list_and_on_its_page(pages: Client) -> None:
    now = timezone.now()
    row = make_connection()
    Connection.objects.filter(pk=row.pk).update(
        capacity={"gpus": [{"accelerator_type": "NVIDIA_H100_80GB", "total": 16, "free": 8, "drained": 1}],
                  "queue_length": 3, "running": None, "slots": None, "out": ["n3: bad fan"]},
        capacity_at=now,
        unreachable_since=now - timedelta(minutes=5),
        failures=4,
        next_try_at=now + timedelta(minutes=1),
        last_error="It answers 503.",
    )  # fmt: skip
    pause_connection(actor=SYSTEM, connection=row, reason="New disks", now=now)
    for path in ("/connections", "/connections/north"):
        page = said(pages, path)
        for words in ("8 of 16 H100 80GB free, 1 out of service, 3 waiting", "paused", "New disks", "as of"):
            assert words in page, path
    assert "n3: bad fan" in page
    assert 'data-trouble="silent"' in page and "4 times in a row" in page and "It answers 503." in page


def test_a_refused_key_is_said_with_what_to_do_until_a_test_finds_it_taken(pages: Client) -> None:
    now = timezone.now()
    row = make_connection()
    Connection.objects.filter(pk=row.pk).update(refused_since=now, failures=1, next_try_at=now, last_error="No (401).")
    for path in ("/connections", "/connections/north"):
        page = said(pages, path)
        assert "key refused" in page and 'href="/connections/north/edit"' in page, path
    assert 'data-trouble="refused"' in page and ">open<" not in page and "No (401)." in page
    assert re.search(r'Next look <time [^>]*data-style="coming">now</time>', page)  # its time has come
    part = pages.post("/connections/north/test", headers={"HX-Request": "true"}).content.decode()
    assert "team-north" in part and 'id="trouble" hx-swap-oob="true"' in part and ">open<" in part
    assert "key refused" not in said(pages, "/connections/north")
    edit_connection(actor=SYSTEM, connection=row, config=row.config, secret="revoked")
    part = pages.post("/connections/north/test", headers={"HX-Request": "true"}).content.decode()
    assert "key refused" in part and 'data-trouble="refused"' in part
    assert "key refused" in said(pages, "/connections")


def test_a_token_that_is_not_needed_is_removed_by_a_box_of_the_form(pages: Client) -> None:
    box = 'name="remove_secret"'
    edit = "/connections/local/edit"
    assert box not in said(pages, edit)
    row = edit_connection(actor=SYSTEM, connection=local_connection(), config={}, secret="of-the-hub")
    make_connection()
    assert box in said(pages, edit) and "Remove the hub token" in said(pages, edit)
    assert box not in said(pages, "/connections/north/edit")
    refused = pages.post(edit, {"secret": "another", "remove_secret": "on"})
    assert refused.status_code == 422 and "either write another one, or remove" in refused.content.decode()
    row.refresh_from_db()
    assert unseal(row.secret) == "of-the-hub"
    needed = pages.post("/connections/north/edit", {**FIELDS, "secret": "", "remove_secret": "on"})
    assert needed.status_code == 303 and unseal(Connection.objects.get(name="north").secret) == SECRET
    assert pages.post(edit, {"remove_secret": "on"}).status_code == 303
    row.refresh_from_db()
    entry = AuditEntry.objects.filter(verb="edit_connection", target="connections/local").latest("pk")
    assert row.secret == "" and entry.after and entry.after["secret"] == "removed"
    assert box not in said(pages, edit)


def test_a_setting_that_shuts_it_off_is_said(pages: Client, settings: Settings) -> None:
    settings.SLIPWAY_LOCAL_PROVIDER = False
    assert "SLIPWAY_LOCAL_PROVIDER is off." in said(pages, "/connections/local")
    assert "SLIPWAY_LOCAL_PROVIDER is off." in pages.post("/connections/local/test").content.decode()


def test_the_order_is_moved_by_buttons(pages: Client) -> None:
    make_connection()
    pages.post("/connections/north/move", {"to": "up"})
    assert [row.name for row in Connection.objects.all()] == ["north", "local"]
    pages.post("/connections/north/move", {"to": "down"})
    assert [row.name for row in Connection.objects.all()] == ["local", "north"]


def test_the_navigation_leads_there_for_superusers_and_admins(root: User, team: Account) -> None:
    link = 'href="/connections"'
    assert link in said(sign_in(Client(), root), "/")
    assert link in said(sign_in(Client(), make_member(account=team, role=Role.ADMIN)), "/")
    assert link not in said(sign_in(Client(), make_member(account=team, role=Role.PUBLISHER)), "/")


def test_the_list_takes_as_many_queries_for_many_as_for_one(pages: Client) -> None:
    def queries() -> int:
        with CaptureQueriesContext(database) as captured:
            said(pages, "/connections")
        return len(captured)

    make_connection()
    few = queries()
    for number in range(5):
        row = make_connection(name=f"n{number}")
        lend_connection(actor=SYSTEM, connection=row, for_everyone=False, accounts=[make_account()])
    assert queries() == few
