"""The demo model: a Qwen3 of 139,648 random parameters with a byte-level tokenizer of 512 tokens, made on the spot.

Its weights come from a fixed seed and its tokenizer is trained on the bundled sample, so that every machine makes the
same model. It lies in an ordinary Hugging Face model directory, as any other model does.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

import json
import shutil
import uuid
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

VOCABULARY = 512
END_OF_TEXT = "<|endoftext|>"
NAME = "tiny-qwen3-v1"
SAMPLE = Path(__file__).parent / "recipes" / "sample_sft.jsonl"


def ensure_tiny_model(cache: Path) -> Path:
    """Directory of the demo model under `cache`, made there if it is absent. Safe when several processes call it."""
    target = cache / NAME
    if target.exists():
        return target
    cache.mkdir(parents=True, exist_ok=True)
    part = cache / f".part-{uuid.uuid4().hex}"
    try:
        _write_tokenizer(part)
        _write_weights(part)
        part.rename(target)
    except OSError:
        if not target.exists():
            raise
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return target


def _write_tokenizer(directory: Path) -> None:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    lines = (json.loads(line) for line in SAMPLE.read_text(encoding="utf-8").splitlines())
    tokenizer.train_from_iterator((f"{line['prompt']}\n{line['completion']}" for line in lines), trainer)
    wrapped: Any = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END_OF_TEXT, pad_token=END_OF_TEXT)
    wrapped.save_pretrained(directory)


def _write_weights(directory: Path) -> None:
    config = Qwen3Config(
        vocab_size=VOCABULARY,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=4096,
        tie_word_embeddings=False,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=0,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        Qwen3ForCausalLM(config).save_pretrained(directory)
