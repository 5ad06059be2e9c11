"""Runs in the trainer's environment: makes a model and snapshots of it, and times transformers' own `generate`.

python -m benchmarks.bare_generate FOLDER SIZES     prints {batch: seconds} for each line that it reads; ends with them
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, Qwen3Config, Qwen3ForCausalLM

from trainer.checkpoints import SAMPLER, Checkpoints
from trainer.devices import choose_device
from trainer.export import write_adapter, write_model
from trainer.tiny_model import TOKENIZERS

WIDTHS = {"hidden_size": 512, "intermediate_size": 1536, "num_hidden_layers": 8, "num_attention_heads": 8}


def main(root: Path, sizes: dict[str, int | str | list[int]]) -> None:
    """`sizes` are those of benchmarks/sampler_load.py."""
    choose_device()
    directory = make_model(root / "model", sizes)
    module = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
    save(root, directory, module, sizes)
    print(sum(each.numel() for each in module.parameters()), flush=True)
    for _ in sys.stdin:
        print(json.dumps({batch: seconds(module, batch, sizes) for batch in sizes["batches"]}), flush=True)


def make_model(directory: Path, sizes) -> Path:
    shutil.copytree(TOKENIZERS / sizes["base_model"].rpartition("/")[2], directory)
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=sizes["vocabulary"],
        num_key_value_heads=4,
        head_dim=64,
        tie_word_embeddings=False,
        eos_token_id=None,
        **WIDTHS,
    )
    Qwen3ForCausalLM(config).save_pretrained(directory)
    return directory


def save(root: Path, directory: Path, module, sizes) -> None:
    """What a trainer would save: whole weights, and an adapter; each twice."""
    job, base_model = sizes["job"], sizes["base_model"]
    store = Checkpoints(root / "jobs" / job / "sampler", root / "jobs", job, SAMPLER)
    told = {"step": 1, "trainer_mode": "", "base_model": base_model}
    for name in ("full-1", "full-2"):
        store.save(name, lambda folder: write_model(module, directory, folder), lora_rank=0, lora_alpha=0, **told)
    config = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    adapted = get_peft_model(AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32), config, "x")
    for name in ("adapter-1", "adapter-2"):
        store.save(
            name,
            lambda folder: write_adapter(adapted, "x", directory, base_model, folder),
            lora_rank=16,
            lora_alpha=32,
            **told,
        )


def seconds(module, batch: int, sizes) -> float:
    prompts = torch.randint(sizes["vocabulary"], (batch, sizes["prompt"]))
    began = time.perf_counter()
    with torch.inference_mode():
        module.generate(
            prompts, attention_mask=torch.ones_like(prompts), do_sample=True, min_new_tokens=sizes["new"],
            max_new_tokens=sizes["new"], pad_token_id=0,
        )  # fmt: skip
    return time.perf_counter() - began


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
