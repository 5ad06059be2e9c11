"""An admin says on a page for how long checkpoints of deleted launches are kept."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import AuditEntry
from accounts.roles import Role
from tests.makers import make_account, make_member

pytestmark = pytest.mark.django_db
PAGE = "/account/settings"


def test_an_admin_sets_the_retention_and_takes_it_back(client: Client) -> None:
    account = make_account(account_id="team-r")
    client.force_login(make_member(account=account, role=Role.ADMIN))
    for typed, kept in (("7", 7), ("0", 0), ("", None)):
        assert client.post(PAGE, {"account": "team-r", "checkpoint_retention_days": typed}).status_code == 302
        account.refresh_from_db()
        assert account.checkpoint_retention_days == kept


def test_an_admin_says_whether_other_versions_wait_for_a_yes(client: Client) -> None:
    account = make_account(account_id="team-r")
    client.force_login(make_member(account=account, role=Role.ADMIN))
    for said, asks in (({"asks_about_versions": "on"}, True), ({"asks_about_versions": "on"}, True), ({}, False)):
        assert client.post(PAGE, {"account": "team-r"} | said).status_code == 302
        account.refresh_from_db()
        assert account.asks_about_versions == asks
        assert ("checked" in client.get(PAGE).text) == asks
    entries = AuditEntry.objects.filter(verb="ask_about_versions", account=account).order_by("pk")
    assert [entry.after for entry in entries] == [{"asks": True}, {"asks": False}]


@pytest.mark.parametrize("typed", ["-1", "3651", "soon"])
def test_what_is_no_time_is_refused_beside_the_field_and_stays(client: Client, typed: str) -> None:
    account = make_account(account_id="team-r")
    client.force_login(make_member(account=account, role=Role.ADMIN))
    answer = client.post(PAGE, {"account": "team-r", "checkpoint_retention_days": typed})
    assert answer.status_code == 422
    assert f'value="{typed}"' in answer.content.decode()
    assert "field-error" in answer.content.decode()
    account.refresh_from_db()
    assert account.checkpoint_retention_days is None
