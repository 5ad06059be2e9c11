"""What the model answers to a few prompts of the dataset. No sampler takes part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from trainer.operations.sample import SampleRequest

LONGEST_SHOWN = 2000


@dataclass(frozen=True)
class Question:
    """A prompt as it reads and in tokens, and the answer that its row has."""

    prompt: str
    tokens: list[int]
    expected: str


@dataclass(frozen=True)
class Sample:
    """What was asked, what the row says, and what the model answered; at most LONGEST_SHOWN characters each."""

    prompt: str
    expected: str
    answer: str


def answer_all(
    run: Callable[[SampleRequest], dict[str, Any]],
    model_id: str,
    questions: list[Question],
    tokenizer: Any,
    *,
    most_tokens: int,
) -> list[Sample]:
    """The likeliest answers, token by token; `run` does the operation."""
    ends = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    request = SampleRequest(model_id, [question.tokens for question in questions], ends, most_tokens)
    texts = [tokenizer.decode(tokens, skip_special_tokens=True) for tokens in run(request)["answers"]]
    return [
        Sample(*(each[:LONGEST_SHOWN] for each in (question.prompt, question.expected, text)))
        for question, text in zip(questions, texts, strict=True)
    ]
