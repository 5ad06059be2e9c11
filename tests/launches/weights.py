"""Checkpoints with files for tests: what a trainer saved for sampling on the engine in memory, and its promotion."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from accounts.actors import user_actor
from accounts.models import Account, User
from catalog.domain.advance_promotion import advance_promotion
from catalog.models import ShapeVersion, TrainedModel
from connections.providers.checkpoints import CheckpointFile, CheckpointKind, CheckpointRecord
from connections.providers.spec import TrainerMode
from launches.domain.promote_checkpoint import promote_checkpoint
from launches.models import Checkpoint, Launch
from tests.connections.remote import RemoteEngine, make_connection
from tests.launches.makers import make_launch, make_tiny_version

SAVED = datetime(2026, 3, 4, 9, 30, tzinfo=UTC)
TINY = "accounts/local/models/tiny-qwen3"


class Killed(BaseException):
    """The worker dies here, and nothing of it runs any more."""


def tensors(content: bytes = b"\0" * 64) -> bytes:
    """A file of safetensors with one tensor."""
    head = json.dumps({"w": {"dtype": "U8", "shape": [len(content)], "data_offsets": [0, len(content)]}}).encode()
    return struct.pack("<Q", len(head)) + head + content


def adapter_files(*, rank: int = 16, base: str = TINY, more: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
    """What a LoRA trainer saves for sampling."""
    config = {"r": rank, "target_modules": ["q_proj", "v_proj"], "base_model_name_or_path": base}
    return {
        "adapter_config.json": json.dumps(config).encode(),
        "adapter_model.safetensors": tensors(),
        "tokenizer.json": b"{}",
    } | dict(more or {})


def whole_files() -> dict[str, bytes]:
    """What a trainer of all parameters saves."""
    return {"config.json": b'{"model_type": "qwen3"}', "model.safetensors": tensors(), "tokenizer.json": b"{}"}


def put_checkpoint(
    engine: RemoteEngine, launch: Launch, files: dict[str, bytes], *, name: str = "final", **facts: Any
) -> None:
    """Let the engine list it and hold its files."""
    account, job = launch.account.account_id, launch.job_id
    record = CheckpointRecord(
        **{
            "name": name,
            "step": 20,
            "size_bytes": sum(map(len, files.values())),
            "saved_at": SAVED,
            "requested_name": name,
            "kind": CheckpointKind.SAMPLER,
            "lora_rank": launch.spec["lora_rank"],
            "lora_alpha": 16,
            "precision": "bfloat16",
            "files": tuple(CheckpointFile(**each) for each in noted(files)),
            **facts,
        }
    )
    engine.saved.setdefault((account, job), []).append(record)
    for path, content in files.items():
        engine.artifacts[account, job, CheckpointKind.SAMPLER, name, path] = content


def make_saved_launch(
    engine: RemoteEngine,
    *,
    owner: User,
    account: Account,
    files: dict[str, bytes] | None = None,
    version: ShapeVersion | None = None,
    key: str | None = None,
    **inputs: Any,
) -> Launch:
    """A launch on the engine that saved `final` for sampling; a LoRA trainer's where nothing else is said."""
    if not account.connections.filter(name="far").exists():
        make_connection(account)
    launch = make_launch(
        owner=owner,
        account=account,
        version=version or make_tiny_version(mode=TrainerMode.LORA_TRAINER),
        key=key,
        connection="far",
        **inputs,
    )
    put_checkpoint(engine, launch, adapter_files(rank=launch.spec["lora_rank"]) if files is None else files)
    return launch


def promote(launch: Launch, *, by: User | None = None, made: bool = True, **asked: Any) -> TrainedModel:
    """Promote its checkpoint `final`, and let a worker make the model unless told otherwise."""
    actor = user_actor(by or launch.owner)
    model = promote_checkpoint(actor=actor, launch=launch, **{"checkpoint": "final", "model_id": "mine", **asked})
    if made:
        advance_promotion(model.pk)
        model.refresh_from_db()
    return model


def make_checkpoint(launch: Launch, *, name: str = "final", **facts: Any) -> Checkpoint:
    """A row of what it saved for sampling, an adapter where nothing else is said; its files do not lie anywhere."""
    files = noted(adapter_files())
    given = {"kind": CheckpointKind.SAMPLER, "step": 20, "saved_at": SAVED, "files": files, "lora_rank": 16}
    size = sum(file["size_bytes"] for file in files)
    return Checkpoint.objects.create(launch=launch, name=name, **{"size_bytes": size, **given, **facts})


def noted(files: Mapping[str, bytes]) -> list[dict[str, Any]]:
    """What a trainer notes of its files."""
    return [
        {"path": path, "size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for path, content in files.items()
    ]
