"""Datasets through their verbs: pieces, the check, deaths in between, and what is never changed after."""

from __future__ import annotations

import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts.actors import user_actor
from accounts.models import AuditEntry
from accounts.roles import Role
from datasets.checking.problems import RowProblem
from datasets.domain.advance_dataset import advance_dataset
from datasets.domain.delete_dataset import delete_dataset
from datasets.domain.receive_piece import receive_piece
from datasets.domain.tidy_datasets import ABANDONED, tidy_datasets
from datasets.models import Dataset
from datasets.states import DatasetState
from datasets.storage import file_of, stored
from tests.datasets.makers import CHAT, begin_dataset, lines, make_dataset, send
from tests.disks import fill, small_disk
from tests.makers import make_member
from wire.errors import (
    AlreadyExists,
    Conflict,
    FailedPrecondition,
    InvalidArgument,
    PermissionDenied,
    ResourceExhausted,
)

DATA = lines(*CHAT)
pytestmark = pytest.mark.django_db


def test_a_file_is_taken_in_pieces_checked_and_kept() -> None:
    dataset = begin_dataset()
    assert send(dataset, DATA[:50], total=len(DATA)).received_bytes == 50
    assert send(dataset, DATA[:50], total=len(DATA)).received_bytes == 50, "said again"
    with pytest.raises(Conflict, match="byte 50"):
        send(dataset, DATA[60:], start=60, total=len(DATA))
    assert send(dataset, DATA[50:], start=50, total=len(DATA)).state == DatasetState.CHECKING
    assert send(dataset, DATA[50:], start=50, total=len(DATA)).state == DatasetState.CHECKING, "its answer got lost"
    assert advance_dataset(dataset.pk) is None
    dataset.refresh_from_db()
    assert (dataset.state, dataset.format, dataset.rows) == (DatasetState.READY, "CHAT", 3)
    assert dataset.sha256 == hashlib.sha256(DATA).hexdigest() and file_of(dataset.uid).read_bytes() == DATA
    assert dataset.samples[0]["turns"][0] == {"label": "user", "text": "What is 1?", "learnt": False, "cut": False}
    with pytest.raises(FailedPrecondition):
        send(dataset, b"more", total=4)


def test_what_is_ready_never_changes() -> None:
    dataset = make_dataset()
    with pytest.raises(IntegrityError, match="frozen"), transaction.atomic():
        Dataset.objects.filter(pk=dataset.pk).update(sha256="0" * 64)


def test_a_refused_file_is_not_kept() -> None:
    dataset = make_dataset(data=b'{"text": "a"}\nno json\n')
    assert dataset.state == DatasetState.REFUSED and "line 2" in dataset.detail
    assert dataset.findings[0]["problem"] == RowProblem.NOT_JSON and list(stored()) == []


def test_a_worker_that_died_leaves_the_file_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = make_dataset(is_checked=False)

    def die(*_: Any, **__: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as patched, pytest.raises(SystemExit):
        patched.setattr("datasets.domain.advance_dataset.give_on", die)  # the file is moved, its row is not written
        advance_dataset(dataset.pk)
    Dataset.objects.filter(pk=dataset.pk).update(lease_until=timezone.now(), next_check_at=timezone.now())
    tidy_datasets(now=timezone.now())
    advance_dataset(dataset.pk)
    dataset.refresh_from_db()
    assert dataset.state == DatasetState.READY and file_of(dataset.uid).read_bytes() == DATA


def test_a_piece_that_was_written_before_its_row_is_written_again() -> None:
    dataset = begin_dataset()
    with transaction.atomic():  # as if the machine went down before the commit
        send(dataset, DATA[:90], total=len(DATA))
        transaction.set_rollback(True)
    other = lines({"text": "another file"})
    send(dataset, other)
    advance_dataset(dataset.pk)
    dataset.refresh_from_db()
    assert file_of(dataset.uid).read_bytes() == other and dataset.format == "TEXT"


def test_a_body_that_breaks_off_is_not_taken() -> None:
    dataset = begin_dataset()
    with pytest.raises(InvalidArgument, match="ends before"):
        receive_piece(
            actor=user_actor(dataset.owner), dataset=dataset, source=io.BytesIO(b"short"), start=0, length=9, total=9
        )
    dataset.refresh_from_db()
    assert dataset.received_bytes == 0


@pytest.mark.parametrize(
    ("start", "length", "total"), [(0, 0, 5), (0, 5, 4), (0, 9_000_000, 9_000_000), (0, 5, 2**31 + 1)]
)
def test_pieces_that_cannot_be(start: int, length: int, total: int) -> None:
    dataset = begin_dataset()
    with pytest.raises(InvalidArgument):
        receive_piece(
            actor=user_actor(dataset.owner),
            dataset=dataset,
            source=io.BytesIO(),
            start=start,
            length=length,
            total=total,
        )


def test_the_quota_counts_what_was_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "SLIPWAY_DATASETS_GB", 1)
    first = begin_dataset(size_bytes=700_000_000)
    with pytest.raises(ResourceExhausted, match="SLIPWAY_DATASETS_GB"):
        begin_dataset(account=first.account, owner=first.owner, size_bytes=400_000_000)
    begin_dataset(size_bytes=400_000_000)  # of another account
    delete_dataset(actor=user_actor(first.owner), dataset=first)
    begin_dataset(account=first.account, owner=first.owner, size_bytes=400_000_000)


@pytest.mark.django_db(transaction=True)
def test_nothing_else_of_the_account_waits_while_a_first_piece_is_taken() -> None:
    dataset = begin_dataset()

    def make_another() -> Dataset:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '3s'")
            return begin_dataset(account=dataset.account, owner=dataset.owner)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as other, transaction.atomic():
        send(dataset, DATA[:50], total=len(DATA))
        assert other.submit(make_another).result().account == dataset.account


def test_a_full_disk_is_said_and_the_upload_goes_on_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "SLIPWAY_LEAST_FREE_MB", 0)
    with small_disk(tmp_path / "small", "1m") as disk:
        monkeypatch.setattr(settings, "SLIPWAY_HOME", disk)
        dataset, data = begin_dataset(), DATA + b"\n" * 9000
        send(dataset, data[:50], total=len(data))
        filler = fill(disk)
        with pytest.raises(ResourceExhausted, match="nearly full"), transaction.atomic():
            send(dataset, data[50:], start=50, total=len(data))
        filler.unlink()
        assert send(dataset, data[50:], start=50, total=len(data)).state == DatasetState.CHECKING


def test_who_may_delete_it() -> None:
    dataset = make_dataset()
    colleague, publisher = (make_member(account=dataset.account, role=role) for role in (Role.LAUNCHER, Role.PUBLISHER))
    with pytest.raises(PermissionDenied):
        delete_dataset(actor=user_actor(colleague), dataset=dataset)
    with pytest.raises(AlreadyExists):
        begin_dataset(account=dataset.account, owner=colleague, dataset_id=dataset.dataset_id)
    delete_dataset(actor=user_actor(publisher), dataset=dataset)
    assert AuditEntry.objects.filter(verb="delete_dataset", target=dataset.name).count() == 1
    tidy_datasets(now=timezone.now())
    assert list(stored()) == []
    begin_dataset(account=dataset.account, owner=colleague, dataset_id=dataset.dataset_id)


def test_an_upload_that_nobody_goes_on_with_is_given_up() -> None:
    dataset, other = begin_dataset(), make_dataset()
    send(dataset, DATA[:50], total=len(DATA))
    assert tidy_datasets(now=timezone.now()) == 0
    assert tidy_datasets(now=timezone.now() + ABANDONED + timedelta(minutes=1)) == 1
    dataset.refresh_from_db()
    assert dataset.state == DatasetState.DELETED and list(stored()) == [other.uid]
