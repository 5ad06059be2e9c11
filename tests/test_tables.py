"""A database whose tables are not those of this release: each command and page says what to run, in one line."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.db import IntegrityError, OperationalError, ProgrammingError, connection

from accounts.tables import explain
from tests.databases import new_database

ROOT = Path(__file__).resolve().parent.parent
ONE_LINE = re.compile(r"\Aslipway: [^\n]+\n\Z")
COMMANDS = [
    ["setup_accounts"],
    ["add_member", "anna", "--account", "local", "--role", "viewer"],
    ["create_api_key", "--account", "local", "--user", "admin", "--scope", "read"],
    ["load_catalog"],
    ["plan_catalog", "catalog/bundled/local.yaml"],
    ["apply_catalog", "catalog/bundled/local.yaml"],
    ["export_catalog", "--account", "local"],
    ["createsuperuser", "--noinput", "--username", "x", "--email", "x@example.com"],
    ["changepassword", "admin"],
    ["clearsessions"],
    ["shell", "--verbosity", "0", "-c", "from accounts.models import Account; print(Account.objects.count())"],
]
VISIT = """
import json, sys
import django
django.setup()
from django.test import Client
client = Client(raise_request_exception=False, SERVER_NAME="localhost")
client.cookies["sessionid"] = "of-before"
found = {}
for path in json.loads(sys.argv[1]):
    answer = client.get(path, headers={"X-Api-Key": "slpw_" + "a" * 43})
    found[path] = [answer.status_code, answer.content.decode()]
print(json.dumps(found))
"""
PAGES = [
    "/",
    "/launches",
    "/publish",
    "/shapes/local/x",
    "/v1/accounts",
    "/readyz",
    "/admin/login/",
]
pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """The address of an empty database."""
    with new_database(f"tables_{os.getpid()}") as address:
        yield address


def run(database: str, *argv: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"DATABASE_URL": database}
    return subprocess.run(
        [sys.executable, *argv], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def visit(database: str, *paths: str) -> dict[str, list[object]]:
    done = run(database, "-c", VISIT, json.dumps(paths))
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_command_before_the_first_migration_says_what_to_run(database: str, command: list[str]) -> None:
    done = run(database, "manage.py", *command)
    if command[0] == "changepassword":  # asks for the user first, and says nothing of one that is not there
        assert "Traceback" not in done.stderr
    assert done.returncode == 1, done.stdout
    last = done.stderr.splitlines()[-1] + "\n"
    assert ONE_LINE.match(last), done.stderr
    assert "Nothing was set up in this database yet: run ./run" in last
    assert "Traceback" not in done.stderr


def test_a_page_before_the_first_migration_says_what_to_run(database: str) -> None:
    for path, (status, text) in visit(database, *PAGES).items():
        assert status in {200, 302, 503}, (path, status)
        assert status != 503 or "Nothing was set up in this database yet" in str(text), (path, text)


@pytest.mark.parametrize("command", [["setup_accounts"], ["migrate", "--noinput"]], ids=lambda command: command[0])
def test_a_command_without_a_database_is_one_line(command: list[str]) -> None:
    done = run("postgres://nobody@127.0.0.1:1/none", "manage.py", *command)
    assert done.returncode == 1
    assert re.search(r"^slipway: The database cannot be used. Start ./run, .*", done.stderr, re.MULTILINE), done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_setting_is_one_line(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPWAY_LOCAL_SLOTS", "many")
    done = run(database, "manage.py", "check")
    assert (done.returncode, bool(ONE_LINE.match(done.stderr))) == (1, True), done.stderr
    assert "SLIPWAY_LOCAL_SLOTS='many'" in done.stderr


def test_one_migration_too_few_or_too_many_is_said(database: str) -> None:
    assert run(database, "manage.py", "migrate", "--verbosity", "0").returncode == 0
    assert run(database, "manage.py", "setup_accounts").returncode == 0
    with psycopg.connect(database, autocommit=True) as opened:
        opened.execute("ALTER TABLE accounts_account RENAME COLUMN display_name TO of_another_release")
        opened.execute("ALTER TABLE accounts_apikey RENAME COLUMN scope TO of_another_release")
        # The newest of the app that no other one depends on, so that the history stays a possible one.
        newest = "SELECT max(name) FROM django_migrations WHERE app = 'publishing'"
        gone = f"DELETE FROM django_migrations WHERE app = 'publishing' AND name = ({newest}) RETURNING name"
        ((taken,),) = opened.execute(gone).fetchall()
        done = run(database, "manage.py", "setup_accounts")
        assert ONE_LINE.match(done.stderr.splitlines()[-1] + "\n"), done.stderr
        assert re.search("lacks 1 migration of this release: run ./run manage migrate", done.stderr)
        status, text = visit(database, "/v1/accounts")["/v1/accounts"]
        assert (status, "of this release" in str(text)) == (503, True)

        statement = "INSERT INTO django_migrations (app, name, applied) VALUES ('launches', '9999_of_tomorrow', now())"
        opened.execute(statement)
        done = run(database, "manage.py", "setup_accounts")
        assert ONE_LINE.match(done.stderr.splitlines()[-1] + "\n"), done.stderr
        assert "used by a newer release (launches.9999_of_tomorrow)" in done.stderr
        refused = run(database, "manage.py", "migrate")
        assert refused.returncode == 1
        assert "newer release" in refused.stderr
        assert "Traceback" not in refused.stderr
        returned = "INSERT INTO django_migrations (app, name, applied) VALUES ('publishing', %s, now())"
        opened.execute(returned, [taken])
        nothing_to_do = run(database, "manage.py", "migrate")
        assert nothing_to_do.returncode == 0, "the release before starts after a rollback: " + nothing_to_do.stderr
        ready = str(visit(database, "/readyz")["/readyz"][1])
        assert re.search(r"\Wmigrations\W+ok\W", ready), "the release before serves beside a newer one"


@pytest.mark.django_db
def test_a_newer_release_is_to_blame_for_what_is_missing_alone() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO django_migrations (app, name, applied) VALUES ('launches', '9999_of_tomorrow', now())"
        )
    assert "newer release" in explain(ProgrammingError("no such column"))
    assert [explain(error("as ever")) for error in (OperationalError, IntegrityError)] == ["", ""]
