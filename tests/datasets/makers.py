"""Datasets for tests, made by the verbs: a file that is sent, and checked where nothing else is said."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from itertools import count
from typing import Any

from accounts.actors import user_actor
from accounts.models import Account, User
from datasets.domain.advance_dataset import advance_dataset
from datasets.domain.create_dataset import create_dataset
from datasets.domain.receive_piece import receive_piece
from datasets.models import Dataset
from tests.makers import make_account, make_member

CHAT: Sequence[dict[str, Any]] = [
    {"messages": [{"role": "user", "content": f"What is {n}?"}, {"role": "assistant", "content": f"{n}"}]}
    for n in range(1, 4)
]
_numbers = count(1)


def lines(*rows: Any) -> bytes:
    """The rows as JSONL."""
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def begin_dataset(
    *, account: Account | None = None, owner: User | None = None, dataset_id: str | None = None, **fields: Any
) -> Dataset:
    """A dataset of which nothing was sent yet."""
    account = account or make_account()
    owner = owner or make_member(account=account)
    identifier = dataset_id or f"rows-{next(_numbers)}"
    return create_dataset(actor=user_actor(owner), account=account, dataset_id=identifier, **fields)


def send(dataset: Dataset, data: bytes, *, start: int = 0, total: int | None = None) -> Dataset:
    """A piece of it, by its owner; all of it where nothing else is said."""
    return receive_piece(
        actor=user_actor(dataset.owner),
        dataset=dataset,
        source=io.BytesIO(data),
        start=start,
        length=len(data),
        total=total or len(data),
    )


def make_dataset(*, data: bytes | None = None, is_checked: bool = True, **fields: Any) -> Dataset:
    """A dataset whose file is here; READY, or REFUSED where its rows are bad."""
    dataset = send(begin_dataset(**fields), lines(*CHAT) if data is None else data)
    if is_checked:
        advance_dataset(dataset.pk)
        dataset.refresh_from_db()
    return dataset
