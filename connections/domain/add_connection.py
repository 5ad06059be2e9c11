"""Add a connection."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction
from django.db.models import Max

from accounts.actors import Actor, require_superuser
from accounts.domain.record import record
from connections.domain.checks import read_written, wrong_secret, wrong_title
from connections.domain.held import hold_order
from connections.kinds import KINDS
from connections.models import NAME_LENGTH, Connection
from connections.sealing import seal
from wire.errors import InvalidArgument, Violation
from wire.names import is_id, near_id

RESERVED = frozenset({"new"})
"""Addresses of pages that stand where a connection's own would."""


@transaction.atomic
def add_connection(
    *, actor: Actor, name: str, kind: str, config: Mapping[str, str], display_name: str = "", secret: str = ""
) -> Connection:
    """Open, the last in the order, and nobody's yet: `lend_connection` says who may use it. Its name is for ever.

    Errors: `PermissionDenied` for all but superusers, `InvalidArgument` with every violation.
    """
    require_superuser(actor)
    hold_order()
    violations = [*_wrong_name(name), *wrong_title(display_name)]
    chosen = KINDS.get(kind)
    if chosen is None or chosen.one_only:
        violations.append(_wrong_kind(kind))
        raise InvalidArgument(violations)
    stored, wrong = read_written(chosen, config)
    violations += [*wrong, *wrong_secret(chosen, secret, is_set=False)]
    if violations:
        raise InvalidArgument(violations)
    last = Connection.objects.aggregate(last=Max("position"))["last"] or 0
    connection = Connection.objects.create(
        name=name,
        kind=kind,
        display_name=display_name.strip() or name,
        config=stored,
        secret=seal(secret.strip()),
        position=last + 1,
    )
    record(
        actor=actor,
        verb="add_connection",
        target=connection.resource_name,
        account=None,
        after={"kind": kind, "displayName": connection.display_name, "config": connection.config}
        | ({"secret": "set"} if connection.secret else {}),
    )
    return connection


def _wrong_name(name: str) -> list[Violation]:
    if not is_id(name) or len(name) > NAME_LENGTH:
        near = near_id(name)[:NAME_LENGTH].rstrip("-")
        such = f", such as {near}" if near else ""
        rule = f"use 1 to {NAME_LENGTH} characters of a-z, 0-9 and hyphen, starting and ending with a letter or digit"
        return [Violation("name", f"{name[:70]!r} is no name of a connection: {rule}{such}.")]
    if name in RESERVED:
        return [Violation("name", f"{name!r} is the address of a page; choose another.")]
    if Connection.objects.filter(name=name).exists():
        return [Violation("name", f"There is a connection {name!r} already, or was one; choose another.")]
    return []


def _wrong_kind(kind: str) -> Violation:
    if kind in KINDS:
        return Violation("kind", f"There is one connection of the kind {kind} only; the set-up made it.")
    known = ", ".join(name for name, each in KINDS.items() if not each.one_only)
    return Violation("kind", f"There is no kind {kind[:80]!r}. There are: {known or 'none that can be added'}.")
