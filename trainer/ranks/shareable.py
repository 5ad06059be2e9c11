"""Which models let ranks share the tokens of their sequences: those whose tokens meet in attention alone.

It is asked before anything is loaded, by letting the model's own code run where tensors have no content.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, AutoConfig, AutoModelForCausalLM

from trainer.errors import OperationError
from trainer.logprobs import Compute, halves, why_unshared
from trainer.packing import Told, packed_attention, why_not
from trainer.ranks.context import Context, Row
from trainer.ranks.group import Group

log = logging.getLogger(__name__)

_NAME = "asked_and_not_computed"
_KINDS = {"full_attention", "sliding_attention"}
_BY_LENGTH = {"dynamic", "longrope"}
"""Positions that are told by how long a sequence is, which a rank that has a part of it does not see."""


def check_shareable(directory: Path, context: Context) -> None:
    """Before a model is loaded. Raises OperationError where it is known already that ranks cannot share its tokens."""
    if context.size > 1 and (why := why_not_shared(directory)):
        raise _refusal(context, why)


def check_shared(module: Any, group: Group, padded: str, compute: Compute) -> None:
    """Of a model that is loaded: each rank computes of its tokens what it would of all. Raises OperationError.

    padded: why it takes no rows of several sequences, "" where it does.
    """
    context = group.context
    if context.size == 1:
        return
    told = [padded] if padded else group.gather(why_unshared(module, module.device, context, compute))
    if why := next(filter(None, told), ""):
        raise _refusal(context, why)


def _refusal(context: Context, why: str) -> OperationError:
    return OperationError(
        f"Context parallelism {context.size} is not possible with this model: {why}. "
        "Launch a shape whose sharding scheme has none."
    )


def why_not_shared(directory: Path) -> str:
    """Why not, in words; "" where nothing speaks against it. Raises OSError or ValueError where there is no model."""
    config = AutoConfig.from_pretrained(directory, local_files_only=True)
    text = config.get_text_config()
    if other := sorted({*(getattr(text, "layer_types", None) or ())} - _KINDS):
        return f"it has layers of {other[0]}"
    if named := sorted({*_rope_types(getattr(text, "rope_parameters", None))} & _BY_LENGTH):
        return f"its positions are told by the length of a sequence (rope type {named[0]})"
    if getattr(text, "final_logit_softcapping", None) is not None:
        return "its logits are capped, and so computed all at once"
    with torch.device("meta"):
        empty = AutoModelForCausalLM.from_config(config).eval().to(torch.bfloat16)
    asked = ask(empty)
    if asked.whole and len(asked.refusals) < text.num_hidden_layers:
        return "not all its layers attend: some pass on otherwise what they saw of the tokens before"
    return next(filter(None, asked.refusals), "")


def _rope_types(parameters: Any) -> Iterator[str]:
    """Those of all layers, or of each kind of layer."""
    for name, value in parameters.items() if isinstance(parameters, dict) else ():
        if name == "rope_type":
            yield str(value)
        yield from _rope_types(value)


@dataclass
class Asked:
    """Of each attention: why it is not computed here ("" where it is), and how many numbers its keys and values have.

    numbers: of a token, repeated for all heads of queries. whole: whether it was asked to its end.
    """

    refusals: list[str] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    whole: bool = True


def ask(empty: Any) -> Asked:
    """What a model without content asks of its attention."""
    asked = Asked()

    def attend(
        module: Any, query: Tensor, _key: Tensor, value: Tensor, attention_mask: Tensor | None, *,
        told: Told | None = None, sliding_window: int | None = None, **more: Any,
    ) -> tuple[Tensor, None]:  # fmt: skip
        asked.refusals.append(why_not(module, attention_mask, told, sliding_window, more))
        asked.numbers.append(query.shape[1] * (query.shape[3] + value.shape[3]))
        return query.new_empty(query.shape[0], query.shape[2], query.shape[1], value.shape[3]), None

    AttentionInterface.register(_NAME, attend)
    split, tokens = halves(empty), torch.zeros(5, dtype=torch.long, device="meta")
    try:
        with torch.no_grad(), packed_attention(split.body, _NAME):
            split.packed(tokens, Row((3, 2)))
    except Exception as error:  # its code may not run without content; what it computes is compared once it is loaded
        log.debug("%s was not asked to its end: %s", empty.config.model_type, error)
        asked.whole = False
    return asked
