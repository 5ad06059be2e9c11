"""What a trainer's memory goes to: a plan before the weights are loaded, and words where it does not suffice.

The plan is computed on torch's meta device, where tensors have shapes and no content: the parameters are counted, and
so is what a pass keeps for its gradients, by letting the model's own code run there.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

import copy
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.modeling_layers import GradientCheckpointingLayer

from trainer.errors import OperationError
from trainer.logprobs import LOGITS_BYTES, halves
from trainer.metrics import process_peak_bytes
from trainer.ranks.mesh import PLAIN, Scheme
from trainer.ranks.shareable import ask

FLOAT = 4
BFLOAT16_BYTES = 2
TRAINED_COPIES = 4
"""Of each trained parameter: its value, its gradient, and the two moments of AdamW."""
LOGITS_COPIES = 4
"""Of the logits that there are at a time: their own, their float32, and what two steps of the gradient make."""
_DIVIDED = ("num_attention_heads", "num_key_value_heads", "intermediate_size")
"""What tensor parallelism divides, as configurations call it."""
_PROBE = 32
"""Tokens of the passes that activations are counted by."""


@dataclass(frozen=True)
class MemoryPlan:
    """Bytes at most on a rank, by part. gradients and optimizer (the two moments of AdamW) are of one trained model.

    gathered: of parameters that lie elsewhere or in another precision, what is there while they compute.
    """

    parameters: int
    gradients: int
    optimizer: int
    activations: int
    logits: int
    gathered: int = 0

    @property
    def passes(self) -> int:
        """What there is while a pass computes, of whichever model."""
        return self.activations + self.logits + self.gathered

    @property
    def total(self) -> int:
        return sum(asdict(self).values())

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {size_of(value)}" for name, value in asdict(self).items() if value)
        return f"{size_of(self.total)}: {parts}"


@dataclass(frozen=True)
class Plan:
    """What is planned for passes of so many tokens, and whether layers are computed again for it.

    before: bytes that were taken already; fits: whether what was free is as much as is planned.
    """

    memory: MemoryPlan
    checkpointing: bool
    tokens: int
    before: int
    fits: bool = True


def size_of(value: float) -> str:
    """Bytes in words."""
    return f"{value / 2**30:.1f} GiB" if value >= 2**30 else f"{value / 2**20:.0f} MiB"


def plan_memory(
    directory: Path,
    *,
    whole: bool,
    backward: bool,
    as_saved: bool,
    tokens: int,
    checkpointing: bool,
    ranks: int = 1,
    scheme: Scheme = PLAIN,
    in_bfloat16: bool = False,
) -> MemoryPlan:
    """What a model of that directory takes with rows of `tokens` in a pass of a rank, of so many in such a scheme.

    Ranks that share a row have the keys and values of all of it. whole: all its parameters are trained;
    backward: passes have gradients; as_saved: its weights stay in the precision of its files, else they are float32. An
    adapter's own parameters are left out. Raises OSError or ValueError where there is no model, and whatever its code
    raises where that does not run without content.
    """
    config = AutoConfig.from_pretrained(directory, local_files_only=True)
    weight_bytes = config.dtype.itemsize if as_saved and config.dtype else FLOAT
    module = _empty(config, in_bfloat16)
    parameters = _count(module)
    own = -(-parameters // ranks)
    moved = own * FLOAT if whole else 0
    logits = LOGITS_COPIES * LOGITS_BYTES
    activations = 0
    if backward:
        part = _empty(_divided(config, scheme.tensor), in_bfloat16)
        if checkpointing:
            checkpoint_layers(part)
        own_tokens = -(-tokens // scheme.context)
        activations = _activations(part, checkpointing) * own_tokens
        if scheme.context > 1:
            numbers = ask(part).numbers
            kept = max(numbers, default=0) if checkpointing else sum(numbers)
            activations += kept * (BFLOAT16_BYTES if in_bfloat16 else FLOAT) * (tokens - own_tokens)
    if ranks > scheme.tensor:  # with their gradients, which are given away once a layer is done
        gathered = _gathered(module, scheme) * (BFLOAT16_BYTES if in_bfloat16 else FLOAT) * (2 if whole else 1)
    else:  # autocast keeps what it has cast until a pass is over
        gathered = own * BFLOAT16_BYTES if in_bfloat16 and weight_bytes == FLOAT else 0
        if gathered and whole:  # the gradient of the largest parameter, in both precisions, until it is added up
            gathered += max(_sizes(module, scheme)) * (BFLOAT16_BYTES + FLOAT)
    return MemoryPlan(own * weight_bytes, moved, 2 * moved, activations, logits, gathered)


def _empty(config: Any, in_bfloat16: bool) -> Any:
    """The model of a configuration, without content."""
    with torch.device("meta"):
        module = AutoModelForCausalLM.from_config(config).eval()
    return module.to(torch.bfloat16) if in_bfloat16 else module


def _divided(config: Any, degree: int) -> Any:
    """The configuration of a model whose layers make what a rank makes of those of this one."""
    part = copy.deepcopy(config)
    text = part.get_text_config()
    if getattr(text, "head_dim", None) is None:  # else it would be of the heads that are left
        text.head_dim = text.hidden_size // text.num_attention_heads
    for name in _DIVIDED if degree > 1 else ():
        if isinstance(whole := getattr(text, name, None), int):
            setattr(text, name, max(1, whole // degree))
    return part


def _count(module: torch.nn.Module, scheme: Scheme = PLAIN) -> int:
    """Parameters of a rank of such a scheme, of which it has nothing else."""
    return sum(_sizes(module, scheme))


def _sizes(module: torch.nn.Module, scheme: Scheme) -> list[int]:
    """Of how many numbers each parameter is there."""
    return [
        parameter.numel() // (scheme.experts if "experts." in name else scheme.tensor)
        for name, parameter in module.named_parameters()
    ]


def _gathered(module: torch.nn.Module, scheme: Scheme) -> int:
    """Parameters outside of layers, and those of the two largest layers."""
    layers = [_count(part, scheme) for part in module.modules() if isinstance(part, GradientCheckpointingLayer)]
    return _count(module, scheme) - sum(layers) + sum(sorted(layers)[-2:])


def checkpoint_layers(module: Any) -> None:
    """Keep only what goes into each layer, and compute the layer again for its gradients.

    transformers does so in training mode only, which is that of each layer alone: nothing inside drops anything out.
    """
    module.activation_checkpointing_enable({"use_reentrant": False})
    for part in module.modules():
        if isinstance(part, GradientCheckpointingLayer):
            part.training = True


def _activations(module: Any, checkpointing: bool) -> int:
    """Bytes that a pass keeps for each token. What grows with their square is left out: no attention keeps it here."""
    one, two, three = (_kept(module, count * _PROBE) for count in (1, 2, 3))
    square = (three - 2 * two + one) / (2 * _PROBE**2)
    each = (two - one) / _PROBE - 3 * square * _PROBE
    if not checkpointing:
        return max(0, round(each))
    plain = _without_checkpointing(module)
    layers = sum(isinstance(part, GradientCheckpointingLayer) for part in module.modules()) or 1
    return max(0, round(each + plain / layers))


def _without_checkpointing(module: Any) -> int:
    for part in module.modules():
        if isinstance(part, GradientCheckpointingLayer):
            part.training = False
    return _activations(module, False)


def _kept(module: Any, tokens: int) -> int:
    """Bytes that a pass over so many tokens keeps for its gradients, parameters excepted."""
    own = {parameter.untyped_storage()._cdata for parameter in module.parameters()}
    kept: dict[int, tuple[int, torch.Tensor]] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = (storage.nbytes(), tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        # A mask of its own, for the library makes one by looking at what the tokens are, and here they are nothing.
        mask = torch.zeros(1, 1, tokens, tokens, device="meta")
        ids = torch.zeros(1, tokens, dtype=torch.long, device="meta")
        hidden = halves(module).body(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
    del hidden
    return sum(size for size, _ in kept.values())


def available_bytes(device: torch.device) -> int:
    """Memory that a model may take now: of the GPU, else of the machine, as far as the system tells."""
    if device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)  # of passes that are over
        return torch.cuda.mem_get_info(device)[0] + kept
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        there = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
        return min(there, _left_of_limits())
    except (OSError, StopIteration, ValueError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _left_of_limits(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> int:
    """What control groups (version 2) leave, as those of containers and Slurm; caches of files give way."""
    left = sys.maxsize
    with suppress(OSError):
        group = root / own.read_text().rpartition("0::")[2].strip().lstrip("/")
        for folder in (group, *group.parents):
            with suppress(OSError, ValueError):  # no limit there is the word "max"
                most, taken = (int((folder / f"memory.{name}").read_text()) for name in ("max", "current"))
                lines = (folder / "memory.stat").read_text().splitlines()
                caches = next((int(line.split()[1]) for line in lines if line.startswith("inactive_file ")), 0)
                left = min(left, most - taken + caches)
    return max(0, left)


def peak_bytes(device: torch.device) -> int:
    """The most that was taken so far: of the GPU where there is one, else by this process."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else process_peak_bytes()


@contextmanager
def within_memory(part: str, remedy: str) -> Iterator[None]:
    """Turn what torch says where memory runs out into an OperationError: for which part, and what helps."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        raise OperationError(f"The memory does not suffice for {part}. {remedy}") from error


def is_out_of_memory(error: BaseException) -> bool:
    """The allocator of the processor has no error of its own."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "can't allocate memory" in str(error)
