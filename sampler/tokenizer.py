"""The base model's tokenizer: text to ids and back, chats to prompts, and which ids end an answer."""

# mypy: allow-untyped-calls

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from trainer.errors import OperationError


class Tokenizer:
    def __init__(self, directory: Path) -> None:
        self._tokenizer: Any = AutoTokenizer.from_pretrained(directory, local_files_only=True, trust_remote_code=False)
        told = [_told(directory / name) for name in ("config.json", "generation_config.json")]
        self.ends = frozenset(_ids([self._tokenizer.eos_token_id, *(each.get("eos_token_id") for each in told)]))

    def encode(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer.encode(text))

    def decode(self, tokens: Sequence[int]) -> str:
        """Special tokens included, so that one may be a stop."""
        text: str = self._tokenizer.decode(tokens, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return text

    def render(self, messages: Sequence[dict[str, str]]) -> tuple[int, ...]:
        """The prompt for the next message. Raises OperationError where there is no chat template, or it refuses."""
        if not self._tokenizer.chat_template:
            raise OperationError("This model has no chat template; send a prompt to /v1/completions.", 422)
        try:
            return tuple(
                self._tokenizer.apply_chat_template(
                    list(messages), tokenize=True, add_generation_prompt=True, return_dict=False
                )
            )
        except Exception as error:  # a template is a program of the model's maker
            raise OperationError(f"The model's chat template refuses the messages: {str(error)[:300]}", 422) from error


def _told(path: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        content = json.loads(path.read_text(encoding="utf-8"))
        return content if isinstance(content, dict) else {}
    return {}


def _ids(given: Sequence[Any]) -> list[int]:
    flat = [each for value in given for each in (value if isinstance(value, list) else [value])]
    return [each for each in flat if type(each) is int]
