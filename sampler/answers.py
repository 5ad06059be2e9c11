"""What is answered: completions and chats, whole or in parts, as OpenAI's clients and the SDK read them. Pure.

Each part of a choice is made of the events since the last one; a whole answer is one part.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sampler.sequences import Choice, Event, Finished, Sampled, Scored, Started
from sampler.text import BROKEN
from sampler.wire import Chat, Completion

Decode = Callable[[Sequence[int]], str]


@dataclass
class Answer:
    """One request's. `identity` is that of the weights that answer; it stands in every part."""

    request: Completion
    model: str
    identity: str | None
    id: str = field(default_factory=lambda: f"cmpl-{uuid.uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))

    def wrap(self, choices: list[dict[str, Any]], *, part: bool, **more: Any) -> dict[str, Any]:
        chat = isinstance(self.request, Chat)
        kind = ("chat.completion.chunk" if part else "chat.completion") if chat else "text_completion"
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "snapshot_identity": self.identity,
            "choices": choices,
            **more,
        }


@dataclass
class ChoiceAnswer:
    """What is told of one choice; `text`, `rows` and `finish` are of the events since the last part."""

    index: int
    request: Completion
    choice: Choice
    decode: Decode
    text: str = ""
    rows: list[Scored] = field(default_factory=list)
    finish: str | None = None
    _offset: int = 0
    _begun: bool = False
    _ended: bool = False

    def take(self, event: Event) -> None:
        if isinstance(event, Started):
            if self._echoed:
                self.text += self.decode(self._echoed)
            self.rows += event.prompt
        elif isinstance(event, Sampled):
            self.text += event.text
            self.rows.append(event.scored)
        elif isinstance(event, Finished):
            self.text += event.text
            self.finish = event.reason

    @property
    def is_pending(self) -> bool:
        return bool(self.text or self.rows or (self.finish and not self._ended))

    def tell(self, *, part: bool) -> dict[str, Any]:
        """The part, or the whole; the next one goes on after it."""
        told: dict[str, Any] = {"index": self.index, "finish_reason": self.finish}
        if isinstance(self.request, Chat):
            message = {"content": self.text} | ({} if self._begun else {"role": "assistant"})
            told["delta" if part else "message"] = message
        else:
            told["text"] = self.text
        told["logprobs"] = self._logprobs() if self.request.logprobs else None
        if self.finish:
            told |= self._ids()
        self._offset += len(self.text)
        self._begun, self._ended = True, self.finish is not None
        self.text, self.rows = "", []
        return told

    @property
    def _echoed(self) -> tuple[int, ...]:
        prompt, echo = self.choice.prompt, self.request.echo
        return prompt if echo is None else prompt[len(prompt) - min(echo, len(prompt)) :]

    def _ids(self) -> dict[str, Any]:
        prompt, made = list(self.choice.prompt), [*self._echoed, *self.choice.tokens]
        told: dict[str, Any] = {}
        if self.request.token_ids:
            told |= {"prompt_token_ids": prompt, "token_ids": made}
        if self.request.raw_output:
            told["raw_output"] = {"prompt_token_ids": prompt, "completion_token_ids": made}
        return told

    def _logprobs(self) -> dict[str, Any]:
        names = [self.decode([row.token]) for row in self.rows]
        if not self.request.legacy:
            return {"content": [self._row(name, row) for name, row in zip(names, self.rows, strict=True)]}
        tops = [{self.decode([token]): logprob for token, logprob in row.top} for row in self.rows]
        offsets = [self._offset + sum(map(len, names[:place])) for place in range(len(names))]
        return {
            "tokens": names,
            "token_ids": [row.token for row in self.rows],
            "token_logprobs": [row.logprob for row in self.rows],
            "top_logprobs": tops if self.request.top else None,
            "text_offset": offsets,
        }

    def _row(self, name: str, row: Scored) -> dict[str, Any]:
        return _named(name, row.token, row.logprob) | {
            "sampling_logprob": row.sampling_logprob,
            "top_logprobs": [_named(self.decode([token]), token, logprob) for token, logprob in row.top],
        }


def _named(name: str, token: int, logprob: float) -> dict[str, Any]:
    # A part of a character has bytes that its text does not tell.
    told = None if BROKEN in name else list(name.encode())
    return {"token": name, "token_id": token, "logprob": logprob, "bytes": told}
