"""Remove the files of a deleted launch once it is over."""

from __future__ import annotations

from django.utils import timezone

from connections.opened import provider_to_act
from connections.providers.base import Gone, Retryable
from connections.states import ConnectionState
from launches.models import Launch


def purge_launch(launch_pk: int) -> bool:
    """Whether its files are gone now. Removing twice is harmless, so this needs no lease."""
    launch = (
        Launch.objects.select_related("account", "connection")
        .filter(pk=launch_pk, deleted_at__isnull=False, purged_at__isnull=True)
        .exclude(attempts__finished_at__isnull=True)
        .first()
    )
    if launch is None:
        return False
    if launch.attempts.filter(submitted_at__isnull=False).exists() and not _remove(launch):
        return False  # where the provider never took it, what has its id there is another's
    launch.checkpoints.all().delete()
    Launch.objects.filter(pk=launch.pk).update(purged_at=timezone.now())
    return True


def _remove(launch: Launch) -> bool:
    """Whether the provider keeps nothing of it any more, or can never be asked again."""
    if launch.connection.state == ConnectionState.RETIRED:
        return True
    try:
        provider_to_act(launch.connection).delete(launch.account.account_id, launch.job_id)
    except Gone:
        pass
    except Retryable:
        return False
    return True
