"""Make what every Slipway has: its instance id, and the connection to its own machine."""

from __future__ import annotations

import secrets
import string

from django.db import transaction

from connections.kinds import KINDS, LOCAL
from connections.models import Connection, Instance

ID_LENGTH = 10
_LETTERS = string.ascii_lowercase + string.digits


@transaction.atomic
def set_up_connections() -> None:
    """Make what is missing; nothing where all is there."""
    if not Instance.objects.exists():
        Instance.objects.get_or_create(id="".join(secrets.choice(_LETTERS) for _ in range(ID_LENGTH)))
    kind = KINDS[LOCAL]
    Connection.objects.get_or_create(
        name=LOCAL, defaults={"kind": LOCAL, "display_name": kind.label, "for_everyone": True}
    )
