"""Secrets of connections: never shown by anything, sealed again under a new key, and closed under a wrong one."""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from io import StringIO

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import encrypt
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import URLPattern, get_resolver
from pytest_django.fixtures import Settings

from accounts.actors import SYSTEM
from accounts.models import Account, AuditEntry
from accounts.roles import Role
from connections.domain.edit_connection import edit_connection
from connections.domain.lend_connection import lend_connection
from connections.models import Connection
from connections.opened import open_provider
from connections.providers.errors import Retryable
from connections.providers.local.provider import LocalProvider
from connections.sealing import unseal
from connections.urls import urlpatterns
from tests.connections.elsewhere import NAME, SECRET, make_connection
from tests.connections.makers import local_connection
from tests.makers import make_member, make_user, sign_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("elsewhere")]

OTHER = "the-other-secret-of-elsewhere-9876543210"


def addresses() -> list[str]:
    """Every page that is about one connection, whichever app it is of, and the list."""
    named = [*urlpatterns, *(each for each in _all(get_resolver()) if str(each.pattern).startswith("connections"))]
    return sorted({"/" + str(each.pattern).replace("<slug:name>", "north") for each in named})


def _all(resolver: object) -> list[URLPattern]:
    found: list[URLPattern] = []
    for each in resolver.url_patterns:  # type: ignore[attr-defined]
        found += [each] if isinstance(each, URLPattern) else _all(each)
    return found


def test_no_page_log_audit_entry_or_export_ever_has_it(
    team: Account, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    root = make_member(account=team, role=Role.ADMIN, user=make_user(superuser=True))
    client = sign_in(Client(), root)
    said: list[str] = []

    def keep(path: str, **fields: str) -> None:
        answer = client.post(path, fields) if fields else client.get(path)
        said.append(b"".join(answer).decode() + str(answer.headers))

    made = {"name": "north", "config.url": "https://north.example", "secret": SECRET}
    keep(f"/connections/new?kind={NAME}", **made | {"name": "not an id"})  # refused: the form comes back
    keep(f"/connections/new?kind={NAME}", **made)
    row = Connection.objects.get(name="north")
    assert unseal(row.secret) == SECRET
    keep("/connections/north/edit", **{"config.url": "nowhere", "secret": OTHER})
    keep("/connections/north/test", x="")
    keep("/connections/north/edit", **{"config.url": "https://north.example", "secret": OTHER})
    assert unseal(Connection.objects.get(name="north").secret) == OTHER
    keep("/connections/north/test", x="")  # it is refused there
    lend_connection(actor=SYSTEM, connection=row, for_everyone=True, accounts=[team])
    assert "/connections/north/edit" in addresses() and "/connections/north/retire" in addresses()
    for path in (*addresses(), "/audit", "/publish/export", "/admin/accounts/auditentry/"):
        keep(path)
    for command in (["check_connection", "north"], ["seal_connections"], ["export_catalog", "--account", "team-a"]):
        out = StringIO()
        try:
            call_command(*command, stdout=out, stderr=out)
        except CommandError as error:
            out.write(str(error))
        said.append(out.getvalue())
    keep("/connections/north/retire", x="")
    entries = AuditEntry.objects.values_list("before", "after", "reason", "target")
    assert entries.count() >= 5
    told = "\n".join([*said, json.dumps(list(entries)), caplog.text, repr(row), str(row.config)])
    sealed = Connection.objects.get(name="north").secret
    assert "Its key" in told and SECRET not in told and OTHER not in told
    assert row.secret not in told and sealed == ""


def check(name: str) -> str:
    """What the command prints that tries a connection, whether or not it could be tried to its end."""
    out = StringIO()
    with suppress(CommandError):
        call_command("check_connection", name, stdout=out)
    return out.getvalue()


def test_a_new_key_in_front_seals_again_and_the_old_one_can_go(settings: Settings) -> None:
    row, (old,) = make_connection(), settings.SLIPWAY_SEALING_KEYS
    new = Fernet.generate_key().decode()
    settings.SLIPWAY_SEALING_KEYS = (new, old)
    out = StringIO()
    call_command("seal_connections", stdout=out)
    assert out.getvalue() == "Sealed under the first key: north.\n"
    settings.SLIPWAY_SEALING_KEYS = (new,)
    row.refresh_from_db()
    assert unseal(row.secret) == SECRET
    assert AuditEntry.objects.get(verb="seal_connection").target == "connections/north"


def test_a_restore_without_its_key_is_said_in_words_and_mended_by_the_secret(settings: Settings) -> None:
    row = make_connection()
    settings.SLIPWAY_SEALING_KEYS = (Fernet.generate_key().decode(),)
    words = "Put that key back, or give the secret again."
    with pytest.raises(Retryable, match=words):
        open_provider(row)
    client = sign_in(Client(), make_user(superuser=True))
    for answer in (client.get("/connections/north"), client.post("/connections/north/test")):
        assert words in answer.content.decode()
    with pytest.raises(CommandError, match=r"Open: .*SLIPWAY_SEALING_KEYS"):
        call_command("check_connection", "north")
    with pytest.raises(CommandError, match="No key opens the secret of north"):
        call_command("seal_connections", stdout=StringIO())
    assert Connection.objects.get(pk=row.pk).secret == row.secret  # still there for the day the key is found
    edit_connection(actor=SYSTEM, connection=row, config=row.config, secret=SECRET)
    assert open_provider(Connection.objects.get(pk=row.pk)).identify().facts == (("Account", "team-north"),)


def test_every_secret_that_no_key_opens_is_named_whatever_it_belongs_to(settings: Settings) -> None:
    make_connection()
    data = {"secret": encrypt("JBSWY3DPEHPK3PXP")}
    Authenticator.objects.create(user=make_user(username="anna"), type=Authenticator.Type.TOTP, data=data)
    settings.SLIPWAY_SEALING_KEYS = (Fernet.generate_key().decode(),)
    with pytest.raises(CommandError, match=r"No key opens the secret of north.*the second factor of anna"):
        call_command("seal_connections", stdout=StringIO())


def test_this_machine_is_used_without_a_token_that_no_key_unseals(settings: Settings) -> None:
    row = edit_connection(actor=SYSTEM, connection=local_connection(), config={}, secret=SECRET)
    settings.SLIPWAY_SEALING_KEYS = (Fernet.generate_key().decode(),)
    provider = open_provider(row)
    assert isinstance(provider, LocalProvider) and provider.hub_token == ""
    words = "Put that key back, or give the secret again. Until then it is used without one."
    assert words in sign_in(Client(), make_user(superuser=True)).get("/connections/local").content.decode()
    assert words in check("local") and "can be used" not in check("local").partition("Identify")[0]


def test_a_printed_key_can_be_used(settings: Settings) -> None:
    out = StringIO()
    call_command("make_sealing_key", stdout=out)
    settings.SLIPWAY_SEALING_KEYS = (out.getvalue().strip(),)
    assert unseal(make_connection().secret) == SECRET
