"""Take a dataset one step further: bring its file where it lies on a connection, check it, and say what was found."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import structlog
from django.db import transaction
from django.utils import timezone

from datasets.checking.check import CheckedRows, check_rows
from datasets.domain.move_dataset import move
from datasets.models import Dataset
from datasets.states import DatasetState
from datasets.storage import keep_file, open_file, remove_file
from queues import leases
from wire.counts import quantity

MOST_FAILURES = 5
"""In a row, such as workers that died over it: then a person has to look."""
log = structlog.get_logger(__name__)


class _DatasetOvertaken(Exception):
    """Another worker holds the row, or somebody deleted it."""


def advance_dataset(dataset_pk: int) -> timedelta | None:
    """One step. Answers when the next one is due; None where there is none, or another worker sees to it.

    Whoever dies meanwhile leaves the row as it was: the next one reads the file again from its beginning.
    """
    claimed = _claim(dataset_pk)
    if claimed is None:
        return None
    dataset, lease = claimed
    with lease.kept():
        try:
            if dataset.failures > MOST_FAILURES:
                why = "The check was begun and not ended too often. Look at the worker's log, and upload it again."
                _end(lease, {}, refused=why)
            else:
                _check(dataset, lease)
        except _DatasetOvertaken:
            log.info("dataset.overtaken", dataset=dataset.pk)
        except OSError as error:
            log.warning("dataset.unreadable", dataset=dataset.pk, error=repr(error))
            return _put_off(lease, "Its file cannot be read now. This is tried again.")
    return None


@transaction.atomic
def _claim(dataset_pk: int) -> tuple[Dataset, leases.Lease] | None:
    rows = Dataset.objects.filter(state=DatasetState.CHECKING)
    claimed = leases.claim(rows, dataset_pk, now=timezone.now())
    return None if claimed is None else claimed[:2]


def _check(dataset: Dataset, lease: leases.Lease) -> None:
    with open_file(dataset.uid) as file:
        found = check_rows(file, told=_teller(lease))
    if found.size_bytes != dataset.size_bytes:
        raise OSError(f"{found.size_bytes} bytes lie there, of {dataset.size_bytes}")
    if not found.is_refused:
        keep_file(dataset.uid)
    _end(lease, _columns(found), refused=_refusal(found))
    if found.is_refused:
        remove_file(dataset.uid)


def _columns(found: CheckedRows) -> dict[str, Any]:
    return {
        "checked_bytes": found.size_bytes,
        "sha256": found.sha256,
        "format": found.format or "",
        "rows": found.rows,
        "findings": [finding.as_json() for finding in found.findings],
        "lengths": found.lengths.as_json(),
        "samples": found.samples,
    }


def _refusal(found: CheckedRows) -> str:
    """Why it is refused, in a sentence; "" where it is not."""
    if not found.is_refused:
        return ""
    problems = [finding for finding in found.findings if finding.wording.refuses]
    total, first = sum(finding.count for finding in problems), problems[0]
    place = first.examples[0]["line"]
    return f"{quantity(total, 'problem')}, such as in line {place:,}: {first.wording.title}. {first.wording.remedy}"


def _teller(lease: leases.Lease) -> Callable[[int], None]:
    """Write down how far it is. Errors: `_DatasetOvertaken`, so that nobody reads for nothing."""

    def tell(checked: int) -> None:
        leased = Dataset.objects.filter(pk=lease.pk, lease_token=lease.token)
        if not leased.update(checked_bytes=checked):
            raise _DatasetOvertaken

    return tell


@transaction.atomic
def _end(lease: leases.Lease, columns: dict[str, Any], *, refused: str) -> None:
    """Errors: `_DatasetOvertaken`."""
    row = _held(lease)
    for name, value in columns.items():
        setattr(row, name, value)
    now = timezone.now()
    move(row, DatasetState.REFUSED if refused else DatasetState.READY, now=now, detail=refused)
    row.give_back(due=now)
    row.save()


@transaction.atomic
def _put_off(lease: leases.Lease, why: str) -> timedelta | None:
    try:
        row = _held(lease)
    except _DatasetOvertaken:
        return None
    row.failures, row.detail = row.failures + 1, why
    delay = leases.backoff(row.failures)
    row.give_back(due=timezone.now() + delay)
    row.save()
    return delay


def _held(lease: leases.Lease) -> Dataset:
    """The row, locked. Errors: `_DatasetOvertaken`."""
    row = Dataset.objects.select_for_update().filter(pk=lease.pk, lease_token=lease.token).first()
    if row is None:
        raise _DatasetOvertaken
    return row
