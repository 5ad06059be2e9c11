"""Say where weights may be pushed to: a new destination, or what one says from now on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from accounts.actors import Actor, require_superuser
from accounts.domain.record import record
from connections.domain.checks import LONGEST_SECRET
from connections.models import ADDRESS_LENGTH, KEY_ID_LENGTH, NAME_LENGTH, REGION_LENGTH, Destination
from connections.sealing import Unsealable, seal, unseal
from connections.stores import StoreAddress
from wire.errors import InvalidArgument, Violation
from wire.names import is_id

RESERVED = frozenset({"new"})


@transaction.atomic
def set_destination(
    *, actor: Actor, name: str, address: str, endpoint: str = "", region: str = "", key_id: str = "", secret: str = ""
) -> Destination:
    """By its name, which stays. Of one that is there already, no secret means the old one.

    What is under way goes on to where it led. Errors: `PermissionDenied` for all but superusers, `InvalidArgument` with
    every violation.
    """
    require_superuser(actor)
    row = Destination.objects.select_for_update().filter(name=name).first() or Destination(name=name)
    is_new, before = row.pk is None, _words(row)
    said = StoreAddress(address.strip(), endpoint.strip(), region.strip(), key_id.strip(), secret.strip())
    kept = _kept_secret(row) if said.is_bucket and not said.secret else ""
    asked = StoreAddress(said.address, said.endpoint, said.region, said.key_id, said.secret or kept)
    violations = [*_wrong_name(name), *asked.violations(), *_wrong_lengths(asked), *_own_ground(asked)]
    if violations:
        raise InvalidArgument(violations)
    row.address, row.endpoint, row.region, row.key_id = asked.address, asked.endpoint, asked.region, asked.key_id
    if said.secret or not said.is_bucket:
        row.secret = seal(said.secret)
    row.save()
    after = _words(row) | ({"secret": "set" if is_new else "changed"} if said.secret else {})
    if before != after:
        record(
            actor=actor,
            verb="set_destination",
            target=row.resource_name,
            account=None,
            before=None if is_new else before,
            after=after,
        )
    return row


def _kept_secret(row: Destination) -> str:
    try:
        return unseal(row.secret)
    except Unsealable as error:
        raise InvalidArgument([Violation("secret", str(error))]) from None


def _wrong_name(name: str) -> list[Violation]:
    if is_id(name) and len(name) <= NAME_LENGTH and name not in RESERVED:
        return []
    rule = f"use 1 to {NAME_LENGTH} characters of a-z, 0-9 and hyphen, and not 'new'"
    return [Violation("name", f"{name[:70]!r} is no name of a destination: {rule}.")]


def _wrong_lengths(said: StoreAddress) -> list[Violation]:
    most = {"address": ADDRESS_LENGTH, "endpoint": ADDRESS_LENGTH, "region": REGION_LENGTH, "key_id": KEY_ID_LENGTH}
    most["secret"] = LONGEST_SECRET
    return [
        Violation(name, f"{len(getattr(said, name)):,} characters are too many; {limit:,} is the limit.")
        for name, limit in most.items()
        if len(getattr(said, name)) > limit
    ]


def _own_ground(said: StoreAddress) -> list[Violation]:
    """What is pushed must not lie among what Slipway keeps."""
    home = Path(settings.SLIPWAY_HOME).resolve()
    if said.is_bucket or not Path(said.address).resolve().is_relative_to(home):
        return []
    return [Violation("address", f"{said.address} lies in SLIPWAY_HOME ({home}), which is Slipway's own. Use another.")]


def _words(row: Destination) -> dict[str, Any]:
    return {"address": row.address, "endpoint": row.endpoint, "region": row.region, "keyId": row.key_id}
