"""A row of a dataset as tokens, and which of them are trained on.

chat        {"messages": [{"role", "content"}, ...]}: the model's own chat template, trained on what assistants say
completion  {"prompt", "completion"}: texts as they stand, trained on the completion and the token that ends it
text        {"text"}: trained on all of it
preference  {"chosen", "rejected"}, with or without "prompt": two answers, texts or lists of messages
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from trainer.recipes.rows import DatasetError

CHAT, COMPLETION, TEXT, PREFERENCE = "chat", "completion", "text", "preference"
_KEYS = {PREFERENCE: ("chosen", "rejected"), CHAT: ("messages",), COMPLETION: ("prompt", "completion"), TEXT: ("text",)}
ASSISTANT = "assistant"

Messages = Sequence[Mapping[str, Any]]
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Sequenced:
    """Tokens, for each whether it is trained on (1.0) or not (0.0), and how many were cut off at the end."""

    tokens: list[int]
    weights: list[float]
    cut: int = 0

    @property
    def is_trained_on(self) -> bool:
        """The first token is nobody's target."""
        return any(self.weights[1:])


@dataclass(frozen=True)
class WrittenSequence:
    """A sequence before it is encoded: its texts, each encoded by itself, and how many tokens are added to theirs."""

    texts: list[str]
    added: int = 0


def format_of(row: Row, line: int) -> str:
    """The format that the row's fields say. Raises DatasetError."""
    found = next((name for name, keys in _KEYS.items() if all(key in row for key in keys)), None)
    if found is None:
        known = "; ".join(" and ".join(keys) for keys in _KEYS.values())
        raise DatasetError(f"Line {line} has the fields of no format. Use one of: {known}.")
    return found


@dataclass(frozen=True)
class Formatter:
    """Formats rows for a tokenizer of transformers; `limit` is how many tokens a sequence has at most."""

    tokenizer: Any
    base_model: str
    limit: int

    def sequence(self, row: Row, line: int) -> Sequenced:
        """What SFT trains on. Raises DatasetError."""
        kind = format_of(row, line)
        if kind == TEXT:
            return self._joined(self._begin, self._encode(_text(row["text"], "text", line)))
        if kind == CHAT:
            return self._chat(_messages(row["messages"], "messages", line), 0, line, row.get("tools"))
        if kind == PREFERENCE:
            return self._answer(row, "chosen", line)
        return self._answer(row, "completion", line)

    def pair(self, row: Row, line: int) -> tuple[Sequenced, Sequenced]:
        """The chosen and the rejected answer, each after its prompt. Raises DatasetError."""
        return self._answer(row, "chosen", line), self._answer(row, "rejected", line)

    def written(self, row: Row, line: int) -> list[WrittenSequence]:
        """What `sequence` encodes, or of a preference row both that `pair` does. Raises DatasetError."""
        kind = format_of(row, line)
        if kind == TEXT:
            return [self._joined_text(_text(row["text"], "text", line))]
        keys = {CHAT: ("messages",), COMPLETION: ("completion",), PREFERENCE: ("chosen", "rejected")}[kind]
        found = []
        for key in keys:
            before, answer = _split(row, key, line)
            if isinstance(answer, str):
                found.append(self._joined_text(str(before), answer))
            else:
                found.append(WrittenSequence([self._render([*before, *answer], line, row.get("tools"))]))
        return found

    def question(self, row: Row, line: int) -> tuple[str, list[int], str]:
        """What a model is given to be sampled, as it reads and in tokens, and the row's own answer.

        Of a text that is its beginning. Raises DatasetError.
        """
        kind = format_of(row, line)
        if kind == TEXT:
            text = _text(row["text"], "text", line)
            tokens = self._encode(text)
            half = min(len(tokens) // 2, self.limit // 2)
            head = self.tokenizer.decode(tokens[:half])
            return head, self._begin + tokens[:half], text.removeprefix(head)
        key = {CHAT: "messages", COMPLETION: "completion", PREFERENCE: "chosen"}[kind]
        before, answer = _split(row, key, line)
        if isinstance(answer, str):
            return str(before), (self._begin + self._encode(str(before)))[-self.limit :], answer
        last = max(index for index, message in enumerate(answer) if message["role"] == ASSISTANT)
        asked = [*before, *answer[:last]]
        text = self._render(asked, line, row.get("tools"), asks=True)
        shown = str(asked[-1]["content"]) if asked else ""
        return shown, self._encode(text)[-self.limit :], str(answer[last].get("content") or "")

    def _answer(self, row: Row, key: str, line: int) -> Sequenced:
        before, answer = _split(row, key, line)
        if not isinstance(answer, str):
            return self._chat([*before, *answer], len(before), line, row.get("tools"))
        return self._joined(self._begin + self._encode(str(before)), self._encode(answer))

    def _chat(self, messages: Messages, first: int, line: int, tools: Any) -> Sequenced:
        """A conversation, trained on what assistants say from the message `first` on, where no weight of 0 is at it.

        Which characters that are shows where the template is asked for the conversation up to there: a template that
        writes earlier turns otherwise later on (without their reasoning, say) is trained on the last one alone.
        """
        whole = self._render(messages, line, tools)
        spans = []
        for index, message in enumerate(messages):
            if index < first or message["role"] != ASSISTANT or message.get("weight") == 0:
                continue
            before = self._render(messages[:index], line, tools, asks=True)
            after = self._render(messages[: index + 1], line, tools)
            if after.startswith(before) and whole.startswith(after):
                spans.append((len(before), len(after.rstrip())))
        encoded = self.tokenizer(whole, add_special_tokens=False, return_offsets_mapping=True)
        weights = [
            1.0 if end > begin and any(low <= begin < high for low, high in spans) else 0.0
            for begin, end in encoded["offset_mapping"]
        ]
        return self._fitted(list(encoded["input_ids"]), weights)

    def _render(self, messages: Messages, line: int, tools: Any, *, asks: bool = False) -> str:
        if not getattr(self.tokenizer, "chat_template", None):
            raise DatasetError(
                f"{self.base_model} has no chat template, so messages cannot be written for it. Use a base model that "
                "has one, or rows with prompt and completion."
            )
        if not messages:
            return ""
        try:
            text = self.tokenizer.apply_chat_template(
                list(messages), tools=tools, tokenize=False, add_generation_prompt=asks
            )
        except Exception as error:  # a template may raise anything of its own
            words = " ".join(str(error).split())[:200]
            raise DatasetError(f"The chat template of {self.base_model} refuses line {line}: {words}.") from error
        return str(text)

    def _joined(self, before: list[int], answer: list[int]) -> Sequenced:
        """Trained on the answer, and on the token that ends it."""
        answer = answer + self._end
        return self._fitted(before + answer, [0.0] * len(before) + [1.0] * len(answer))

    @cached_property
    def _end(self) -> list[int]:
        return [] if self.tokenizer.eos_token_id is None else [self.tokenizer.eos_token_id]

    def _joined_text(self, *texts: str) -> WrittenSequence:
        return WrittenSequence(list(texts), len(self._begin) + (self.tokenizer.eos_token_id is not None))

    def _fitted(self, tokens: list[int], weights: list[float]) -> Sequenced:
        most = self.limit + 1  # the last token is a target only
        return Sequenced(tokens[:most], weights[:most], max(0, len(tokens) - most))

    def _encode(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False))

    @cached_property
    def _begin(self) -> list[int]:
        """The token that begins every text of this model, where there is one."""
        begin = self.tokenizer.bos_token_id
        return [begin] if begin is not None and begin in self.tokenizer.encode("") else []


def _split(row: Row, key: str, line: int) -> tuple[Any, Any]:
    """What stands before the answer, and the answer: both texts, or both lists of messages."""
    if key == "messages":
        return [], _messages(row[key], key, line)
    answer = row[key]
    if isinstance(answer, str):
        prompt = row.get("prompt", "")
        if not isinstance(prompt, str):
            raise DatasetError(f"Line {line}: prompt is no text, and {key} is one. Make both texts, or both messages.")
        return prompt, _text(answer, key, line)
    said = _messages(answer, key, line)
    if (prompt := row.get("prompt")) is not None:
        before = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else _messages(prompt, "prompt", line)
        return before, said
    shared = _shared(said, _messages(row["rejected" if key == "chosen" else "chosen"], key, line))
    return said[:shared], said[shared:]


def _shared(one: Messages, other: Messages) -> int:
    """How many messages both begin with, but for the last of either."""
    most = min(len(one), len(other)) - 1
    return next((index for index in range(most) if one[index] != other[index]), max(0, most))


def _text(value: Any, key: str, line: int) -> str:
    if not isinstance(value, str) or not value:
        raise DatasetError(f"Line {line}: {key} must be a text that is not empty.")
    return value


def _messages(value: Any, key: str, line: int) -> list[dict[str, Any]]:
    """A list of messages, or an object that wraps one; contents that are parts of text as one text."""
    value = value.get("messages") if isinstance(value, dict) else value
    if not isinstance(value, list) or not value or not all(map(_is_message, value)):
        example = '{"role": "user", "content": "..."}'
        raise DatasetError(f"Line {line}: {key} must be a list of messages such as {example}.")
    if not any(message["role"] == ASSISTANT for message in value) and key != "prompt":
        raise DatasetError(f"Line {line}: {key} has no message of the role assistant, so there is nothing to learn.")
    return [message | {"content": _content(message)} for message in value]


def _is_message(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("role"), str)


def _content(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""
