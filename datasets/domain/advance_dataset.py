"""Take a dataset one step further: bring its file where it lies on a connection, check it, and say what was found."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import structlog
from django.db import transaction
from django.utils import timezone

from datasets.checking.check import CheckedRows, check_rows
from datasets.domain.bring_file import bring_file
from datasets.domain.hold_dataset import DatasetOvertaken, give_on, held, note, put_off
from datasets.models import Dataset
from datasets.queries import FOR_WORKERS
from datasets.states import DatasetState
from datasets.storage import keep_file, open_file, remove_copies, remove_file, take_copy
from queues import leases
from wire.counts import quantity
from wire.errors import Refusal, ResourceExhausted

MOST_FAILURES = 5
"""In a row, such as workers that died over it: then a person has to look."""
log = structlog.get_logger(__name__)


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
            return _step(dataset, lease)
        except DatasetOvertaken:
            log.info("dataset.overtaken", dataset=dataset.pk)
        except OSError as error:
            log.warning("dataset.unreadable", dataset=dataset.pk, error=repr(error))
            return put_off(lease, "Its file cannot be read now. This is tried again.")
    return None


@transaction.atomic
def _claim(dataset_pk: int) -> tuple[Dataset, leases.Lease] | None:
    rows = Dataset.objects.filter(FOR_WORKERS).select_related("connection")
    claimed = leases.claim(rows, dataset_pk, now=timezone.now())
    return None if claimed is None else claimed[:2]


def _step(dataset: Dataset, lease: leases.Lease) -> timedelta | None:
    """Errors: `DatasetOvertaken`, `OSError`."""
    if dataset.failures > MOST_FAILURES:
        _refuse(dataset, lease, f"It was tried {dataset.failures} times. {dataset.detail} Look at the worker's log.")
        return None
    if dataset.state == DatasetState.CHECKING:
        _check(dataset, lease)
        return None
    try:
        size = bring_file(dataset, lease)
        with transaction.atomic():
            held(lease)
            take_copy(dataset.uid, lease.token)
            give_on(lease, DatasetState.CHECKING, received_bytes=size)
    except Refusal as refusal:
        if isinstance(refusal, ResourceExhausted):
            return put_off(lease, refusal.message)
        _refuse(dataset, lease, refusal.message)
        return None
    finally:
        remove_copies(dataset.uid, lease.token)
    return timedelta()


def _refuse(dataset: Dataset, lease: leases.Lease, why: str, **columns: Any) -> None:
    give_on(lease, DatasetState.REFUSED, detail=why, **columns)
    remove_file(dataset.uid)


def _check(dataset: Dataset, lease: leases.Lease) -> None:
    with open_file(dataset.uid) as file:
        found = check_rows(file, told=lambda checked: note(lease, checked_bytes=checked))
    if found.size_bytes != dataset.size_bytes:
        raise OSError(f"{found.size_bytes} bytes lie there, of {dataset.size_bytes}")
    if found.is_refused:
        _refuse(dataset, lease, _refusal(found), **_columns(found))
        return
    keep_file(dataset.uid)
    give_on(lease, DatasetState.READY, **_columns(found))


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
    """Why it is refused, in a sentence."""
    problems = [finding for finding in found.findings if finding.wording.refuses]
    total, first = sum(finding.count for finding in problems), problems[0]
    place = first.examples[0]["line"]
    return f"{quantity(total, 'problem')}, such as in line {place:,}: {first.wording.title}. {first.wording.remedy}"
