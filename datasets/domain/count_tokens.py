"""Count the tokens that somebody asked for, under a lease."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from connections.opened import token_counter
from connections.providers.errors import Rejected, Retryable
from connections.providers.optional import TokenLengths
from datasets.models import TokenCount
from datasets.states import DatasetState
from datasets.storage import file_of
from queues import leases

MOST_FAILURES = 5


def count_tokens(pk: int) -> timedelta | None:
    """Answers when it is due again; None where it is over, or another worker's."""
    with transaction.atomic():
        rows = TokenCount.objects.select_related("dataset", "connection")
        claimed = leases.claim(rows, pk, now=timezone.now())
    if claimed is None:
        return None
    row, lease, _ = claimed
    with lease.kept():
        try:
            found = _count(row)
        except Rejected as error:
            _end(lease, detail=str(error))
        except (Retryable, OSError) as error:
            return _put_off(row, lease, str(error))
        else:
            lengths = {"counts": list(found.counts), "total": found.tokens, "longest": found.longest}
            _end(lease, lengths=lengths, samples=list(found.samples))
    return None


def _count(row: TokenCount) -> TokenLengths:
    """Errors: `Rejected`, `Retryable`, `OSError`."""
    counter = token_counter(row.connection)
    if row.dataset.state != DatasetState.READY or counter is None:
        raise Rejected("The dataset, or the connection that has the tokenizer, is gone.")
    return counter.count_tokens(row.base_model, file_of(row.dataset.uid))


def _put_off(row: TokenCount, lease: leases.Lease, why: str) -> timedelta | None:
    failures = row.failures + 1
    if failures > MOST_FAILURES:
        _end(lease, detail=f"It was tried {failures} times. {why}")
        return None
    delay = leases.backoff(failures)
    _write(lease, failures=failures, next_check_at=timezone.now() + delay)
    return delay


def _end(lease: leases.Lease, **columns: Any) -> None:
    _write(lease, finished_at=timezone.now(), **columns)


def _write(lease: leases.Lease, **columns: Any) -> None:
    TokenCount.objects.filter(pk=lease.pk, lease_token=lease.token).update(
        lease_token=None, lease_until=None, **columns
    )
