"""Change where a connection leads, what it is called, or its secret."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from accounts.actors import Actor, require_superuser
from accounts.domain.record import record
from connections.domain.checks import read_written, wrong_removal, wrong_secret, wrong_title
from connections.domain.held import hold
from connections.kinds import KINDS
from connections.models import Connection
from connections.sealing import seal
from wire.errors import FailedPrecondition, InvalidArgument


@transaction.atomic
def edit_connection(
    *,
    actor: Actor,
    connection: Connection,
    config: Mapping[str, str],
    display_name: str = "",
    secret: str = "",
    remove_secret: bool = False,
) -> Connection:
    """Name and kind stay. `config` is all of it but for locked fields, which keep what they said; no secret: the old.

    `remove_secret` has it be without one, where its kind may.

    It is tried at once, however long it has not answered. Errors: `PermissionDenied` for all but superusers,
    `NotFound`, `InvalidArgument` with every violation, `FailedPrecondition` where the kind is of another release.
    """
    require_superuser(actor)
    row = hold(connection)
    kind = KINDS.get(row.kind)
    if kind is None:
        raise FailedPrecondition(f"This release knows no connections of the kind {row.kind!r}.")
    stored, wrong = read_written(kind, config)
    violations = [*wrong_title(display_name), *wrong, *wrong_secret(kind, secret, is_set=bool(row.secret))]
    violations += wrong_removal(kind, secret) if remove_secret else []
    if violations:
        raise InvalidArgument(violations)
    before = _words(row)
    locked = {name: text for name, text in row.config.items() if name in kind.locked}
    row.config = stored | locked
    row.display_name = display_name.strip() or row.name
    row.next_try_at = None
    after = _words(row)
    if remove_secret and row.secret:
        row.secret, after["secret"] = "", "removed"
    elif secret.strip():
        row.secret, after["secret"] = seal(secret.strip()), "changed"
    if before != after:
        row.save(update_fields=["config", "display_name", "secret", "next_try_at"])
        _note(actor, row, before, after)
    return row


def _words(row: Connection) -> dict[str, Any]:
    return {"displayName": row.display_name, "config": row.config}


def _note(actor: Actor, row: Connection, before: dict[str, Any], after: dict[str, Any]) -> None:
    changed = {name for name in after if before.get(name) != after[name]}
    record(
        actor=actor,
        verb="edit_connection",
        target=row.resource_name,
        account=None,
        before={name: before[name] for name in before if name in changed},
        after={name: after[name] for name in after if name in changed},
    )
