"""Celery tasks: each carries an id and calls one verb. A lost task is made good by the sweep."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task

from connections.queries import living_connections
from launches.domain.advance_launch import advance_launch
from launches.domain.advance_run import advance_run
from launches.domain.observe_connection import observe_connection
from launches.domain.purge_launch import purge_launch
from launches.domain.reconcile_launches import reconcile_launches
from launches.domain.sweep_launches import sweep_launches
from launches.live.hints import ADVANCE, LOOK, OBSERVE, PURGE, RECONCILE, RUN
from queues.hints import hint

AHEAD = timedelta(seconds=0.95)
"""By which a hinted look may come before it is due: so of what is looked at each second, 0.05 s after the last look."""
SOON = timedelta(seconds=5)
"""What is due later than that is left to the sweep: messages that wait in a worker come due in front of all others."""


@shared_task(name=ADVANCE)
def advance(attempt_pk: int) -> None:
    """One step of an attempt, and a hint for the next."""
    delay = advance_launch(attempt_pk)
    if delay is not None and delay < SOON:
        hint(ADVANCE, attempt_pk, delay=delay.total_seconds())


@shared_task(name=LOOK)
def look(attempt_pk: int) -> None:
    """The same a little before it is due, since there is something to see and somebody who waits for it."""
    delay = advance_launch(attempt_pk, early=AHEAD)
    if delay is not None and delay < SOON:
        hint(ADVANCE, attempt_pk, delay=delay.total_seconds())


@shared_task(name=RUN)
def run(run_pk: int) -> None:
    """One step of a recipe beside its trainer, and a hint for the next."""
    delay = advance_run(run_pk)
    if delay is not None and delay < SOON:
        hint(RUN, run_pk, delay=delay.total_seconds())


@shared_task(name=OBSERVE)
def observe(connection_pk: int) -> None:
    """Look at all that runs on a connection."""
    observe_connection(connection_pk)


@shared_task(name=PURGE)
def purge(launch_pk: int) -> None:
    """Remove the files of a deleted launch."""
    purge_launch(launch_pk)


@shared_task(name="launches.sweep")
def sweep() -> None:
    """Find what is due."""
    sweep_launches()


@shared_task(name="launches.reconcile_all")
def reconcile_all() -> None:
    """Each connection by itself, so that one that does not answer keeps no other waiting."""
    for pk in living_connections().values_list("pk", flat=True):
        reconcile.apply_async(args=[pk], expires=30)


@shared_task(name=RECONCILE)
def reconcile(connection_pk: int) -> None:
    """Compare with one, because it is time or because of a trainer there that is to end."""
    reconcile_launches(connection_pk)
