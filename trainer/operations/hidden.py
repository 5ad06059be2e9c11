"""Hidden states of the sequences of a micro-batch: in one row where the model can, else padded."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import chain
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from trainer.logprobs import halves
from trainer.operations.parts import Parts
from trainer.packing import packed_attention
from trainer.ranks.context import Row


def attention_of(parts: Parts, module: Any) -> AbstractContextManager[None]:
    """What the passes of `hidden_states` are computed within, and their gradients, too."""
    return nullcontext() if parts.host.facts.padded else packed_attention(halves(module).body)


def hidden_states(parts: Parts, module: Any, sequences: Sequence[Sequence[int]]) -> Tensor:
    """The last hidden states [tokens, size] of those tokens of the sequences that this rank computes (`own_places`).

    `module` is whole meanwhile.
    """
    device, split = parts.host.device, halves(module)
    if parts.host.facts.padded:
        return split.hidden(padded(sequences, device))[inside([len(each) for each in sequences], device)]
    return split.packed(torch.tensor([*chain.from_iterable(sequences)], device=device), _row(parts, sequences))


def own_places(parts: Parts, sequences: Sequence[Sequence[int]]) -> Tensor:
    """Which tokens of the sequences, one behind the other, this rank computes: all, but where others share them."""
    return _row(parts, sequences).places(parts.host.device)


def _row(parts: Parts, sequences: Sequence[Sequence[int]]) -> Row:
    return Row(tuple(len(each) for each in sequences), parts.group.context)


def padded(sequences: Sequence[Sequence[int]], device: torch.device) -> Tensor:
    """Their tokens [sequences, longest], padded on the right."""
    return pad_sequence([torch.tensor(each) for each in sequences], batch_first=True).to(device)


def inside(lengths: Sequence[int], device: torch.device) -> Tensor:
    """Which places of a table [sequences, longest] are those of tokens."""
    places = torch.arange(max(lengths), device=device)
    return places < torch.tensor(lengths, device=device).unsqueeze(1)
