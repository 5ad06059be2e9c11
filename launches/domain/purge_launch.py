"""Remove what is kept of a deleted launch: all but its checkpoints once it is over, those when their time is over."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone

from catalog.trained_queries import is_being_promoted
from connections.opened import place_for_runs, provider_to_act
from connections.providers.errors import Gone, Retryable
from connections.providers.spec import TrainerSpec
from connections.states import ConnectionState
from launches.models import Launch

PAUSE = timedelta(minutes=1)
"""Until it is tried again where it could not be done: the sweep must not fill the queue with what cannot be."""


def purge_launch(launch_pk: int) -> bool:
    """Whether something was removed now. Removing twice is harmless, so this needs no lease."""
    now = timezone.now()
    launch = (
        Launch.objects.select_related("account", "connection")
        .filter(pk=launch_pk, purge_due_at__lte=now)
        .exclude(attempts__finished_at__isnull=True)
        .first()
    )
    if launch is None:
        return False
    if is_being_promoted(launch.account, launch.connection, launch.known_as[1]):
        return _put_off(launch)  # its files are what is copied
    keeps = _keeps_checkpoints(launch, now)
    # Where the provider never took it, what has its id there is another's.
    if launch.attempts.filter(submitted_at__isnull=False).exists() and not _remove(launch, keep_checkpoints=keeps):
        return _put_off(launch)
    launch.attempts.exclude(log_tail="").update(log_tail="")
    if keeps:
        _due_again(launch)
        return True
    launch.checkpoints.all().delete()
    Launch.objects.filter(pk=launch.pk).update(purged_at=timezone.now(), purge_due_at=None)
    return True


def _put_off(launch: Launch) -> bool:
    """Not before its connection is asked again either."""
    due = max(timezone.now() + PAUSE, launch.connection.next_try_at or timezone.now())
    Launch.objects.filter(pk=launch.pk, purge_due_at=launch.purge_due_at).update(purge_due_at=due)
    return False


def _keeps_checkpoints(launch: Launch, now: datetime) -> bool:
    """Not where their time is over, and not where nobody could ask for them any more."""
    if launch.kept_until is None or launch.kept_until <= now or launch.connection.state == ConnectionState.RETIRED:
        return False
    return launch.checkpoints.exists()


def _due_again(launch: Launch) -> None:
    """When their time is over, unless somebody meanwhile said that it is now."""
    Launch.objects.filter(pk=launch.pk, kept_until=launch.kept_until).update(purge_due_at=launch.kept_until)


def _remove(launch: Launch, *, keep_checkpoints: bool) -> bool:
    """Whether the provider keeps nothing else of it any more, or can never be asked again."""
    if not _remove_runs(launch):
        return False
    if launch.connection.state == ConnectionState.RETIRED:
        return True
    provider = provider_to_act(launch.connection)
    try:
        provider.delete(*launch.known_as, keep_checkpoints=keep_checkpoints)
    except Gone:
        pass
    except Retryable:
        return False
    return True


def _remove_runs(launch: Launch) -> bool:
    """The same, of the recipe that drove it from here."""
    if not TrainerSpec.from_json(launch.spec).is_driven_from_here:
        return True
    try:
        if (runs := place_for_runs()) is not None:
            runs.delete(*launch.known_as)
    except Gone:
        pass
    except Retryable:
        return False
    return True
