"""Datasets for the screenshots and the search for barriers; a part of `benchmarks.sample_data`."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Sequence
from typing import Any

from accounts.actors import Actor
from accounts.models import Account
from datasets.domain.advance_dataset import advance_dataset
from datasets.domain.create_dataset import create_dataset
from datasets.domain.receive_piece import receive_piece
from datasets.models import Dataset

ASKED = ("How do I get my money back?", "Where is my parcel?", "Can I change the address?", "Do you ship abroad?")
ANSWERED = "Open the order, choose Return, and print the label. The money is with you within {} days."


def datasets(actor: Actor, account: Account) -> dict[str, str]:
    """One that is ready, with warnings; one that is refused; and one whose upload broke off."""
    ready = _checked(
        actor, account, "support-answers", [_chat(n) for n in range(400)] + [_chat(7)], "What support says"
    )
    broken: list[Any] = [{"prompt": "2+2", "completion": "4"}, {"prompt": "3+3", "completion": " "}, {"text": "x"}]
    refused = _checked(actor, account, "arithmetic", broken)
    begun = create_dataset(actor=actor, account=account, dataset_id="forum-posts", size_bytes=40_000_000)
    piece = b'{"text": "A post."}\n' * 100_000
    begun = receive_piece(
        actor=actor, dataset=begun, source=io.BytesIO(piece), start=0, length=len(piece), total=40_000_000
    )
    return {
        "dataset": f"/datasets/{ready.uid}",
        "dataset-delete": f"/datasets/{ready.uid}/delete",
        "dataset-refused": f"/datasets/{refused.uid}",
        "dataset-uploading": f"/datasets/{begun.uid}",
    }


def _chat(number: int) -> dict[str, Any]:
    said = ANSWERED.format(number) * (1 + number % 9)
    asked = {"role": "user", "content": ASKED[number % len(ASKED)]}
    return {"messages": [asked, {"role": "assistant", "content": said}]}


def _checked(actor: Actor, account: Account, dataset_id: str, rows: Sequence[Any], display_name: str = "") -> Dataset:
    """The dataset once its check is over; a worker may be at it, too."""
    data = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    made = create_dataset(actor=actor, account=account, dataset_id=dataset_id, display_name=display_name)
    receive_piece(actor=actor, dataset=made, source=io.BytesIO(data), start=0, length=len(data), total=len(data))
    while made.finished_at is None:
        advance_dataset(made.pk)
        time.sleep(0.1)
        made.refresh_from_db()
    return made
