"""Celery tasks: each carries an id and calls one verb. A lost task is made good by the sweep."""

from __future__ import annotations

from celery import shared_task

from publishing.domain.advance_validation import advance_validation
from publishing.domain.sweep_validations import sweep_validations
from publishing.hints import ADVANCE
from queues.hints import hint


@shared_task(name=ADVANCE)
def advance(validation_pk: int) -> None:
    """One step of a validation, and a hint for the next."""
    delay = advance_validation(validation_pk)
    if delay is not None:
        hint(ADVANCE, validation_pk, delay=delay.total_seconds())


@shared_task(name="publishing.sweep")
def sweep() -> None:
    """Find what is due."""
    sweep_validations()
