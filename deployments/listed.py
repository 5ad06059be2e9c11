"""Deployments as OpenAI's clients read a list of models."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from deployments.models import Deployment


def models_answer(rows: Iterable[Deployment]) -> dict[str, Any]:
    """The body, as they are recorded here. The rows need `account`."""
    return {"object": "list", "data": [_listed(row) for row in rows]}


def _listed(row: Deployment) -> dict[str, Any]:
    return {
        "id": row.name,
        "object": "model",
        "created": int(row.created_at.timestamp()),
        "owned_by": row.account.account_id,
        "root": row.serves,
        "snapshot_identity": row.loaded or None,
        "max_model_len": row.spec["max_context_length"],
        "state": row.state,
    }
