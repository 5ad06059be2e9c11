"""Make what every Slipway has: its instance id and the connection to its own machine; and notice a copy."""

from __future__ import annotations

import secrets
import string

import structlog
from django.db import transaction
from django.utils import timezone

from connections.home import this_home
from connections.kinds import KINDS, LOCAL
from connections.models import Connection, Instance

ID_LENGTH = 10
_LETTERS = string.ascii_lowercase + string.digits
log = structlog.get_logger(__name__)


@transaction.atomic
def set_up_connections() -> None:
    """Make what is missing; nothing where all is there.

    Another home than the one that is recorded may mean that this is a copy, whose original still drives what runs on
    connections that both can reach: until a superuser says which it is, nothing there is started or ended from here.
    """
    instance = Instance.objects.select_for_update().first()
    if instance is None:
        Instance.objects.create(id=new_instance_id(), home=this_home())
    elif not instance.home:
        Instance.objects.update(home=this_home())
    elif instance.home != this_home() and instance.doubted_at is None:
        Instance.objects.update(doubted_at=timezone.now())
        log.warning("instance.doubted", recorded=instance.home, here=this_home())
    kind = KINDS[LOCAL]
    Connection.objects.get_or_create(
        name=LOCAL, defaults={"kind": LOCAL, "display_name": kind.label, "for_everyone": True}
    )


def new_instance_id() -> str:
    """An id that no other Slipway has."""
    return "".join(secrets.choice(_LETTERS) for _ in range(ID_LENGTH))
