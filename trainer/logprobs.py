"""Log-probabilities of tokens, without ever holding the logits of a whole batch.

The logits of 32,768 tokens over a vocabulary of 151,936 are 19 GiB in float32, and their gradients as much again. So
the head of a model is applied to some tokens at a time, and once more when the gradients of those are computed.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor
from torch.nn.functional import pad
from torch.utils.checkpoint import checkpoint

from trainer.packing import packed_attention, told_of
from trainer.ranks.context import Context, Row

LOGITS_BYTES = 128 * 1024 * 1024
"""Of the float32 logits that there are at a time; a few copies of them are made for the gradients."""
_TOLERANCE = 1e-4
"""Of what is compared, relative to the largest of it."""
_LARGE, _LEAST = 1000.0, 1e-6
"""Logits that every cap would change (models cap at 30 or 50), and those below which there are none to tell by."""

Compute = Callable[[Any, Callable[[], Any]], Any]
"""Runs a function while a module is whole."""


@dataclass(frozen=True)
class Halves:
    """A causal language model in two: what makes hidden states of tokens, and what makes logits of hidden states."""

    body: Any
    head: Any

    def hidden(self, tokens: Tensor) -> Tensor:
        """The last hidden states of tokens [batch, length], padded on the right, where nothing before looks at them."""
        return self.body(input_ids=tokens, use_cache=False).last_hidden_state  # type: ignore[no-any-return]

    def packed(self, tokens: Tensor, row: Row) -> Tensor:
        """Those of this rank's tokens of a row [tokens], in the order of `row.places`, within `packed_attention`."""
        places = row.places(tokens.device)
        given = told_of(row, tokens.device)
        own = pad(tokens[places], (0, given["position_ids"].shape[1] - len(places))).unsqueeze(0)
        return self.body(input_ids=own, use_cache=False, **given).last_hidden_state[0, : len(places)]  # type: ignore[no-any-return]


def halves(module: Any) -> Halves:
    """The halves of a model of transformers, with the adapters that are in it."""
    causal = module.get_base_model() if isinstance(module, PeftModel) else module
    return Halves(causal.base_model, causal.get_output_embeddings())


def at_once(module: Any, function: Callable[[], Any]) -> Any:
    """What the function computes with a module that is whole anyhow."""
    del module
    return function()


def comes_apart(module: Any, device: torch.device, compute: Compute = at_once) -> bool:
    """Whether its halves make the logits that it makes itself: some models scale or cap what comes out of the head.

    Both are compared with a head whose output is `_LARGE`: a cap leaves small logits nearly as they are.
    """
    parts, tokens = halves(module), torch.tensor([[0, 1]], device=device)
    if parts.head is None or parts.body is module:
        return False
    with torch.no_grad():
        alone = compute(module, lambda: parts.head(parts.hidden(tokens)))
        times = _LARGE / max(float(alone.abs().max()), _LEAST)
        grown = parts.head.register_forward_hook(lambda _module, _given, made: made * times)
        try:
            whole = module(input_ids=tokens, use_cache=False).logits
        finally:
            grown.remove()
        same = torch.allclose(whole.float(), (alone * times).float(), rtol=_TOLERANCE, atol=_LARGE * _TOLERANCE)
    return same


def why_padded(module: Any, device: torch.device, compute: Compute = at_once) -> str:
    """Why sequences have to be padded; "" where the model computes several in one row as it does each alone."""
    parts = halves(module)
    sequences = [torch.tensor(each, device=device) for each in ([0, 1, 1], [1, 0])]
    with torch.no_grad():
        alone = torch.cat([compute(module, partial(parts.hidden, each.unsqueeze(0)))[0] for each in sequences])
        try:
            with packed_attention(parts.body):
                packed = compute(module, lambda: parts.packed(torch.cat(sequences), Row((3, 2))))
        except (KeyError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
            if (reset := getattr(module, "reset_iter_state", None)) is not None:
                reset()  # some of a sharded model is whole where an error ends its pass, and would never be trained
            return " ".join(str(error).split())[:200] or type(error).__name__
    return "" if _is_same(packed, alone) else "what it computes of a token is not of that token's sequence alone"


def why_unshared(module: Any, device: torch.device, context: Context, compute: Compute = at_once) -> str:
    """Why ranks cannot share rows; "" where each computes of its tokens what it computes of a whole row's."""
    parts, row = halves(module), Row((6 * context.size - 1, 2 * context.size + 1), context)
    tokens = torch.arange(row.tokens, device=device) % 2
    with torch.no_grad(), packed_attention(parts.body):
        whole = compute(module, lambda: parts.packed(tokens, Row(row.lengths)))[row.places(device)]
        own = compute(module, lambda: parts.packed(tokens, row))
    return "" if _is_same(own, whole) else "what it computes of a token is not as with all tokens on one"


def _is_same(one: Tensor, other: Tensor) -> bool:
    # On GPUs products of float32 are in TF32 where that is allowed, of 10 bits.
    is_exact = one.device.type == "cpu" or torch.get_float32_matmul_precision() == "highest"
    near = _TOLERANCE if one.dtype == torch.float32 and is_exact else _TOLERANCE * 200
    return torch.allclose(one.float(), other.float(), rtol=near, atol=near * float(other.abs().max()))


def chosen_logprobs(hidden: Tensor, head: Callable[[Tensor], Tensor], targets: Tensor, vocabulary: int) -> Tensor:
    """Log-probability of each target, in float32: hidden [tokens, size], targets [tokens] or [tokens, K]."""
    size = max(1, LOGITS_BYTES // (4 * vocabulary))
    pairs = zip(hidden.split(size), targets.split(size), strict=True)
    if not torch.is_grad_enabled():
        return torch.cat([target_logprobs(head(some), chosen) for some, chosen in pairs])

    def compute(some: Tensor, chosen: Tensor) -> Tensor:
        return target_logprobs(head(some), chosen)

    found = [checkpoint(compute, *pair, use_reentrant=False, preserve_rng_state=False) for pair in pairs]
    return torch.cat(found)


def target_logprobs(logits: Tensor, targets: Tensor) -> Tensor:
    """Log-probability of each target, in float32: logits [..., vocabulary], targets [...] or [..., K]."""
    chosen = targets.unsqueeze(-1) if targets.dim() < logits.dim() else targets
    # Of all that this may be written by it goes over the vocabulary the fewest times.
    return logits.float().log_softmax(-1).gather(-1, chosen).view(targets.shape)
