"""`manage connect` and `manage check_connection`: the same verbs without a browser."""

from __future__ import annotations

import sys
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.actors import SYSTEM
from accounts.models import Account, AuditEntry
from connections.domain.pause_connection import pause_connection
from connections.domain.wipe_connection import wipe_connection
from connections.models import Connection
from connections.queries import usable_connections
from connections.sealing import unseal
from tests.connections.elsewhere import FULL, NAME, SECRET, make_connection

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("elsewhere")]


def manage(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out, stderr=out)
    return out.getvalue()


@pytest.fixture
def secret_file(tmp_path: Path) -> str:
    path = tmp_path / "secret"
    path.write_text(f"{SECRET}\n")
    return str(path)


def test_one_is_added_lent_and_changed_by_the_same_command(secret_file: str, team: Account) -> None:
    told = ["connect", "north", "--kind", NAME, "--set", "url=https://north.example", "--set", "slots=9"]
    said = manage(*told, "--secret-file", secret_file, "--account", "team-a")
    assert said == "The connection north is added. `manage check_connection north` tries it.\n"
    row = Connection.objects.get(name="north")
    assert (row.config, unseal(row.secret)) == ({"url": "https://north.example", "slots": 9}, SECRET)
    assert row in usable_connections(team)
    entries = AuditEntry.objects.count()
    assert "says so now" in manage(*told, "--account", "team-a")
    assert AuditEntry.objects.count() == entries  # the second time nothing changed
    manage("connect", "north", "--kind", NAME, "--set", "url=https://south.example", "--for-everyone")
    row.refresh_from_db()
    assert (row.config, unseal(row.secret)) == ({"url": "https://south.example", "slots": 9}, SECRET)
    assert row.for_everyone


def test_a_secret_comes_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", StringIO(f"{SECRET}\n"))
    manage("connect", "north", "--kind", NAME, "--set", "url=https://north.example", "--secret-stdin")
    assert unseal(Connection.objects.get(name="north").secret) == SECRET


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--set", "slots=many"], "config.slots: Slots 'many' is not usable: use a whole number of at least 1."),
        (["--set", "slots=many"], "config.url: Address is missing. Where it listens."),
        (["--set", "slots=many"], "secret: Its key is missing."),
        (["--set", "slots"], "write FIELD=VALUE"),
        (["--secret-file", "/nowhere/at/all"], "cannot be read from /nowhere/at/all"),
        (["--set", "url=https://a.example", "--account", "made-up"], "made-up"),
    ],
)
def test_refusals_are_a_line_each_and_nothing_is_added(
    arguments: list[str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", StringIO(SECRET if "made-up" in arguments else ""))
    secret = ["--secret-stdin"] if "made-up" in arguments else []
    with pytest.raises(CommandError) as refused:
        manage("connect", "north", "--kind", NAME, *arguments, *secret)
    assert words in str(refused.value)
    assert not Connection.objects.filter(name="north").exists()


def test_the_kind_of_one_that_is_there_stays() -> None:
    make_connection()
    with pytest.raises(CommandError, match="is of the kind elsewhere, for ever"):
        manage("connect", "north", "--kind", "local")


def test_a_locked_setting_is_refused(settings: Settings) -> None:
    settings.SLIPWAY_SET_VARIABLES = {"SLIPWAY_LOCAL_SLOTS": "3"}
    with pytest.raises(CommandError, match="SLIPWAY_LOCAL_SLOTS is set and wins"):
        manage("connect", "local", "--kind", "local", "--set", "slots=5")


def test_a_check_says_each_step_in_a_line() -> None:
    make_connection()
    assert manage("check_connection", "north").splitlines() == [
        "Open: its settings and its secret can be used.",
        "Identify: Account: team-north",
        "Identify: not told: quota",
        "Identify: not told: tier",
        "Capacity: 8 of 16 H100 80GB free, 1 out of service, 3 waiting",
        "List: 0 of this Slipway's attempts are there and not over.",
        "north can be used.",
    ]


def test_a_check_of_a_paused_one_says_so_and_goes_on() -> None:
    pause_connection(actor=SYSTEM, connection=make_connection(), reason="New disks", now=timezone.now())
    said = manage("check_connection", "north")
    assert said.startswith("State: It is paused: New disks\n") and said.endswith("north can be used.\n")


def test_a_retired_one_cannot_be_checked() -> None:
    wipe_connection(actor=SYSTEM, connection=make_connection(), now=timezone.now())
    with pytest.raises(CommandError, match="was retired; only its history is left"):
        manage("check_connection", "north")


def test_this_machine_is_checked(settings: Settings, tmp_path: Path) -> None:
    settings.SLIPWAY_HOME = tmp_path
    said = manage("check_connection", "local")
    assert "Capacity: 2 of 2 slots free" in said and said.endswith("local can be used.\n")


def test_a_check_that_fails_says_at_which_step_and_why() -> None:
    make_connection(secret="a wrong one")
    with pytest.raises(CommandError, match="Identify: It does not know this key"):
        manage("check_connection", "north")
    make_connection(name="full", config={"url": FULL})
    with pytest.raises(CommandError, match=r"Capacity: It answers 503\."):
        manage("check_connection", "full")
    with pytest.raises(CommandError, match=r"There is no connection 'made-up'\. There are: local, north, full\."):
        manage("check_connection", "made-up")
