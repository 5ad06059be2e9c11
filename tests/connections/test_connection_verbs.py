"""The verbs of connections: who may, what is refused and how, and what the audit log has of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import nullcontext
from datetime import datetime
from typing import Any

import pytest
from django.db.models import BigIntegerField
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.actors import SYSTEM, Actor, key_actor, user_actor
from accounts.models import Account, AuditEntry
from accounts.roles import Role
from connections.domain.add_connection import add_connection
from connections.domain.edit_connection import edit_connection
from connections.domain.held import require_open, stays_open
from connections.domain.lend_connection import lend_connection
from connections.domain.order_connections import order_connections
from connections.domain.pause_connection import pause_connection
from connections.domain.reopen_connection import reopen_connection
from connections.domain.seal_connections import seal_connections
from connections.domain.wipe_connection import wipe_connection
from connections.models import Connection
from connections.providers.states import AttemptState
from connections.queries import find_visible_connection, living_connections, usable_connections, visible_connections
from connections.sealing import unseal
from connections.states import ConnectionState
from deployments.domain.retire_connection import retire_connection
from launches.domain.cancel_waiting import cancel_waiting
from lists.prepared import Given, Prepared
from tests.accounts.makers import make_key
from tests.connections.elsewhere import NAME, SECRET, make_connection
from tests.makers import make_account, make_member, make_user
from wire.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("elsewhere")]

NOW = timezone.now()
VERBS: dict[str, Callable[[Actor, Connection], object]] = {
    "add": lambda actor, _: add_connection(actor=actor, name="south", kind=NAME, config={}, secret=SECRET),
    "edit": lambda actor, row: edit_connection(actor=actor, connection=row, config={}),
    "lend": lambda actor, row: lend_connection(actor=actor, connection=row, for_everyone=True, accounts=[]),
    "order": lambda actor, row: order_connections(actor=actor, connection=row, up=True),
    "pause": lambda actor, row: pause_connection(actor=actor, connection=row, reason="x", now=NOW),
    "reopen": lambda actor, row: reopen_connection(actor=actor, connection=row),
    "wipe": lambda actor, row: wipe_connection(actor=actor, connection=row, now=NOW),
    "retire": lambda actor, row: retire_connection(actor=actor, connection=row, now=NOW),
    "cancel what waits": lambda actor, row: cancel_waiting(actor=actor, connection=row),
    "seal": lambda actor, _: seal_connections(actor=actor),
}


def entry(verb: str) -> AuditEntry:
    return AuditEntry.objects.filter(verb=verb, account=None).latest("pk")


def wrong(refused: pytest.ExceptionInfo[InvalidArgument]) -> dict[str, str]:
    return {violation.field: violation.description for violation in refused.value.violations}


@pytest.mark.parametrize("verb", VERBS)
def test_superusers_in_person_alone_write(verb: str, team: Account) -> None:
    row = make_connection()
    lend_connection(actor=SYSTEM, connection=row, for_everyone=True, accounts=[team])
    root = make_member(account=team, role=Role.ADMIN, user=make_user(superuser=True))
    admin = user_actor(make_member(account=team, role=Role.ADMIN))
    switched_off = make_user(superuser=True)
    switched_off.is_active = False
    for actor in (admin, key_actor(make_key(account=team, user=root, name="ci")[0]), user_actor(switched_off)):
        with pytest.raises(PermissionDenied):
            VERBS[verb](actor, row)
    entries = AuditEntry.objects.exclude(verb__in=["create_api_key"]).count()
    assert entries == AuditEntry.objects.filter(verb__in=["add_connection", "lend_connection"]).count()


def test_what_is_added_is_open_last_and_nobodys(team: Account) -> None:
    actor = user_actor(make_user(superuser=True))
    row = add_connection(
        actor=actor,
        name="north",
        kind=NAME,
        display_name="",
        config={"url": " https://north.example ", "slots": "4", "region": "south"},
        secret=f"{SECRET}\n",
    )
    assert (row.state, row.display_name, str(row)) == (ConnectionState.OPEN, "north", "north")
    assert row.config == {"url": "https://north.example", "region": "south"}  # the default is not said
    assert unseal(row.secret) == SECRET and SECRET not in row.secret
    assert list(living_connections()) == [Connection.objects.get(name="local"), row]
    assert row not in usable_connections(team)
    told = entry("add_connection")
    assert (told.target, told.actor_label) == ("connections/north", actor.label)
    assert told.after == {"kind": NAME, "displayName": "north", "config": row.config, "secret": "set"}


def test_everything_wrong_with_a_new_one_is_said_at_once() -> None:
    with pytest.raises(InvalidArgument) as refused:
        make_connection(
            name="North Pole", display_name="x" * 64, config={"slots": "none", "colour": "red", "url": ""}, secret=" "
        )
    assert set(wrong(refused)) == {
        "name", "display_name", "config.slots", "config.colour", "config.url", "secret",
    }  # fmt: skip
    assert "'North Pole' is no name of a connection" in wrong(refused)["name"]
    assert "such as north-pole" in wrong(refused)["name"]
    assert wrong(refused)["config.slots"] == "Slots 'none' is not usable: use a whole number of at least 1."
    assert wrong(refused)["config.url"] == "Address is missing. Where it listens."
    assert wrong(refused)["secret"] == "Its key is missing."


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        ({"name": "local"}, "name", "There is a connection 'local' already"),
        ({"name": "new"}, "name", "the address of a page"),
        ({"name": "x" * 33}, "name", "use 1 to 32 characters"),
        ({"secret": "x" * 16_385}, "secret", "16,385 characters are too many; 16,384 is the limit."),
        ({"display_name": "two\nlines"}, "display_name", "visible characters"),
    ],
)
def test_a_wrong_new_one(given: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        make_connection(**given)
    assert words in wrong(refused)[field]


@pytest.mark.parametrize("kind", ["local", "made-up"])
def test_kinds_that_cannot_be_added(kind: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        add_connection(actor=SYSTEM, name="another", kind=kind, config={})
    assert "kind" in wrong(refused)


def test_a_secret_is_kept_where_none_is_given_and_said_to_have_changed_where_one_is() -> None:
    row = make_connection()
    Connection.objects.filter(pk=row.pk).update(next_try_at=NOW, failures=3, unreachable_since=NOW)
    edited = edit_connection(
        actor=SYSTEM, connection=row, display_name="The north", config={"url": "https://n.example"}
    )
    assert unseal(edited.secret) == SECRET
    assert edited.next_try_at is None and edited.unreachable_since == NOW  # tried at once, and not yet known to answer
    assert entry("edit_connection").before == {"displayName": "north", "config": {"url": "https://north.example"}}
    assert entry("edit_connection").after == {"displayName": "The north", "config": {"url": "https://n.example"}}

    config = {"url": "https://n.example"}
    edited = edit_connection(
        actor=SYSTEM, connection=row, display_name="The north", config=config, secret="another one"
    )
    assert unseal(edited.secret) == "another one"
    assert (entry("edit_connection").before, entry("edit_connection").after) == ({}, {"secret": "changed"})

    count = AuditEntry.objects.count()
    edit_connection(actor=SYSTEM, connection=row, display_name="The north", config=config)
    assert AuditEntry.objects.count() == count  # nothing changed, nothing noted


def test_a_secret_that_is_needed_cannot_be_removed() -> None:
    with pytest.raises(InvalidArgument) as refused:
        edit_connection(
            actor=SYSTEM, connection=make_connection(), config={"url": "https://n.example"}, remove_secret=True
        )
    assert wrong(refused) == {"remove_secret": "Elsewhere: Its key cannot be removed, only replaced."}


def test_what_an_environment_variable_says_cannot_be_written(settings: Settings) -> None:
    row = make_connection(config={"url": "https://north.example", "slots": "7"})
    settings.SLIPWAY_SET_VARIABLES = {"SLIPWAY_LOCAL_SLOTS": "3"}
    with pytest.raises(InvalidArgument) as refused:
        edit_connection(actor=SYSTEM, connection=row, config={"url": "https://north.example", "slots": "5"})
    assert wrong(refused) == {
        "config.slots": "Slots '5' cannot be written: the environment variable SLIPWAY_LOCAL_SLOTS is set and wins. "
        "Take it away to set this here."
    }
    edited = edit_connection(actor=SYSTEM, connection=row, config={"url": "https://south.example"})
    assert edited.config == {"url": "https://south.example", "slots": 7}  # said again once the variable is gone


def test_lending_is_read_in_the_logs_of_the_accounts_that_gain_or_lose(team: Account) -> None:
    row, other, owner = make_connection(), make_account(account_id="team-b"), make_account(account_id="team-c")
    lend_connection(actor=SYSTEM, connection=row, for_everyone=False, accounts=[team, other], owner=owner)
    assert all(row in usable_connections(account) for account in (team, other, owner))
    lend_connection(actor=SYSTEM, connection=row, for_everyone=False, accounts=[other])
    assert [row in usable_connections(account) for account in (team, other, owner)] == [False, True, False]
    lent = AuditEntry.objects.filter(verb="lend_connection").order_by("pk")
    assert [each.after for each in lent.filter(account=team)] == [{"lent": True}, {"lent": False}]
    assert [each.after for each in lent.filter(account=other)] == [{"lent": True}]
    assert entry("lend_connection").after == {"forEveryone": False, "owner": "", "accounts": ["team-b"]}


def test_admins_see_what_is_lent_to_their_account_and_superusers_all(team: Account) -> None:
    row = make_connection()
    admin, root = user_actor(make_member(account=team, role=Role.ADMIN)), user_actor(make_user(superuser=True))
    assert row not in visible_connections(admin, team)
    with pytest.raises(NotFound):
        find_visible_connection(admin, team, "north")
    assert find_visible_connection(root, None, "north") == row
    lend_connection(actor=SYSTEM, connection=row, for_everyone=False, accounts=[team])
    assert find_visible_connection(admin, team, "north") == row
    key, _ = make_key(account=team, role=Role.ADMIN)
    for actor in (user_actor(make_member(account=team, role=Role.PUBLISHER)), key_actor(key)):
        with pytest.raises((PermissionDenied, NotFound)):
            visible_connections(actor, team)


def test_the_order_is_moved_by_one_place_and_ends_at_its_ends() -> None:
    local, north, south = Connection.objects.get(name="local"), make_connection(), make_connection(name="south")
    order_connections(actor=SYSTEM, connection=south, up=True)
    assert list(living_connections()) == [local, south, north]
    assert (entry("order_connections").before, entry("order_connections").after) == ({"place": 3}, {"place": 2})
    order_connections(actor=SYSTEM, connection=north, up=False)
    order_connections(actor=SYSTEM, connection=local, up=True)
    assert list(living_connections()) == [local, south, north]
    order_connections(actor=SYSTEM, connection=local, up=False)
    assert list(living_connections()) == [south, local, north]


def test_a_paused_one_says_why_and_since_when_and_is_opened_again() -> None:
    row = make_connection()
    for reason in ("", "  ", "x" * 201, "two\nlines"):
        with pytest.raises(InvalidArgument) as refused:
            pause_connection(actor=SYSTEM, connection=row, reason=reason, now=NOW)
        assert "1 to 200 visible characters" in wrong(refused)["reason"]
    pause_connection(actor=SYSTEM, connection=row, reason="New disks", now=NOW)
    paused = pause_connection(actor=SYSTEM, connection=row, reason="New disks, until Friday", now=timezone.now())
    assert (paused.closed_because, paused.paused_at) == ("It is paused: New disks, until Friday", NOW)
    assert entry("pause_connection").reason == "New disks, until Friday"
    opened = reopen_connection(actor=SYSTEM, connection=row)
    assert opened.takes_launches and (opened.paused_at, opened.pause_reason) == (None, "")
    count = AuditEntry.objects.count()
    assert reopen_connection(actor=SYSTEM, connection=row).takes_launches
    assert AuditEntry.objects.count() == count


def test_a_retired_one_is_hidden_for_ever_without_its_secret() -> None:
    row = make_connection()
    row.unknown_samplers.create(job_id="of-nobody", start=1, state=AttemptState.RUNNING, seen_at=NOW)
    row = retire_connection(actor=SYSTEM, connection=row, now=NOW)
    assert not row.unknown_samplers.exists()
    assert (row.state, row.secret, row.retired_at) == (ConnectionState.RETIRED, "", NOW)
    assert row not in living_connections()
    assert entry("retire_connection").after == {"state": "RETIRED", "secret": "wiped"}
    for verb in ("edit", "lend", "order", "pause", "reopen", "wipe", "retire"):
        with pytest.raises(NotFound):
            VERBS[verb](SYSTEM, row)
    with pytest.raises(InvalidArgument) as refused:
        make_connection()
    assert "or was one" in wrong(refused)["name"]


@pytest.mark.parametrize("state", ConnectionState)
@pytest.mark.parametrize("refused_since", [None, NOW])
def test_the_database_and_the_sentence_agree_on_whether_it_takes_launches(
    state: ConnectionState, refused_since: datetime | None
) -> None:
    given = Given("connection", BigIntegerField())
    told: Prepared[Any] = Prepared(lambda: Connection.objects.filter(pk=given).annotate(is_open=stays_open(given)))
    row = make_connection()
    wiped = {"secret": "", "retired_at": NOW} if state == ConnectionState.RETIRED else {}
    failed = {"refused_since": refused_since, "failures": 1}
    Connection.objects.filter(pk=row.pk).update(state=state, **wiped, **failed)
    (found,) = told.rows(connection=row.pk)
    assert found.is_open == found.takes_launches == (state == ConnectionState.OPEN and refused_since is None)
    with nullcontext() if found.is_open else pytest.raises(FailedPrecondition, match=re.escape(found.closed_because)):
        require_open(row)


def test_this_machine_is_never_retired() -> None:
    with pytest.raises(FailedPrecondition, match="Pause it instead"):
        retire_connection(actor=SYSTEM, connection=Connection.objects.get(name="local"), now=NOW)
