"""Sequences of a batch one behind the other in a single row, with no padding between them.

The library lets a row hold several, but for its ordinary attention it makes a mask of all tokens by all tokens, whose
computing grows with the square of the row. Here each sequence is attended to by itself.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.varlen import varlen_attn
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

NAME = "each_sequence_by_itself"
_NOT_TAKEN = ("softcap", "s_aux", "position_bias")
"""What some models ask of their attention, and what is computed here has not."""


def attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    cu_seq_lens_q: Tensor | None = None,
    max_length_q: int = 0,
    sliding_window: int | None = None,
    scaling: float | None = None,
    **more: Any,
) -> tuple[Tensor, None]:
    """Attention of transformers' kind over one row, query [1, heads, tokens, size]; answers [1, tokens, heads, size].

    cu_seq_lens_q: where sequences begin, and where the last ends. Raises ValueError where that is not passed on, and
    for what is not computed here.
    """
    if cu_seq_lens_q is None or attention_mask is not None:
        raise ValueError("its layers do not tell their attention where sequences begin")
    if sliding_window is None and _sees_less(module):
        raise ValueError("its layers do not tell their attention how far it sees")
    if unknown := [name for name in _NOT_TAKEN if more.get(name) is not None]:
        raise ValueError(f"its attention has {unknown[0]}")
    cuda = query.device.type == "cuda"
    dtype = torch.get_autocast_dtype("cuda") if cuda and torch.is_autocast_enabled("cuda") else query.dtype
    if cuda and dtype != torch.float32:
        window = (sliding_window - 1 if sliding_window else -1, 0)
        rows = [each[0].transpose(0, 1).to(dtype) for each in (query, key, value)]
        found = varlen_attn(
            *rows, cu_seq_lens_q, cu_seq_lens_q, max_length_q, max_length_q,
            scale=scaling, window_size=window, enable_gqa=query.shape[1] != key.shape[1],
        )  # fmt: skip
        assert isinstance(found, Tensor)
        return found.unsqueeze(0), None
    lengths = cu_seq_lens_q.diff().tolist()
    parts = zip(*(each.split(lengths, 2) for each in (query, key, value)), strict=True)
    found_parts = [
        sdpa_attention_forward(module, *part, _window(part[0].shape[2], sliding_window, query.device), scaling=scaling)
        for part in parts
    ]
    return torch.cat([part for part, _ in found_parts], 1), None


def _sees_less(module: Any) -> bool:
    """Whether a token may not see all before it in this layer, or whether that is not known."""
    kinds = getattr(module.config, "layer_types", None)
    if kinds:
        return bool(kinds[module.layer_idx] != "full_attention")
    return any(getattr(module.config, name, None) is not None for name in ("sliding_window", "attention_chunk_size"))


def _window(length: int, size: int | None, device: torch.device) -> Tensor | None:
    """What each token sees where that is not all before it."""
    if size is None or length <= size:
        return None
    places = torch.arange(length, device=device)
    behind = places.unsqueeze(1) - places
    return ((behind >= 0) & (behind < size))[None, None]


AttentionInterface.register(NAME, attend)


@contextmanager
def packed_attention(causal: Any) -> Iterator[None]:
    """Let a model attend to each sequence by itself: for its passes, and for their gradients, too."""
    config, before = causal.config, causal.config._attn_implementation
    config._attn_implementation = NAME
    try:
        yield
    finally:
        config._attn_implementation = before


def starts_of(lengths: Sequence[int], device: torch.device) -> dict[str, Any]:
    """What a model is told of the sequences of its one row."""
    bounds = torch.tensor([0, *lengths], device=device).cumsum(0, dtype=torch.int32)
    places = torch.cat([torch.arange(length, device=device) for length in lengths])
    longest = max(lengths)
    return {
        "position_ids": places.unsqueeze(0),
        "cu_seq_lens_q": bounds,
        "cu_seq_lens_k": bounds,
        "max_length_q": longest,
        "max_length_k": longest,
    }
