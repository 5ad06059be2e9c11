"""Nobody new is called what looks like somebody else; who is already, stays, and superusers are told."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import Client

from accounts.actors import SYSTEM
from accounts.domain.create_account import create_account
from accounts.domain.create_user import create_user
from accounts.domain.rename_account import rename_account
from accounts.models import User
from tests.makers import PASSWORD, make_account, make_user, sign_in
from wire.errors import InvalidArgument

CYRILLIC = "\u0430dmin"


@pytest.mark.django_db
@pytest.mark.parametrize("name", [CYRILLIC, "adrnin", "\u0410DMIN"])
def test_no_new_user_looks_like_another_one(name: str) -> None:
    make_user(username="admin")
    with pytest.raises(InvalidArgument, match="looks like 'admin', which is a user already; choose another"):
        create_user(actor=SYSTEM, username=name, password=PASSWORD)
    assert User.objects.count() == 1


@pytest.mark.django_db
def test_the_first_admin_does_not_either(settings) -> None:  # type: ignore[no-untyped-def]
    make_user(username=CYRILLIC)
    settings.SLIPWAY_ADMIN_USER, settings.SLIPWAY_ADMIN_PASSWORD = "admin", PASSWORD
    with pytest.raises(CommandError, match="SLIPWAY_ADMIN_USER cannot be used: 'admin' looks like"):
        call_command("setup_accounts")


@pytest.mark.django_db
def test_no_account_is_called_what_looks_like_another_one() -> None:
    make_account(account_id="team-a", display_name="Alpha team")
    with pytest.raises(InvalidArgument, match="looks like 'Alpha team', which another account is called"):
        create_account(actor=SYSTEM, account_id="team-b", display_name="\u0391lpha team")
    other = make_account(account_id="team-c", display_name="Gamma team")
    with pytest.raises(InvalidArgument, match="looks like"):
        rename_account(actor=SYSTEM, account=other, display_name="A1pha team")
    assert rename_account(actor=SYSTEM, account=other, display_name="gamma TEAM").display_name == "gamma TEAM"


@pytest.mark.django_db
def test_superusers_are_told_of_those_that_there_are(client: Client) -> None:
    sign_in(client, make_user(username="admin", superuser=True))
    twin = make_user(username=CYRILLIC)
    make_account(account_id="team-a", display_name="Alpha")
    make_account(account_id="team-b", display_name="A1pha")
    assert f"The names of these users look alike: &#x27;admin&#x27;, &#x27;{CYRILLIC}&#x27;." in (
        client.get("/admin/accounts/user/").content.decode()
    )
    assert "The names of these accounts look alike" in client.get("/admin/accounts/account/").content.decode()

    fields = {"username": CYRILLIC, "first_name": "Twin", "last_name": "", "email": ""}
    assert client.post(f"/admin/accounts/user/{twin.pk}/change/", fields).status_code == 302  # keeps the name
    page = client.post(f"/admin/accounts/user/{twin.pk}/change/", fields | {"username": "adrnin"})
    assert "looks like" in page.content.decode()
    new = {"username": "adrnin", "usable_password": "true", "password1": PASSWORD, "password2": PASSWORD}
    assert "looks like" in client.post("/admin/accounts/user/add/", new).content.decode()
    assert User.objects.count() == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.e2e  # for the tables that are emptied afterwards
def test_of_two_who_choose_at_once_one_is_refused() -> None:
    def choose(name: str) -> bool:
        try:
            create_user(actor=SYSTEM, username=name, password=PASSWORD)
        except InvalidArgument:
            return False
        finally:
            connections.close_all()
        return True

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(choose, ["admin", CYRILLIC, "adrnin", "\u0430drnin"])) == 1
