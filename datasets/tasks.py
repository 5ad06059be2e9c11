"""Celery tasks: each calls one verb. A lost one is made good by the sweep."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task

from datasets.domain.advance_dataset import advance_dataset
from datasets.domain.count_tokens import count_tokens
from datasets.domain.sweep_datasets import sweep_datasets
from datasets.hints import ADVANCE, COUNT
from queues.hints import hint

LONGEST = 3600
"""Seconds: a file of 2 GB is brought and checked in minutes, on a slow disk too."""
LONG = timedelta(seconds=30)
"""What is due later than that is left to the sweep."""


@shared_task(name=ADVANCE, time_limit=LONGEST)
def advance(dataset_pk: int) -> None:
    """One step of a dataset, and a hint for the next."""
    delay = advance_dataset(dataset_pk)
    if delay is not None and delay < LONG:
        hint(ADVANCE, dataset_pk, delay=delay.total_seconds())


@shared_task(name=COUNT, time_limit=LONGEST)
def count(count_pk: int) -> None:
    """Count the tokens of a dataset, and a hint for another try."""
    delay = count_tokens(count_pk)
    if delay is not None and delay < LONG:
        hint(COUNT, count_pk, delay=delay.total_seconds())


@shared_task(name="datasets.sweep")
def sweep() -> None:
    """Find what is due."""
    sweep_datasets()
