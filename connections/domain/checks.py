"""What is wrong with what a connection is given, all of it at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connections.kinds import Kind
from connections.models import TITLE_LENGTH
from connections.providers.configs import stored_config
from wire.errors import Violation
from wire.texts import unseen_in

LONGEST_SECRET = 16_384
CONFIG = "config."
"""Stands before the name of a field of the configuration, which the kind chose."""


def wrong_title(display_name: str) -> list[Violation]:
    """Why it cannot be called that."""
    if display_name and (len(display_name) > TITLE_LENGTH or unseen_in(display_name)):
        sentence = f"{display_name[:TITLE_LENGTH]!r} is no name: use at most {TITLE_LENGTH} visible characters."
        return [Violation("display_name", sentence)]
    return []


def read_written(kind: Kind, written: Mapping[str, str]) -> tuple[dict[str, Any], list[Violation]]:
    """What is stored of a configuration, and what the kind says against it.

    What an environment variable says, nothing else can.
    """
    locked = {field.name: field for field in kind.fields if field.name in kind.locked}
    config, wrong = kind.read({name: text for name, text in written.items() if name not in locked})
    violations = [
        Violation(
            CONFIG + name,
            f"{field.label} {written[name][:80]!r} cannot be written: the environment variable {field.variable} is set "
            "and wins. Take it away to set this here.",
        )
        for name, field in locked.items()
        if name in written
    ]
    violations += [Violation(CONFIG + violation.field, violation.description) for violation in wrong]
    return {name: value for name, value in stored_config(config).items() if name not in locked}, violations


def wrong_secret(kind: Kind, secret: str, *, is_set: bool) -> list[Violation]:
    """Why the secret cannot be taken, or cannot be missing."""
    if not kind.secret_label:
        return [Violation("secret", f"{kind.label} has no secret; leave it empty.")] if secret else []
    if not secret.strip():
        needed = not is_set and not kind.may_lack_secret
        return [Violation("secret", f"{kind.secret_label} is missing.")] if needed else []
    if len(secret) > LONGEST_SECRET:
        return [Violation("secret", f"{len(secret):,} characters are too many; {LONGEST_SECRET:,} is the limit.")]
    why = kind.wrong_secret(secret)
    return [Violation("secret", why)] if why else []


def wrong_removal(kind: Kind, secret: str) -> list[Violation]:
    """Why the secret that is kept cannot be removed, while that one was written."""
    if not kind.may_lack_secret:
        sentence = f"{kind.label}: {kind.secret_label or 'a secret'} cannot be removed, only replaced."
        return [Violation("remove_secret", sentence)]
    if secret.strip():
        sentence = f"{kind.secret_label}: either write another one, or remove the one that is kept."
        return [Violation("remove_secret", sentence)]
    return []
