"""The demo models: a Qwen3 of 139,648 random parameters each, with a byte-level tokenizer of 512 tokens.

Their tokenizers lie in `tiny_models/`, learned once from the bundled sample; that of tiny-qwen3-chat has chat tokens
and a chat template. The weights are made on the spot from a fixed seed, so that every machine makes the same model. It
lies in an ordinary Hugging Face model directory, as any other model does.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

import json
import shutil
import uuid
from pathlib import Path

import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

VOCABULARY = 512
TOKENIZERS = Path(__file__).parent / "tiny_models"
REVISION = "v1"
"""Of the weights below: other ones would get another name in the cache, so that nobody's adapter changes its base."""


def base_directory(given: Path | None, cache: Path, base_model: str) -> Path:
    """Where the weights of a base model lie: the directory given, or that of the demo model, made if it is absent.

    Raises FileNotFoundError where the one is no Hugging Face model directory, or there is no such demo model.
    """
    if given is None:
        return ensure_tiny_model(cache, base_model)
    if not (given / "config.json").is_file():
        raise FileNotFoundError(f"{given} is not a Hugging Face model directory: it has no config.json")
    return given


def ensure_tiny_model(cache: Path, base_model: str) -> Path:
    """Directory of the demo model under `cache`, made there if it is absent. Safe when several processes call it.

    `base_model` is its resource name. Raises FileNotFoundError where there is no such demo model.
    """
    name = base_model.rpartition("/")[2]
    tokenizer = TOKENIZERS / name
    if not (tokenizer / "tokenizer.json").is_file():
        raise FileNotFoundError(f"{base_model} is no demo model, and no directory of it was given")
    target = cache / f"{name}-{REVISION}"
    if target.exists():
        return target
    cache.mkdir(parents=True, exist_ok=True)
    part = cache / f".part-{uuid.uuid4().hex}"
    try:
        shutil.copytree(tokenizer, part)
        _write_weights(part)
        part.rename(target)
    except OSError:
        if not target.exists():
            raise
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return target


def _write_weights(directory: Path) -> None:
    tokens = json.loads((directory / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    end = tokens[json.loads((directory / "tokenizer_config.json").read_text(encoding="utf-8"))["eos_token"]]
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
        eos_token_id=end,
        pad_token_id=0,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        Qwen3ForCausalLM(config).save_pretrained(directory)
