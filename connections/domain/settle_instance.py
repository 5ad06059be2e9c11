"""Say which Slipway this is, after it was found in another place than before."""

from __future__ import annotations

from django.db import transaction

from accounts.actors import Actor, require_superuser
from accounts.domain.record import record
from connections.domain.set_up_connections import new_instance_id
from connections.home import this_home
from connections.models import Instance
from connections.opened import forget_opened

TARGET = "instance"


@transaction.atomic
def settle_instance(*, actor: Actor, is_copy: bool) -> Instance:
    """A copy gets an id of its own, so what the original started elsewhere is none of its business; else it is the
    original, moved, and goes on driving what it started. Nothing where nobody doubts. Errors: `PermissionDenied`.
    """
    require_superuser(actor)
    instance = Instance.objects.select_for_update().get()
    if instance.doubted_at is None:
        return instance
    before = {"id": instance.pk, "home": instance.home}
    Instance.objects.all().delete()
    settled = Instance.objects.create(id=new_instance_id() if is_copy else instance.pk, home=this_home())
    record(
        actor=actor,
        verb="settle_instance",
        target=TARGET,
        account=None,
        before=before,
        after={"id": settled.pk, "home": settled.home, "isCopy": is_copy},
    )
    transaction.on_commit(forget_opened)
    return settled
