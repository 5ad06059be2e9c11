"""What the model answers to a few prompts, by transformers' own generate: no sampler takes part."""

# mypy: allow-untyped-calls

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from trainer.operations.parts import Parts

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
    parts: Parts, model_id: str, questions: list[Question], tokenizer: Any, *, most_tokens: int
) -> list[Sample]:
    """The likeliest answers, token by token. It changes no weight and draws no random number."""
    model = parts.host.get(model_id)
    ends = {tokenizer.eos_token_id} - {None}
    with parts.host.active(model) as module, torch.inference_mode():
        configured = module.generation_config.eos_token_id
        ends |= set(configured if isinstance(configured, list) else [configured]) - {None}
        return [_answer(parts, module, question, tokenizer, sorted(ends), most_tokens) for question in questions]


def _answer(parts: Parts, module: Any, question: Question, tokenizer: Any, ends: list[int], most_tokens: int) -> Sample:
    given = torch.tensor([question.tokens or ends[:1] or [0]], device=parts.host.device)
    made = module.generate(
        input_ids=given,
        attention_mask=torch.ones_like(given),
        max_new_tokens=most_tokens,
        do_sample=False,
        eos_token_id=ends or None,
        pad_token_id=(ends or [0])[0],
    )
    text = tokenizer.decode(made[0, given.shape[1] :], skip_special_tokens=True)
    return Sample(*(each[:LONGEST_SHOWN] for each in (question.prompt, question.expected, text)))
