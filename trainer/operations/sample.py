"""What the model answers to a few prompts, by transformers' own generate: for recipes, no client can ask for it."""

# mypy: allow-untyped-calls

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from trainer.operations.parts import Parts


@dataclass(frozen=True)
class SampleRequest:
    """Prompts in tokens, what ends an answer beside what the model says itself, and its most tokens."""

    model_id: str
    prompts: list[list[int]]
    ends: list[int]
    most_tokens: int


def sample(parts: Parts, request: SampleRequest) -> dict[str, Any]:
    """The tokens of the likeliest answers. It changes no weight and draws no random number.

    All ranks answer all prompts, for each has a part of the model.
    """
    model = parts.host.get(request.model_id)
    with parts.host.active(model) as module, parts.host.in_precision(), torch.no_grad():
        configured = module.generation_config.eos_token_id
        own = configured if isinstance(configured, list) else [configured]
        ends = sorted({*request.ends, *own} - {None})
        return {"answers": [_answer(parts, module, prompt, ends, request.most_tokens) for prompt in request.prompts]}


def _answer(parts: Parts, module: Any, prompt: list[int], ends: list[int], most_tokens: int) -> list[int]:
    given = torch.tensor([prompt or ends[:1] or [0]], device=parts.host.device)
    made = module.generate(
        input_ids=given,
        attention_mask=torch.ones_like(given),
        max_new_tokens=most_tokens,
        do_sample=False,
        eos_token_id=ends or None,
        pad_token_id=(ends or [0])[0],
    )
    tokens: list[int] = made[0, given.shape[1] :].tolist()
    return tokens
