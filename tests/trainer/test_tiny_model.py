"""The demo models: the same on every machine and for ever, since adapters were trained on them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from safetensors import safe_open
from transformers import AutoTokenizer

from trainer.tiny_model import VOCABULARY, ensure_tiny_model

PLAIN, CHAT = "accounts/local/models/tiny-qwen3", "accounts/local/models/tiny-qwen3-chat"
WEIGHTS = "ae2db188a205ac6dc04873a31d2f1e9f471e62e4d38b553f62841d4a9f1a3d7e"
"""Of tiny-qwen3, from its first day on."""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def weights(directory: Path) -> str:
    digest = hashlib.sha256()
    with safe_open(directory / "model.safetensors", "pt") as file:
        for name in sorted(file.keys()):
            digest.update(name.encode() + file.get_tensor(name).numpy().tobytes())
    return digest.hexdigest()


def test_the_weights_of_the_first_one_never_change(cache: Path) -> None:
    directory = ensure_tiny_model(cache, PLAIN)
    assert directory.name == "tiny-qwen3-v1", "where earlier trainers left it"
    assert weights(directory) == WEIGHTS


@pytest.mark.parametrize(("name", "end"), [(PLAIN, "<|endoftext|>"), (CHAT, "<|im_end|>")])
def test_every_text_comes_back_from_its_tokens(cache: Path, name: str, end: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(ensure_tiny_model(cache, name))
    assert (len(tokenizer), tokenizer.eos_token) == (VOCABULARY, end)
    text = "What is a slipway? Über den Wogen \N{SAILBOAT}\n"
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_chat_tokens_are_one_token_each_and_the_template_uses_them(cache: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(ensure_tiny_model(cache, CHAT))
    assert [len(tokenizer.encode(token)) for token in ("<|im_start|>", "<|im_end|>")] == [1, 1]
    said = [{"role": "user", "content": "Hello"}]
    shown = tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
    assert shown == "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"


def test_no_other_model_is_made_up(cache: Path) -> None:
    for name in ("accounts/local/models/other", "accounts/local/models/..", "", "tiny_models"):
        with pytest.raises(FileNotFoundError, match="is no demo model"):
            ensure_tiny_model(cache, name)
