"""Keep what an account's datasets take within its quota."""

from __future__ import annotations

from accounts.models import Account
from datasets.models import Dataset
from datasets.queries import quota_bytes, used_bytes
from wire.errors import InvalidArgument, ResourceExhausted, Violation

LARGEST_BYTES = 2 * 1024**3
"""Of one file: 2 GB, as pages count them."""


def reserve_space(dataset: Dataset, size: int, *, field: str) -> None:
    """Note how large the file is to be, in the row that the caller saves; the account is locked until it commits.

    Errors: `InvalidArgument` naming `field` for a size that no file may have, or another than was said before;
    `ResourceExhausted` where the quota is used up.
    """
    if dataset.size_bytes == size:
        return
    if dataset.size_bytes is not None:
        said = (
            f"The file was to have {dataset.size_bytes:,} bytes, and now {size:,}. Send the same file, or begin anew."
        )
        raise InvalidArgument([Violation(field, said)])
    if not 0 < size <= LARGEST_BYTES:
        raise InvalidArgument([Violation(field, refused_size(size))])
    account = Account.objects.select_for_update(no_key=True).get(pk=dataset.account_id)
    used, quota = used_bytes(account), quota_bytes()
    if used + size > quota:
        raise ResourceExhausted(
            f"The datasets of {account.account_id} take {used:,} of {quota:,} bytes (SLIPWAY_DATASETS_GB), and this "
            f"file {size:,}. Delete one that is not needed any more.",
            reason="QUOTA",
        )
    dataset.size_bytes = size


def refused_size(size: int) -> str:
    """Why no file may be so large."""
    if size <= 0:
        return "The file is empty. Choose one with at least a row."
    return f"The file has {size:,} bytes; the limit is {LARGEST_BYTES:,}. Split it."
