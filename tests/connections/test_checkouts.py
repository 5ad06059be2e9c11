"""Naming a checkout of the cookbook: who may, what is refused, and whose recipes are then offered."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from accounts.actors import SYSTEM, user_actor
from accounts.models import AuditEntry
from accounts.roles import Role
from connections.domain.set_checkout import set_checkout
from connections.domain.tidy_environments import tidy_environments
from connections.models import CookbookCheckout
from connections.providers.local.recipe_environments import STAMP, environment_of
from connections.providers.trainer_files import files
from runner.prepare import note
from tests.makers import make_member, make_user, sign_in
from wire.errors import InvalidArgument, PermissionDenied

STAND_IN = Path(__file__).resolve().parents[1] / "runner"
GIT = ("git", "-c", "user.name=Tests", "-c", "user.email=tests@localhost")
pytestmark = pytest.mark.django_db


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    shutil.copytree(STAND_IN / "training", tmp_path / "training", ignore=shutil.ignore_patterns("__pycache__"))
    for command in (("init", "-q"), ("add", "."), ("commit", "-qm", "recipes")):
        subprocess.run([*GIT, "-C", str(tmp_path), *command], check=True)
    return tmp_path


def test_the_commit_that_counts_is_kept_whole_and_removing_forgets_it(checkout: Path) -> None:
    call_command("checkout", "official", "--path", str(checkout), "--commit", "HEAD")
    call_command("checkout", "official", "--path", str(checkout), "--commit", "HEAD")
    row = CookbookCheckout.objects.get()
    assert len(row.commit) == 40 and row.sdk == "1.2.24"
    call_command("checkout", "official", "--remove")
    told = AuditEntry.objects.filter(target="checkouts/official").order_by("pk").values_list("verb", flat=True)
    assert list(told) == ["set_checkout", "remove_checkout"]


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"path": "relative"}, "path", "Name it by its whole path"),
        ({"path": "/"}, "commit", "git knows no commit"),
        ({"commit": "--output=/tmp/x"}, "commit", "is no commit"),
        ({"commit": "0" * 40}, "commit", "git knows no commit"),
        ({"sdk": "1.2.24; rm"}, "sdk", "is no version"),
        ({"name": "New One"}, "name", "is no name of a checkout"),
    ],
)
def test_what_cannot_be_named_is_refused(checkout: Path, changes: dict[str, str], field: str, words: str) -> None:
    given = {"name": "official", "path": str(checkout), "commit": "HEAD", "sdk": "1.2.24"} | changes
    with pytest.raises(InvalidArgument) as refused:
        set_checkout(actor=SYSTEM, **given)
    assert [(each.field, words in each.description) for each in refused.value.violations] == [(field, True)]
    assert not CookbookCheckout.objects.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders away")
def test_a_folder_of_another_owner_is_refused_in_words(checkout: Path) -> None:
    for path in (checkout, *checkout.rglob("*")):
        os.chown(path, 12345, 12345)
    with pytest.raises(CommandError, match="for its owner alone"):
        call_command("checkout", "official", "--path", str(checkout), "--commit", "HEAD")


def test_a_folder_without_its_recipes_is_no_checkout(tmp_path: Path) -> None:
    for command in (("init", "-q"), ("commit", "--allow-empty", "-qm", "nothing")):
        subprocess.run([*GIT, "-C", str(tmp_path), *command], check=True)
    with pytest.raises(CommandError, match=r"has no recipe that Slipway knows in training/recipes/ at [0-9a-f]{12}"):
        call_command("checkout", "official", "--path", str(tmp_path), "--commit", "HEAD")


def test_superusers_name_change_and_remove_one_on_pages(client: Client, checkout: Path) -> None:
    sign_in(client, make_user(superuser=True))
    posted = {"name": "official", "path": str(checkout), "commit": "nothing-like-it", "sdk": "1.2.24"}
    refused = client.post("/checkouts/new", posted)
    assert refused.status_code == 422 and "git knows no commit" in refused.content.decode()
    assert str(checkout) in refused.content.decode(), "what was written stays"
    assert client.post("/checkouts/new", posted | {"commit": "HEAD"}).status_code == 303
    row = CookbookCheckout.objects.get()
    assert "edit that one" in client.post("/checkouts/new", posted | {"commit": "HEAD"}).content.decode()
    listed = client.get("/checkouts").content.decode()
    assert row.commit[:12] in listed and "not made yet" in listed and "every 2s" not in listed
    environment = environment_of(row.as_told, Path(settings.SLIPWAY_HOME) / "local")
    environment.mkdir(parents=True)
    try:
        note(environment, "<b>No</b> room", failed=True)
        failed = client.get("/checkouts").content.decode()
        assert "could not be made" in failed and "&lt;b&gt;No&lt;/b&gt; room" in failed
        with files.locked(environment.with_name(f"{environment.name}.lock"), 0):
            note(environment, "Installing")
            assert "every 2s" in (making := client.get("/checkouts").content.decode()) and "Installing" in making
        tidy_environments(now=timezone.now())
        (environment / STAMP).touch()
        assert "ready</span>" in client.get("/checkouts").content.decode()
        assert client.post("/checkouts/official/edit", posted | {"commit": "HEAD", "sdk": "1.2"}).status_code == 303
        tidy_environments(now=timezone.now())
        assert not environment.exists(), "nobody names it any more"
    finally:
        shutil.rmtree(environment, ignore_errors=True)
    assert client.get("/checkouts/official/remove").status_code == 200
    assert client.post("/checkouts/official/remove").status_code == 303
    told = AuditEntry.objects.filter(target="checkouts/official").order_by("pk").values_list("verb", flat=True)
    assert list(told) == ["set_checkout", "set_checkout", "remove_checkout"]


def test_only_superusers_name_one(checkout: Path) -> None:
    admin = make_member(role=Role.ADMIN)
    with pytest.raises(PermissionDenied):
        set_checkout(actor=user_actor(admin), name="official", path=str(checkout), commit="HEAD")
