"""The files of a tokenizer in a model's directory, which are what a user's own program needs of the model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

NAMES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "tokenizer.model",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
)
"""As Hugging Face writes them. The model's config.json and its weights stay here."""
MOST_BYTES = 64 * 1024 * 1024


def has_chat_template(directory: Path) -> bool | None:
    """Whether the tokenizer there writes messages; None where there is none to be read."""
    try:
        if (directory / "chat_template.jinja").is_file():
            return True
        config = json.loads((directory / "tokenizer_config.json").read_bytes())
        return bool(config.get("chat_template")) if isinstance(config, dict) else None
    except (OSError, ValueError, RecursionError):
        return None


def read_tokenizer(directory: Path) -> Mapping[str, bytes]:
    """The tokenizer's files by name, none where they are too large together to be one. Errors: `OSError`."""
    paths = [path for path in (directory / name for name in NAMES) if path.is_file()]
    if sum(path.stat().st_size for path in paths) > MOST_BYTES:
        return {}
    return {path.name: path.read_bytes() for path in paths}
