"""Say which checkout of the public cookbook offers its recipes: a new one, or what one says from now on."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

from django.db import transaction

from accounts.actors import Actor, require_superuser
from accounts.domain.record import record
from connections.models import NAME_LENGTH, PATH_LENGTH, CookbookCheckout
from connections.providers.official import MODULE, OFFICIAL, SDK_VERSION
from wire.errors import InvalidArgument, Violation
from wire.names import is_id

SECONDS = 30
_SDK = re.compile(r"\d{1,4}(\.\d{1,4}){1,3}")


def set_checkout(*, actor: Actor, name: str, path: str, commit: str, sdk: str = SDK_VERSION) -> CookbookCheckout:
    """By its name, which stays. What runs goes on with the commit that it began with.

    Of the checkout this commit alone counts; nothing is written there. Errors: `PermissionDenied` for all but
    superusers, `InvalidArgument` with every violation.
    """
    require_superuser(actor)
    said = [text.strip() for text in (path, commit, sdk)]
    whole, wrong = _commit(Path(said[0]), said[1])
    violations = [*_wrong_name(name), *wrong, *_wrong_sdk(said[2])]
    if violations:
        raise InvalidArgument(violations)
    return _write(actor, name, {"path": said[0], "commit": whole, "sdk": said[2]})


@transaction.atomic
def _write(actor: Actor, name: str, said: dict[str, Any]) -> CookbookCheckout:
    row = CookbookCheckout.objects.select_for_update().filter(name=name).first()
    before = {field: getattr(row, field) for field in said} if row else None
    row = row or CookbookCheckout(name=name)
    for field, value in said.items():
        setattr(row, field, value)
    row.save()
    if before != said:
        record(actor=actor, verb="set_checkout", target=row.resource_name, account=None, before=before, after=said)
    return row


def _wrong_name(name: str) -> list[Violation]:
    if is_id(name) and len(name) <= NAME_LENGTH:
        return []
    rule = f"use 1 to {NAME_LENGTH} characters of a-z, 0-9 and hyphen"
    return [Violation("name", f"{name[:70]!r} is no name of a checkout: {rule}.")]


def _wrong_sdk(sdk: str) -> list[Violation]:
    if _SDK.fullmatch(sdk):
        return []
    return [Violation("sdk", f"{sdk[:40]!r} is no version of the official SDK. Write it as {SDK_VERSION}.")]


def _commit(path: Path, commit: str) -> tuple[str, list[Violation]]:
    """The whole id of the commit, and why there is none with the cookbook's recipes."""
    if not path.is_absolute() or len(str(path)) > PATH_LENGTH or not path.is_dir():
        return "", [Violation("path", f"{str(path)[:200]!r} is no folder. Name it by its whole path on the workers.")]
    if not re.fullmatch(r"[\w./-]{1,200}", commit) or commit.startswith("-"):
        return "", [
            Violation("commit", f"{commit[:80]!r} is no commit. Write its id, as `git rev-parse HEAD` says it.")
        ]
    if _is_anothers(path):
        sentence = (
            f"git reads {path} for its owner alone. Give it to the workers' user (chown -R), or let that user read"
        )
        return "", [Violation("path", f"{sentence} it: git config --global --add safe.directory {path}.")]
    whole = _git(path, "rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}")
    if not re.fullmatch(r"[0-9a-f]{40}", whole):
        return "", [Violation("commit", f"git knows no commit {commit[:80]!r} in {path}. Fetch it there first.")]
    folder = MODULE.replace(".", "/")
    found = _git(path, "ls-tree", "--name-only", whole, folder).splitlines()
    if not {f"{folder}{each.module}.py" for each in OFFICIAL} & set(found):
        sentence = (
            f"{path} has no recipe that Slipway knows in {folder} at {whole[:12]}. Name a checkout of the cookbook."
        )
        return "", [Violation("path", sentence)]
    return whole, []


def _is_anothers(path: Path) -> bool:
    done = _run(path, "rev-parse", "--git-dir")
    return done is not None and "safe.directory" in done.stderr


def _git(path: Path, *arguments: str) -> str:
    done = _run(path, *arguments)
    return done.stdout.strip() if done and done.returncode == 0 else ""


def _run(path: Path, *arguments: str) -> subprocess.CompletedProcess[str] | None:
    command = ["git", "-C", str(path), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return None
