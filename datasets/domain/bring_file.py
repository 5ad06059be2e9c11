"""Bring the file of a dataset that lies in a connection's directory: a copy, which nobody changes after."""

from __future__ import annotations

import os
from typing import BinaryIO

from django.db import transaction

from connections.opened import data_directories
from connections.providers.data_directories import directory_of, open_below
from datasets.domain.hold_dataset import held, note
from datasets.domain.receive_piece import LARGEST_PIECE
from datasets.domain.reserve_space import reserve_space
from datasets.models import Dataset
from datasets.storage import remove_copies, write_piece
from queues import leases
from wire.errors import FailedPrecondition, InvalidArgument

CHANGED = "The file changed while it was copied. Let it be as it is, and take it again."


def bring_file(dataset: Dataset, lease: leases.Lease) -> int:
    """Copy all of it under the lease's token, and answer how many bytes that are.

    Errors: `Refusal` where the same will not do, `ResourceExhausted` among them where there is no room; `OSError`,
    `DatasetOvertaken`.
    """
    try:
        with _opened(dataset) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            _reserve(lease, size)
            for start in range(0, size, LARGEST_PIECE):
                length = min(LARGEST_PIECE, size - start)
                write_piece(dataset.uid, file, start=start, length=length, lease=lease.token)
                note(lease, received_bytes=start + length)
            if file.read(1):
                raise FailedPrecondition(CHANGED)
            return size
    except EOFError:
        raise FailedPrecondition(CHANGED) from None


def _opened(dataset: Dataset) -> BinaryIO:
    """Errors: `FailedPrecondition`, `OSError`."""
    directories = data_directories(dataset.connection) if dataset.connection else ()
    directory = directory_of(dataset.source_path, directories)
    if not directory:
        raise FailedPrecondition(
            f"{dataset.source_path} lies below no directory for datasets of a connection any more."
        )
    try:
        return open_below(directory, dataset.source_path)
    except FileNotFoundError:
        raise FailedPrecondition(
            f"There is no file {dataset.source_path} on the worker's machine, or a part of its path below {directory} "
            "is a link, which is not followed."
        ) from None
    except PermissionError:
        raise FailedPrecondition(f"Slipway may not read {dataset.source_path}: open it to Slipway's user.") from None


@transaction.atomic
def _reserve(lease: leases.Lease, size: int) -> None:
    row = held(lease)
    remove_copies(row.uid)  # of workers that died over it
    if row.size_bytes != size:
        row.size_bytes, row.received_bytes = None, 0
    try:
        reserve_space(row, size, field="path")
    except InvalidArgument as error:
        raise FailedPrecondition(error.violations[0].description) from None
    row.save()
