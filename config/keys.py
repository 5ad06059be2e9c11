"""The keys that a Slipway stands on: given by a variable or its file, else kept in SLIPWAY_HOME.

Where several processes have homes of their own, a key that one of them makes is none of the others'. So keys are made
by `./run`, which has one home, and by `manage make_keys`, and nobody else: a process without them does not serve.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path

import structlog
from cryptography.fernet import Fernet
from django.conf import settings

from accounts.secret_key import secret_weakness
from config.environment import read
from config.environment_variable import SettingError
from wire.manifests import new_signing_key

SECRET, SEALING, SIGNING = "secret-key", "sealing-key", "signing-key"
KEPT: dict[str, tuple[str, Callable[[], str]]] = {
    SECRET: ("SLIPWAY_SECRET_KEY", lambda: secrets.token_urlsafe(48)),
    SEALING: ("SLIPWAY_SEALING_KEYS", lambda: Fernet.generate_key().decode()),
    SIGNING: ("SLIPWAY_SIGNING_KEY", new_signing_key),
}
"""The variable of each, and how one is made; by its name in SLIPWAY_HOME."""

log = structlog.get_logger(__name__)


def key_of(home: Path, name: str, *, make: bool) -> str:
    """The key in force, several between commas; "" where there is none and none is made. Errors: `SettingError`."""
    variable, new = KEPT[name]
    given = read(variable)
    if given:
        return given if isinstance(given, str) else ",".join(given)
    path = home / name
    if not path.exists() and not make:
        return ""
    return _kept_key(path, new)


def make_keys(home: Path) -> list[str]:
    """Make those that are neither given nor kept; returns the files that were made. Errors: `SettingError`."""
    made = [name for name in KEPT if not key_of(home, name, make=False)]
    for name in made:
        key_of(home, name, make=True)
    return [str(home / name) for name in made]


def require_keys() -> None:
    """Pass where this process has every key. Errors: `SettingError`, which says what to do."""
    home = settings.SLIPWAY_HOME
    missing = [variable for name, (variable, _) in KEPT.items() if not key_of(home, name, make=False)]
    if missing:
        raise SettingError(
            f"{', '.join(missing)} not set, and {home} keeps none. Give every process the same, by the variable or by "
            "a file that the variable's name with _FILE names; or, where all share that folder, run `python manage.py "
            "make_keys` there once."
        )


def require_keys_or_exit() -> None:
    """The same for a process that serves, which otherwise ends with one line of its log.

    A weak secret key is said and served with: a deployment that runs on one would be down after an upgrade.
    """
    try:
        require_keys()
    except SettingError as error:
        sys.exit(f"slipway: {error}")
    if weakness := secret_weakness():
        log.warning("keys.weak", reason=weakness)


def changed_keys() -> str:
    """Which keys are not those any more that this process started with, as a sentence; "" where all are."""
    started = {SECRET: settings.SECRET_KEY, SEALING: ",".join(settings.SLIPWAY_SEALING_KEYS)}
    started[SIGNING] = settings.SLIPWAY_SIGNING_KEY
    home = settings.SLIPWAY_HOME
    changed = [KEPT[name][0] for name, value in started.items() if key_of(home, name, make=False) != value]
    return f"changed since this process started: {', '.join(changed)}; restart it" if changed else ""


def _kept_key(path: Path, make: Callable[[], str]) -> str:
    """A key that is made once and kept there, readable by the owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}")
    if not path.exists():
        part.touch(mode=0o600)
        part.write_text(make())
        with contextlib.suppress(FileExistsError):
            os.link(part, path)  # link, not rename: of two processes that start together the first one's key stays
        part.unlink()
    return path.read_text()
