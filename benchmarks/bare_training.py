"""Runs in the trainer's environment: makes a model, and times steps of a plain torch loop over batches in their order.

python -m benchmarks.bare_training FOLDER SIZES     a line of lengths by commas is answered by the seconds of a step
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

from benchmarks.bare_generate import make_model
from trainer.devices import choose_device


def main(root: Path, sizes) -> None:
    """`sizes` are those of benchmarks/trainer_load.py."""
    device = choose_device()
    directory = make_model(root / "model", sizes)
    module = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval().to(device)
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-3)
    print(sum(each.numel() for each in module.parameters()), flush=True)
    for line in sys.stdin:
        sequences = [make_tokens(int(each), sizes["vocabulary"]) for each in line.split(",")]
        print(seconds(module, optimizer, sequences, sizes["batch"]), flush=True)


def make_tokens(length: int, vocabulary: int) -> torch.Tensor:
    return torch.arange(length) % vocabulary


def seconds(module, optimizer, sequences: list[torch.Tensor], batch: int) -> float:
    """One step: so many sequences at a time, padded to the longest of them."""
    began = time.perf_counter()
    for first in range(0, len(sequences), batch):
        some = sequences[first : first + batch]
        padded = torch.nn.utils.rnn.pad_sequence(some, batch_first=True).to(module.device)
        targets = torch.nn.utils.rnn.pad_sequence(some, batch_first=True, padding_value=-100).to(module.device)
        logits = module(input_ids=padded, use_cache=False).logits
        torch.nn.functional.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), reduction="sum").backward()
    torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - began


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
