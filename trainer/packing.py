"""Sequences of a batch one behind the other in a single row, with no padding between them.

The library lets a row hold several, but for its ordinary attention it makes a mask of all tokens by all tokens, whose
computing grows with the square of the row. Here each sequence is attended to by itself.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.varlen import varlen_attn
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from trainer.ranks.context import Row

NAME = "each_sequence_by_itself"
_NOT_TAKEN = ("softcap", "s_aux", "position_bias")
"""What some models ask of their attention, and what is computed here has not."""


class Told:
    """What attention is told of a row: the pieces of it that this rank computes, and what they attend to."""

    def __init__(self, row: Row, device: torch.device) -> None:
        pieces = row.pieces
        self.context = row.context
        self.counts = [piece.count for piece in pieces]
        self.spans = [piece.end - piece.begin for piece in pieces]
        self.positions = torch.cat(
            [torch.arange(piece.end - piece.count, piece.end, device=device) - piece.begin for piece in pieces]
        )
        self.queries, self.keys = (
            torch.tensor([0, *sizes], device=device).cumsum(0, dtype=torch.int32) for sizes in (self.counts, self.spans)
        )
        self.gathered = row.gathered(device)
        self._masks: dict[tuple[int, int, int | None], Tensor] = {}

    def mask(self, query: Tensor, key: Tensor, window: int | None, dtype: torch.dtype) -> Tensor | None:
        """What each of the last tokens sees of all, as what is added to its scores; one for all layers that ask alike.

        Its rows are in reverse, the last token first: each is then the one before moved on by a token, so that all of
        them lie in as many numbers as there are queries and keys together. (GPUs take no such tensor, and need none
        but in float32: theirs is whole.) dtype: that of what is computed, for a mask of another would be copied whole.
        None: where all are queries, and each sees itself and all before it.
        """
        queries, keys = query.shape[2], key.shape[2]
        window = window if window is not None and keys > window else None
        if queries == keys and window is None:
            return None
        if (asked := (queries, keys, window)) not in self._masks:
            behind = torch.arange(keys - 1, -queries, -1, device=query.device)
            hidden = (behind < 0) | (behind >= window) if window is not None else behind < 0
            line = torch.zeros(queries + keys - 1, dtype=dtype, device=query.device).masked_fill(hidden, -torch.inf)
            rows = line.as_strided((1, 1, queries, keys), (0, 0, 1, 1))
            self._masks[asked] = rows.contiguous() if query.device.type == "cuda" else rows
        return self._masks[asked]


def attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    told: Told | None = None,
    sliding_window: int | None = None,
    scaling: float | None = None,
    **more: Any,
) -> tuple[Tensor, None]:
    """Attention of transformers' kind over one row, query [1, heads, tokens, size]; answers [1, tokens, heads, size].

    told: what of the row is attended to. Raises ValueError where that is not passed on, and for what is not computed
    here.
    """
    if why := why_not(module, attention_mask, told, sliding_window, more):
        raise ValueError(why)
    assert told is not None
    kind, cuda = query.device.type, query.device.type == "cuda"
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else query.dtype
    if told.context.size > 1:
        key, value = (_of_all(each.to(dtype) if cuda else each, told) for each in (key, value))
    if cuda and dtype != torch.float32:
        window = (sliding_window - 1 if sliding_window else -1, 0)
        rows = [each[0].transpose(0, 1).to(dtype) for each in (query, key, value)]
        found = varlen_attn(
            *rows, told.queries, told.keys, max(told.counts), max(told.spans),
            scale=scaling, window_size=window, enable_gqa=query.shape[1] != key.shape[1],
        )  # fmt: skip
        assert isinstance(found, Tensor)
        return found.unsqueeze(0), None
    parts = zip(query.split(told.counts, 2), *(each.split(told.spans, 2) for each in (key, value)), strict=True)
    found_parts = [
        _by_itself(module, *part, told.mask(part[0], part[1], sliding_window, dtype), scaling) for part in parts
    ]
    return torch.cat(found_parts, 1), None


def _by_itself(
    module: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scaling: float | None
) -> Tensor:
    """Attention of some tokens to what of one sequence they may see, by `Told.mask`."""
    if mask is None:
        return sdpa_attention_forward(module, query, key, value, None, scaling=scaling)[0]
    return sdpa_attention_forward(module, query.flip(2), key, value, mask, scaling=scaling)[0].flip(1)


def why_not(
    module: Any, mask: Tensor | None, told: Told | None, sliding_window: int | None, more: Mapping[str, Any]
) -> str:
    """Why a layer's attention is not computed here; "" where it is."""
    if told is None or mask is not None:
        return "its layers do not tell their attention where sequences begin"
    if sliding_window is None and _sees_less(module):
        return "its layers do not tell their attention how far it sees"
    return next((f"its attention has {name}" for name in _NOT_TAKEN if more.get(name) is not None), "")


def _of_all(own: Tensor, told: Told) -> Tensor:
    """Of keys or values [1, heads, tokens, size] of this rank: those of all ranks that its queries attend to."""
    whole = told.context.gather(own.movedim(2, 0))
    return whole.index_select(0, told.gathered).movedim(0, 2)


def _sees_less(module: Any) -> bool:
    """Whether a token may not see all before it in this layer, or whether that is not known."""
    kinds = getattr(module.config, "layer_types", None)
    if kinds:
        return bool(kinds[module.layer_idx] != "full_attention")
    return any(getattr(module.config, name, None) is not None for name in ("sliding_window", "attention_chunk_size"))


AttentionInterface.register(NAME, attend)


@contextmanager
def packed_attention(causal: Any, name: str = NAME) -> Iterator[None]:
    """Let a model attend to each sequence by itself: for its passes, and for their gradients, too."""
    config, before = causal.config, causal.config._attn_implementation
    config._attn_implementation = name
    try:
        yield
    finally:
        config._attn_implementation = before


def told_of(row: Row, device: torch.device) -> dict[str, Any]:
    """What a model is told of its row."""
    told = Told(row, device)
    return {
        "position_ids": told.positions.unsqueeze(0),
        "cu_seq_lens_q": told.queries,
        "cu_seq_lens_k": told.keys,
        "max_length_q": max(told.counts),
        "max_length_k": max(told.spans),
        "told": told,
    }
