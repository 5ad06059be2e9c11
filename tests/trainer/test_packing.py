"""Several sequences in one row of a model, against each by itself; and which models have to pad them."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    Qwen2MoeConfig,
    Qwen2MoeForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3MoeConfig,
    Qwen3MoeForCausalLM,
)

from trainer.errors import OperationError
from trainer.logprobs import halves, why_padded
from trainer.memory import checkpoint_layers
from trainer.packing import Told, packed_attention
from trainer.ranks.context import Context, Row
from trainer.ranks.shareable import check_shareable

SIZES = {
    "vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 64,
}  # fmt: skip
WINDOWED = {"sliding_window": 5, "layer_types": ["sliding_attention", "full_attention"]}
EXPERTS = {"moe_intermediate_size": 16, "num_experts": 4, "num_experts_per_tok": 2}
PACKED: dict[str, Any] = {
    "qwen3": lambda: Qwen3ForCausalLM(Qwen3Config(**SIZES)),
    "qwen3 with a window": lambda: Qwen3ForCausalLM(Qwen3Config(**SIZES, **WINDOWED, use_sliding_window=True)),
    "qwen3-moe": lambda: Qwen3MoeForCausalLM(Qwen3MoeConfig(**SIZES, **EXPERTS)),
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**SIZES)),
    "gemma3": lambda: Gemma3ForCausalLM(Gemma3TextConfig(**SIZES, **WINDOWED)),
}
CPU = torch.device("cpu")
SEQUENCES = [[1 + (5 * row + 3 * place) % 60 for place in range(length)] for row, length in enumerate((17, 1, 9, 30))]


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("kind", PACKED)
def test_what_is_packed_is_what_each_is_by_itself(kind: str, checkpointing: bool) -> None:
    """Hidden states and gradients."""
    torch.manual_seed(0)
    module = PACKED[kind]().eval()
    if checkpointing:
        checkpoint_layers(module)
    assert why_padded(module, torch.device("cpu")) == ""
    split, found = halves(module), []
    slopes = torch.randn(sum(map(len, SEQUENCES)), SIZES["hidden_size"])
    for packed in (False, True):
        if packed:
            with packed_attention(module):
                hidden = split.packed(torch.tensor([*chain.from_iterable(SEQUENCES)]), Row(tuple(map(len, SEQUENCES))))
                (hidden * slopes).sum().backward()
        else:
            hidden = torch.cat([split.hidden(torch.tensor([each]))[0] for each in SEQUENCES])
            (hidden * slopes).sum().backward()
        found.append([hidden.detach(), *(each.grad for each in module.model.parameters())])
        module.zero_grad()
    for one, other in zip(*found, strict=True):
        assert float((one - other).abs().max()) <= 1e-5 * float(one.abs().max())


@pytest.mark.parametrize(("queries", "keys", "window"), [(40, 40, 5), (7, 40, None), (7, 40, 5), (1, 9, 5)])
def test_a_mask_grows_with_what_it_is_of_and_not_with_the_square(queries: int, keys: int, window: int | None) -> None:
    some, all_of_them = (torch.zeros(1, 1, size, 8) for size in (queries, keys))
    mask = Told(Row((keys,)), CPU).mask(some, all_of_them, window, torch.float32)
    assert mask is not None and mask.untyped_storage().nbytes() == 4 * (queries + keys - 1)
    for token, row in zip(range(keys - queries, keys), mask[0, 0].flip(0), strict=True):
        begin = 0 if window is None else max(0, token + 1 - window)
        assert row.isfinite().nonzero().flatten().tolist() == [*range(begin, token + 1)]


@pytest.mark.parametrize("ranks", [1, 2, 3])
@pytest.mark.parametrize("lengths", [(1,), (3, 2), (17, 1, 9, 30), (5, 11)])
def test_ranks_that_share_a_row_have_each_of_its_tokens_once(lengths: tuple[int, ...], ranks: int) -> None:
    rows = [Row(lengths, Context(rank, ranks)) for rank in range(ranks)]
    assert sorted(torch.cat([row.places(CPU) for row in rows]).tolist()) == list(range(sum(lengths)))
    counts = [[piece.count for piece in row.pieces] for row in rows]
    assert len({sum(each) for each in counts}) == 1, "as many on each"
    # What each has of a row in which every token is its own place, one behind the other.
    have = [place for row in rows for piece in row.pieces for place in range(piece.end - piece.count, piece.end)]
    for row in rows:
        asked = [place for piece in row.pieces for place in range(piece.begin, piece.end)]
        assert [have[place] for place in row.gathered(CPU).tolist()] == asked
        for piece in row.pieces:
            begins = [sum(lengths[:number]) for number in range(len(lengths) + 1)]
            assert piece.begin in begins and not any(piece.begin < other < piece.end for other in begins)


LENGTHENED = {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}


@pytest.mark.parametrize(
    ("config", "why"),
    [
        (Qwen3Config(**SIZES, **WINDOWED, use_sliding_window=True), ""),
        (Qwen3MoeConfig(**SIZES, **EXPERTS), ""),
        (LlamaConfig(**SIZES, rope_parameters=LENGTHENED), "length of a sequence (rope type dynamic)"),
        (Gemma2Config(**SIZES, **WINDOWED, final_logit_softcapping=None), "its attention has softcap"),
        (Gemma2Config(**SIZES, **WINDOWED), "its logits are capped"),
        (MambaConfig(vocab_size=64, hidden_size=16, num_hidden_layers=1, state_size=4), "layers of linear_attention"),
        (Qwen2MoeConfig(**SIZES, **EXPERTS, sliding_window=5, use_sliding_window=True), "how far it sees"),
    ],
)
def test_whose_tokens_ranks_may_share_is_known_before_anything_is_loaded(config: Any, why: str, tmp_path: Path) -> None:
    config.save_pretrained(tmp_path)
    check_shareable(tmp_path, Context(0, 1))
    if not why:
        check_shareable(tmp_path, Context(0, 2))
        return
    with pytest.raises(OperationError, match=rf"Context parallelism 2 is not possible .*{re.escape(why)}.* Launch"):
        check_shareable(tmp_path, Context(0, 2))


def test_a_model_that_cannot_is_padded_and_says_why() -> None:
    capped = Gemma2ForCausalLM(Gemma2Config(**SIZES, **WINDOWED)).eval()
    assert why_padded(capped, torch.device("cpu")) == "its attention has softcap"
    recurrent = MambaForCausalLM(MambaConfig(vocab_size=64, hidden_size=16, num_hidden_layers=1, state_size=4)).eval()
    assert why_padded(recurrent, torch.device("cpu"))


def test_a_window_that_layers_do_not_tell_of_is_not_lost() -> None:
    windowed = {"sliding_window": 5, "use_sliding_window": True, "max_window_layers": 2}
    silent = Qwen2MoeForCausalLM(Qwen2MoeConfig(**SIZES, **EXPERTS, **windowed)).eval()
    assert why_padded(silent, torch.device("cpu")) == "its layers do not tell their attention how far it sees"
