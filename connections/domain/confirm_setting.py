"""Confirm what a connection showed when it was tested, such as a host key, or answer what its page asks."""

from __future__ import annotations

from django.db import transaction

from accounts.actors import Actor, require_superuser
from connections.domain.edit_connection import edit_connection
from connections.domain.held import hold
from connections.kinds import KINDS
from connections.models import Connection
from wire.errors import FailedPrecondition


@transaction.atomic
def confirm_setting(*, actor: Actor, connection: Connection, setting: str, shown: str) -> Connection:
    """It says so from now on; only where it says nothing yet: what is there is changed by Edit, by who has looked.

    Errors: as `edit_connection`; `FailedPrecondition` where the setting is none that is asked for, or says something.
    """
    require_superuser(actor)
    row = hold(connection)
    kind = KINDS.get(row.kind)
    if kind is None or setting not in kind.asked or row.config.get(setting):
        raise FailedPrecondition("There is nothing to confirm: it was set meanwhile, or is set by Edit alone.")
    kept = {name: str(value) for name, value in row.config.items() if name not in kind.locked}
    return edit_connection(actor=actor, connection=row, display_name=row.display_name, config=kept | {setting: shown})
