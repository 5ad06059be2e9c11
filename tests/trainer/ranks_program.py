"""One rank of several that do the same with models of every kind: `ranks_program.py RANK SIZE FOLDER`.

FOLDER has a model directory for each of KINDS. Rank 0 writes what came of it to FOLDER/found-SIZE.json, and leaves
checkpoints in FOLDER/jobs, which a run with another SIZE goes on from.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from bodies import forward_body, make_datum, step_body
from torch.distributed.tensor import DTensor
from transformers import AttentionInterface, AutoModelForCausalLM
from transformers.distributed.tensor_parallel import TensorParallelLayer

from trainer import packing
from trainer.checkpoints import Checkpoints
from trainer.config import parse_config
from trainer.errors import ConfigError, OperationError
from trainer.loading import load_parts
from trainer.models import ModelHost
from trainer.operations.sample import SampleRequest
from trainer.operations.table import run_operation
from trainer.ranks import files, sharding
from trainer.ranks.group import ALONE, Ranks
from trainer.ranks.norms import local
from trainer.ranks.places import RankPlace
from trainer.service import PARSERS
from trainer.sessions import Sessions

BASE = "accounts/local/models/some"
SEQUENCES = [[1 + (7 * row + place) % 500 for place in range(length)] for row, length in enumerate((40, 3, 17, 5, 60))]
HELD = QUERIES, EXPERTS = ("model.layers.0.self_attn.q_proj.weight", "model.layers.0.mlp.experts.down_proj")
SHARED = {"context_parallelism": 2}
KINDS: dict[str, dict[str, Any]] = {
    "lora": {"trainer_mode": "LORA_TRAINER", "lora_rank": 8, "model": "dense", "of four": SHARED},
    "experts": {"trainer_mode": "POLICY_TRAINER", "model": "experts", "attention": "fails"},
    "windows": {"trainer_mode": "POLICY_TRAINER", "model": "windows", "activation_checkpointing": True, **SHARED},
    "bfloat16": {"trainer_mode": "POLICY_TRAINER", "model": "dense", "precision": "bfloat16", "of four": SHARED},
    "layers": {"trainer_mode": "POLICY_TRAINER", "model": "dense", "tensor_parallelism": 2, "but": 4},
    "adapter": {
        "trainer_mode": "LORA_TRAINER",
        "lora_rank": 8,
        "model": "dense",
        "tensor_parallelism": 2,
        "of four": SHARED,
        "but": 2,
    },
    "mixture": {
        "trainer_mode": "POLICY_TRAINER",
        "model": "experts",
        "tensor_parallelism": 2,
        "activation_checkpointing": True,
    },
    "dealt": {
        "trainer_mode": "POLICY_TRAINER",
        "model": "experts",
        "expert_parallelism": 2,
        "of four": SHARED,
    },
}
"""What each is told; `of four`: where there are four ranks; `but`: the number of ranks that are not tried."""


def main(rank: int, size: int, folder: Path) -> dict[str, Any]:
    group = Ranks(RankPlace(rank, 1, size), folder / f"meeting-{size}") if size > 1 else ALONE
    found = {kind: train(group, folder, kind, dict(KINDS[kind])) for kind in KINDS if size in sizes_of(kind)}
    if size == 2:
        found["forgotten"] = forgotten(group, folder)
    if rank == 0:
        (folder / f"found-{size}.json").write_text(json.dumps(found))
    return read(folder, size) if rank == 0 else {}


def sizes_of(kind: str) -> list[int]:
    """Numbers of ranks that it is tried with."""
    return [size for size in (1, 2, 4) if size != KINDS[kind].get("but")]


def read(folder: Path, size: int) -> dict[str, Any]:
    """What rank 0 of so many found."""
    found: dict[str, Any] = json.loads((folder / f"found-{size}.json").read_bytes())
    return found


def plain_steps(directory: Path, steps: int) -> list[list[float]]:
    """Loss and gradient norm of each step of a plain torch loop, in float32."""
    module = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-3, betas=(0.9, 0.95), eps=1e-12, weight_decay=0.0)
    found = []
    for _ in range(steps):
        losses = []
        for tokens in SEQUENCES:
            logits = module(input_ids=torch.tensor([tokens])).logits[0]
            losses.append(torch.nn.functional.cross_entropy(logits, torch.tensor(tokens), reduction="sum"))
        torch.stack(losses).sum().backward()
        norm = torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        found.append([(sum(each.item() for each in losses)), norm.item()])
    return found


@contextmanager
def failing_attention() -> Iterator[None]:
    """That of sequences in one row ends a pass halfway, as where a model asks for what it has not."""

    def fail(*_: Any, **__: Any) -> None:
        raise ValueError("not here")

    AttentionInterface.register(packing.NAME, fail)
    try:
        yield
    finally:
        AttentionInterface.register(packing.NAME, packing.attend)


def train(group: Any, folder: Path, kind: str, more: dict[str, Any]) -> dict[str, Any]:
    """Losses and norms of three steps; then those of one more, after what was saved there was loaded."""
    jobs, directory = folder / "jobs", folder / more.pop("model")
    of_four, _ = more.pop("of four", {}), more.pop("but", 0)
    more |= of_four if group.size == 4 else {}
    attention = failing_attention if more.pop("attention", "") else nullcontext
    config = parse_config(
        {
            "directory": str(folder), "checkpoints": str(jobs / f"{kind}-{group.size}" / "checkpoints"),
            "jobs_root": str(jobs), "job": f"{kind}-{group.size}", "base_model": BASE, "model_cache": str(folder),
            "model_directory": str(directory), "processes": group.size, **(more if group.size > 1 else plain(more)),
        }
    )  # fmt: skip
    saved = [path.name for path in jobs.glob(f"{kind}-*") if (path / "checkpoints" / "third").exists()]
    checkpoints = Checkpoints(config.checkpoints, config.jobs_root, config.job)
    if group.size > 1:
        group = group.divided(config.scheme)
    with attention():
        parts, _ = load_parts(config, checkpoints, Sessions(), group)

    def call(operation: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = run_operation(operation, parts, PARSERS[operation](body))
        return answer if isinstance(answer, dict) else {}  # it is still written, while what comes next is computed

    def step(*others: dict[str, Any]) -> list[float]:
        calls = (SEQUENCES[:2], SEQUENCES[2:])
        bodies = [forward_body(model, [make_datum(tokens) for tokens in some]) for some in calls]
        loss = sum(call("forward_backward", body)["metrics"]["loss:sum"] for body in bodies)
        told = [call("forward_backward", other)["metrics"] for other in others]
        norm = call("optim_step", step_body(model, grad_clip_norm=1.0))["metrics"]["grad_norm:mean"]
        return [loss, norm, *(metrics.get("loss", metrics.get("loss:sum")) for metrics in told)]

    lora = {"rank": config.lora_rank, "seed": 1}
    model = call("create_model", {"session_id": "s", "base_model": BASE, "lora_config": lora})["model_id"]
    (base,) = parts.host.modules()
    found: dict[str, Any] = {
        "held": {name: held(each) for name, each in base.named_parameters() if name in HELD},
        "steps": [step() for _ in range(3)],
    }
    call("save_weights", {"model_id": model, "path": "third"})
    call("save_weights_for_sampler", {"model_id": model, "path": "third"})
    if group.size > 1 and kind in ("experts", "bfloat16"):
        parts.saving.wait()  # what comes next holds for all that this process writes
        found["refused"] = refused(group, lambda: call("save_weights_for_sampler", {"model_id": model, "path": "none"}))
    others = of_whole_sequences(model) if kind in ("windows", "experts", "layers") else []
    found["fourth"] = step(*others)
    told = call("forward", forward_body(model, [make_datum(each) for each in SEQUENCES], output="embedding"))
    found["vectors"] = [each["embedding"]["data"] for each in told["loss_fn_outputs"]]
    found["said"] = run_operation("sample", parts, SampleRequest(model, [SEQUENCES[1]], [], 4))
    for other in sorted({*saved, config.job}):
        call("load_weights", {"model_id": model, "path": f"cross_job://{other}/third", "optimizer": True})
        found[f"after {other}"] = step(*others)
    return found


def forgotten(group: Any, folder: Path) -> str:
    """What is said where nothing adds up the gradients of the norms of heads, which every rank has others of."""
    places = {name: str(folder) for name in ("directory", "checkpoints", "jobs_root", "model_cache")}
    told = {"job": "j", "base_model": BASE, "trainer_mode": "POLICY_TRAINER", "tensor_parallelism": 2, "processes": 2}
    config = parse_config(places | told)
    added_up = sharding.ALL_PARALLEL_STYLES[sharding.ADDED_UP]
    sharding.ALL_PARALLEL_STYLES.register(sharding.ADDED_UP, TensorParallelLayer())
    host = ModelHost(config, Sessions(), torch.device("cpu"), group.divided(config.scheme))
    try:
        host.load(folder / "dense")
    except ConfigError as error:
        return str(error)
    finally:
        sharding.ALL_PARALLEL_STYLES.register(sharding.ADDED_UP, added_up)
    return ""


def held(parameter: torch.Tensor) -> list[Any]:
    """Along which dimensions it is divided, and what of it lies on this rank."""
    names = parameter.device_mesh.mesh_dim_names if isinstance(parameter, DTensor) else None
    return [list(names or ()), list(local(parameter).shape)]


def of_whole_sequences(model: str) -> list[dict[str, Any]]:
    """Passes whose losses are of more of a sequence than a token, and so of more than a rank may have of it."""
    scored = [
        make_datum(each, logprobs=[-6.0 - 0.01 * row] * len(each), advantages=[0.5 - row] * len(each))
        for row, each in enumerate(SEQUENCES)
    ]
    plain = [make_datum(each) for each in SEQUENCES]
    settings = {"num_queries": 2, "num_extra_negatives": 1, "temperature": 0.1}
    pooled = [
        forward_body(model, plain, output="contrastive_loss", pooling=pooling, **settings)
        for pooling in ("mean", "last")
    ]
    few = forward_body(model, plain[:1])  # of which some ranks may have none
    return [*(forward_body(model, scored, loss) for loss in ("ppo", "gspo")), *pooled, few]


def plain(more: dict[str, Any]) -> dict[str, Any]:
    """The same without a sharding scheme."""
    return {name: value for name, value in more.items() if not name.endswith("parallelism")}


def refused(group: Any, save: Callable[[], object]) -> str:
    """What is said where rank 0 cannot write the first of several files of a model."""
    before, files.FILE_BYTES = files.FILE_BYTES, 100_000
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    if group.rank == 0:
        resource.setrlimit(resource.RLIMIT_FSIZE, (700, limits[1]))  # what is less than a file, but for its manifest
    try:
        save()
    except OperationError as error:
        return error.detail
    finally:
        files.FILE_BYTES = before
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    return ""


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
