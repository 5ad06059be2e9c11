"""Embeddings as the recipe for them drives a trainer, against plain torch on the model of the trainer."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from bodies import BASE_MODEL, forward_body, make_datum, step_body
from processes import RunningTrainer
from torch.nn.functional import cross_entropy, normalize
from transformers import AutoModelForCausalLM

from trainer import passes
from trainer.errors import OperationError
from trainer.tiny_model import base_directory

SEQUENCES = [[1, 2, 3, 4, 5], [9, 8], [7] * 20, [30, 31, 32], [40], [50, 51, 52, 53]]
GRADIENT = "embedding_grads"


def sequences(gradients: torch.Tensor | None = None) -> list[dict[str, Any]]:
    data = [make_datum(tokens) | {"loss_fn_inputs": {}} for tokens in SEQUENCES]
    for datum, row in zip(data, [] if gradients is None else gradients.tolist(), strict=gradients is not None):
        datum["loss_fn_inputs"] = {GRADIENT: {"data": row, "dtype": "float32", "shape": [len(row)]}}
    return data


def expected_loss(module: Any, pooling: str, queries: int, temperature: float) -> tuple[torch.Tensor, torch.Tensor]:
    """The loss of the recipe, and the vectors."""
    hidden = [module.model(torch.tensor([tokens])).last_hidden_state[0] for tokens in SEQUENCES]
    vectors = torch.stack([states[-1] if pooling == "last" else states.mean(0) for states in hidden])
    unit = normalize(vectors, dim=-1)
    similar, own = unit[:queries] @ unit[queries:].T / temperature, torch.arange(queries)
    return (cross_entropy(similar, own) + cross_entropy(similar[:, :queries].T, own)) / 2, vectors


@pytest.mark.parametrize("pooling", ["last", "mean"])
def test_the_three_ways_of_the_recipe_have_the_loss_and_gradients_of_plain_torch(
    policy: RunningTrainer, session_root: Path, pooling: str
) -> None:
    directory = base_directory(None, session_root / "models", BASE_MODEL)
    module = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
    loss, vectors = expected_loss(module, pooling, 3, 0.5)
    loss.backward()
    norm = torch.nn.utils.get_total_norm(p.grad for p in module.parameters() if p.grad is not None)
    for output in ("contrastive_loss", "embedding", "cos_similarity_matrix"):
        model = policy.create()
        config = {"output": output, "pooling": pooling}
        if output == "contrastive_loss":
            told = {**config, "num_queries": 3, "temperature": 0.5, "num_extra_negatives": 0}
            answer = policy.call("forward_backward", forward_body(model, sequences(), **told))
            assert answer["metrics"]["loss"] == pytest.approx(loss.item(), abs=1e-5)
        else:
            rows = policy.call("forward", forward_body(model, sequences(), **config))["loss_fn_outputs"]
            given = torch.tensor([row["embedding"]["data"] for row in rows]).requires_grad_()
            unit = normalize(given, dim=-1) if output == "embedding" else given
            if output == "embedding":
                torch.testing.assert_close(given.detach(), vectors.detach(), atol=1e-5, rtol=1e-5)
            similar = (unit @ unit.T if output == "embedding" else unit) / 0.5
            own = torch.arange(3)
            mine = (cross_entropy(similar[:3, 3:], own) + cross_entropy(similar[3:, :3], own)) / 2
            assert float(mine.detach()) == pytest.approx(loss.item(), abs=1e-5)
            mine.backward()
            policy.call("forward_backward", forward_body(model, sequences(given.grad), **config))
        found = policy.call("optim_step", step_body(model))["metrics"]["grad_norm:mean"]
        assert found == pytest.approx(float(norm), rel=1e-4), output
        record = policy.metrics()[-1]
        told_loss = pytest.approx(loss.item(), abs=1e-5) if output == "contrastive_loss" else None
        assert record["loss_per_token"] == told_loss and math.isfinite(record["grad_norm"])
        policy.call("unload_model", {"model_id": model})


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"output": "projection"}, "projection is not supported"),
        ({"output": "hidden"}, "one of logprobs, embedding, cos_similarity_matrix, contrastive_loss"),
        ({"output": "embedding", "pooling": "max"}, "one of mean, last"),
        ({"output": "embedding", "temperature": 1.0}, "not known for output embedding"),
        ({"output": "contrastive_loss", "num_queries": 2, "temperature": 1.0}, "make 4 sequences, not 6"),
        ({"output": "contrastive_loss", "num_queries": 3, "temperature": 0}, "temperature must be a number above 0"),
    ],
)
def test_what_there_is_not_is_refused_in_words(config: dict[str, Any], message: str) -> None:
    with pytest.raises(OperationError, match=message):
        passes.parse_forward(forward_body("m", sequences(), **config))
