"""Runs in the trainer's environment, on a GPU: makes a model, and takes steps with it in a plain torch loop.

python -m benchmarks.bare_gpu FOLDER WIDTHS    says what there is; then answers each line, which has what `train` takes
"""

from __future__ import annotations

import gc
import json
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, Qwen3Config, Qwen3ForCausalLM

from benchmarks.bare_training import make_tokens
from trainer.devices import choose_device
from trainer.tiny_model import TOKENIZERS

SQUARE, PRODUCTS = 8192, 20
"""Of the matrices that are multiplied, and how often."""


def main(root: Path, widths: Mapping[str, Any]) -> None:
    """`widths` are those of proofs/gpu.py."""
    device = choose_device()
    if device.type != "cuda":
        print(json.dumps({}))
        return
    told = {"device": torch.cuda.get_device_name(device), "flops": matrix_rate(device)}
    directory, parameters = make_model(root / "model", widths, device)
    print(json.dumps({**told, "parameters": parameters}), flush=True)
    for line in sys.stdin:
        print(json.dumps(train(directory, device, **json.loads(line))), flush=True)


def make_model(directory: Path, widths: Mapping[str, Any], device: torch.device) -> tuple[Path, int]:
    """A Qwen3 of random numbers, in bfloat16; and how many."""
    shutil.copytree(TOKENIZERS / "tiny-qwen3", directory)
    config = Qwen3Config(**widths, dtype="bfloat16")
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    with device:
        module = Qwen3ForCausalLM(config)
    torch.set_default_dtype(torch.float32)
    module.save_pretrained(directory)
    count = sum(each.numel() for each in module.parameters())
    del module
    _forget()
    return directory, count


def matrix_rate(device: torch.device) -> float:
    """Floating-point operations a second of a large product in bfloat16: what no step does better."""
    one, other = (torch.randn(SQUARE, SQUARE, device=device, dtype=torch.bfloat16) for _ in range(2))
    for count in (3, PRODUCTS):
        torch.cuda.synchronize()
        began = time.perf_counter()
        for _ in range(count):
            torch.mm(one, other)
        torch.cuda.synchronize()
    return 2 * SQUARE**3 * PRODUCTS / (time.perf_counter() - began)


def train(
    directory: Path, device: torch.device, lengths: list[int], steps: int, precision: str, rate: float
) -> Mapping[str, Any]:
    """Steps with all parameters, one sequence after the other; seconds, loss a token and gradient norm of each."""
    module = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval().to(device)
    optimizer = torch.optim.AdamW(module.parameters(), lr=rate, betas=(0.9, 0.95), eps=1e-12, weight_decay=0.0)
    found: dict[str, list[float]] = {"seconds": [], "losses": [], "norms": []}
    for _ in range(steps):
        began = time.perf_counter()
        loss, norm = _step(module, optimizer, lengths, precision)
        for name, value in (("seconds", time.perf_counter() - began), ("losses", loss), ("norms", norm)):
            found[name].append(value)
    peak = torch.cuda.max_memory_allocated(device)
    del module, optimizer
    _forget()
    return {**found, "peak": peak}


def _step(module: Any, optimizer: Any, lengths: list[int], precision: str) -> tuple[float, float]:
    total = 0.0
    for length in lengths:
        tokens = make_tokens(length, module.config.vocab_size).to(module.device)
        with torch.autocast(module.device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            logits = module(input_ids=tokens.unsqueeze(0), use_cache=False).logits[0]
        loss = torch.nn.functional.cross_entropy(logits.float(), tokens, reduction="sum")
        loss.backward()
        total += float(loss)
    norm = float(torch.nn.utils.clip_grad_norm_(module.parameters(), float("inf")))
    optimizer.step()
    optimizer.zero_grad()
    return total / sum(lengths), norm


def _forget() -> None:
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
