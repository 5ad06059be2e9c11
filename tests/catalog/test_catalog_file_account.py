"""Who may plan and apply a catalog file, what it does to account and audit log, how its commands take and end."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from contextlib import nullcontext
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError

from accounts.actors import user_actor
from accounts.models import Account, AuditEntry
from accounts.roles import Role
from catalog.domain.apply_catalog import apply_catalog
from catalog.domain.plan_catalog import plan_catalog
from catalog.files.problems import DocumentError
from catalog.files.reader import read_document
from tests.catalog.test_catalog_code import PUBLIC, SECOND, everything, plan, run, write
from tests.makers import make_account, make_member, make_user
from wire.errors import NotFound, PermissionDenied, Refusal

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[2]


def test_an_account_is_added_and_renamed_by_a_step(tmp_path: Path) -> None:
    own = write(tmp_path / "own.yaml", "account: team-b\npublic: true\nmodels: []\n")
    assert [(step["kind"], step["name"]) for step in plan(own)["steps"]] == [("add_account", "accounts/team-b")]
    with pytest.raises(CommandError, match="changed since this plan was made"):
        run("apply_catalog", own, plan="0" * 64)
    assert not Account.objects.exists()
    assert run("apply_catalog", own) == "Done: accounts added: 1.\n"
    assert Account.objects.get().display_name == "team-b"
    assert run("apply_catalog", own) == "Nothing to do.\n"

    write(own, "account: team-b\ndisplay_name: Team B\npublic: true\nmodels: []\n")
    (step,) = plan(own)["steps"]
    assert step["kind"] == "change_account"
    assert step["fields"] == [{"field": "display_name", "label": "Display name", "before": "team-b", "after": "Team B"}]
    run("apply_catalog", own)
    assert Account.objects.get().display_name == "Team B"
    entry = AuditEntry.objects.get(verb="rename_account")
    assert (entry.before, entry.after) == ({"displayName": "team-b"}, {"displayName": "Team B"})
    assert plan(own, code=0)["steps"] == []


def test_what_no_version_keeps_is_in_the_audit_log_before_and_after(tmp_path: Path) -> None:
    own = write(tmp_path / "own.yaml", PUBLIC + SECOND)
    run("apply_catalog", own)
    added = AuditEntry.objects.get(verb="add_model")
    assert (added.target, added.before, added.after) == (
        "accounts/team-a/models/small",
        None,
        {"title": "Small", "family": "Own"},
    )
    first = PUBLIC[PUBLIC.index("      - id") :]
    other = PUBLIC.replace(first, SECOND + first).replace("title: Small", "title: Smaller")
    write(own, other.replace("gpus: 2", "gpus: 2\n        id_source: published"))
    run("apply_catalog", own)
    assert [
        (entry.verb, entry.target.split("/")[-1], entry.before, entry.after)
        for entry in AuditEntry.objects.order_by("pk").filter(verb__in=["change_model", "order", "change_id_source"])
    ] == [
        ("change_model", "small", {"title": "Small"}, {"title": "Smaller"}),
        ("order", "small", {"order": "small-8k, small-16k"}, {"order": "small-16k, small-8k"}),
        ("change_id_source", "small-8k", {"id_source": "own"}, {"id_source": "published"}),
    ]


@pytest.mark.parametrize(
    ("role", "refusal"),
    [
        (None, NotFound),
        (Role.VIEWER, PermissionDenied),
        (Role.LAUNCHER, PermissionDenied),
        (Role.PUBLISHER, None),
        (Role.ADMIN, None),
    ],
)
def test_who_may_plan_and_apply(role: Role | None, refusal: type[Refusal] | None) -> None:
    account = make_account(account_id="team-a")
    actor = user_actor(make_member(account=account, role=role) if role else make_user())
    document, before = read_document(PUBLIC, source="own"), everything()
    for verb in (plan_catalog, apply_catalog):
        with pytest.raises(refusal) if refusal else nullcontext():
            verb(actor=actor, document=document, file="0" * 64, source="own")
    assert (everything() == before) is (refusal is not None)


@pytest.mark.parametrize("verb", [plan_catalog, apply_catalog])
def test_nobody_makes_an_account_by_a_file_of_theirs(verb: Any) -> None:
    document = read_document(PUBLIC, source="own")
    with pytest.raises(NotFound, match="There is no account team-a that you are a member of"):
        verb(actor=user_actor(make_user(superuser=True)), document=document, file="0" * 64, source="own")
    assert not Account.objects.exists()


def test_only_admins_rename_the_account_by_a_file() -> None:
    account = make_account(account_id="team-a", display_name="Team A")
    document = read_document(PUBLIC.replace("public", "display_name: Ours\npublic"), source="own")
    publisher, admin = (user_actor(make_member(account=account, role=role)) for role in (Role.PUBLISHER, Role.ADMIN))
    for verb in (plan_catalog, apply_catalog):
        with pytest.raises(DocumentError, match="own:2: display_name: 'Ours' would rename team-a, which its admins"):
            verb(actor=publisher, document=document, file="0" * 64, source="own")
    apply_catalog(actor=admin, document=document, file="0" * 64, source="own")
    account.refresh_from_db()
    assert account.display_name == "Ours"


def test_a_file_comes_by_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(PUBLIC.encode())))
    found = json.loads(run("plan_catalog", "-", code=2, json=True))
    assert found["file_sha256"] == hashlib.sha256(PUBLIC.encode()).hexdigest()
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(b"account: [")))
    with pytest.raises(CommandError, match="standard input:2: document: not YAML"):
        run("apply_catalog", "-")


@pytest.mark.e2e  # a process of its own
@pytest.mark.parametrize("wrong", [("--jsno", "FILE"), (), ("FILE", "OTHER")])
def test_a_slip_on_the_command_line_does_not_look_like_a_plan(wrong: tuple[str, ...]) -> None:
    command = [sys.executable, "manage.py", "plan_catalog", *wrong]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "usage: manage.py plan_catalog" in ended.stderr and "plan_catalog: error: " in ended.stderr
