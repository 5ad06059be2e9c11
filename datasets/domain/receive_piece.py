"""Take a piece of a dataset's file: written behind what is here, and on the disk before the row says so."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from accounts.actors import Actor
from datasets.domain.control_dataset import lock_for
from datasets.domain.move_dataset import move
from datasets.domain.reserve_space import reserve_space
from datasets.hints import ADVANCE
from datasets.models import Dataset
from datasets.states import DatasetState
from datasets.storage import PieceSource, write_piece
from queues.hints import hint_on_commit
from wire.errors import Conflict, FailedPrecondition, InvalidArgument, Violation

LARGEST_PIECE = 8 * 1024 * 1024


@transaction.atomic
def receive_piece(
    *, actor: Actor, dataset: Dataset, source: PieceSource, start: int, length: int, total: int, field: str = "body"
) -> Dataset:
    """The dataset with the bytes from `start` on, of a file of `total` bytes; CHECKING with the last of them.

    A piece that is here already changes nothing, so a sender who did not hear the answer repeats it. Two senders of one
    file wait for each other. Errors: `NotFound`, `PermissionDenied`; `Conflict` for a piece that does not begin where
    the file here ends, `FailedPrecondition` where no file is waited for; `InvalidArgument` naming `field`;
    `ResourceExhausted` where there is no room.
    """
    row = lock_for(actor, dataset)
    if row.state != DatasetState.UPLOADING and total == row.size_bytes and start + length <= row.received_bytes:
        return row
    if row.state != DatasetState.UPLOADING or row.source_path:
        raise FailedPrecondition(f"{row.dataset_id} is {row.state}: it takes no file. Make another dataset.")
    if not 0 < length <= LARGEST_PIECE or start + length > total:
        limit = f"A piece has 1 to {LARGEST_PIECE:,} bytes within the file; these are {length:,} from {start:,} on"
        raise InvalidArgument([Violation(field, f"{limit}, of {total:,}. Send another piece.")])
    reserve_space(row, total, field=field)
    if start + length <= row.received_bytes:
        return row
    if start != row.received_bytes:
        raise Conflict(
            f"{row.received_bytes:,} bytes of {row.dataset_id} are here, and this piece begins at {start:,}. Go on "
            f"from byte {row.received_bytes}.",
            reason="OTHER_PLACE",
        )
    try:
        write_piece(row.uid, source, start=start, length=length)
    except EOFError:
        said = f"The body ends before the {length:,} bytes that were announced. Send the piece again."
        raise InvalidArgument([Violation(field, said)]) from None
    row.received_bytes, row.updated_at = start + length, timezone.now()
    if row.received_bytes == row.size_bytes:
        move(row, DatasetState.CHECKING, now=row.updated_at)
        hint_on_commit(ADVANCE, row.pk)
    row.save()
    return row
