"""Request bodies of passes whose output are embeddings. Pure.

The official SDK sends them as a cross_entropy whose `loss_fn_config` names another output. Source of names and meaning:
its `fireworks/training/sdk/client.py`, and `training/recipes/embedding_loop.py` of github.com/fw-ai/cookbook.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trainer.errors import OperationError
from trainer.fields import Fields, refuse
from trainer.sequences import Datum, finite_numbers, parse_tokens

EMBEDDING, SIMILARITY, CONTRASTIVE = "embedding", "cos_similarity_matrix", "contrastive_loss"
OUTPUTS = (EMBEDDING, SIMILARITY, CONTRASTIVE)
POOLINGS = ("mean", "last")
GRADIENTS = "embedding_grads"
_SETTINGS = {
    EMBEDDING: ("output", "pooling"),
    SIMILARITY: ("output", "pooling"),
    CONTRASTIVE: ("output", "pooling", "num_queries", "temperature", "num_extra_negatives"),
}


@dataclass(frozen=True)
class EmbeddingPass:
    """One vector a sequence: its last hidden states, their mean or the last of them, by `pooling`.

    output EMBEDDING: the vectors. SIMILARITY: the cosine of each with each. CONTRASTIVE: the loss of `queries` queries,
    as many documents that belong to them one by one, and further documents that belong to none. With `backward` the
    gradients of the first two come with each datum, as GRADIENTS.
    """

    model_id: str
    data: list[Datum]
    output: str
    pooling: str
    backward: bool
    queries: int = 0
    temperature: float = 1.0


def parse_embedding(model_id: str, config: Fields, rows: Sequence[Fields], *, backward: bool) -> EmbeddingPass:
    """Raises OperationError for an output that there is not."""
    output, pooling = config.value["output"], config.value.get("pooling") or "mean"
    if output == "projection":
        raise OperationError(
            f"{config.where('output')} projection is not supported: models here have no projection.", 422
        )
    if output not in OUTPUTS:
        raise refuse(config.where("output"), f"one of logprobs, {', '.join(OUTPUTS)}", output)
    if pooling not in POOLINGS:
        raise refuse(config.where("pooling"), f"one of {', '.join(POOLINGS)}", pooling)
    if unknown := sorted(set(config.value) - {*_SETTINGS[output]}):
        raise OperationError(
            f"{config.where(unknown[0])} is not known for output {output}; known: {', '.join(_SETTINGS[output])}.", 422
        )
    with_gradients = backward and output != CONTRASTIVE
    data = [_parse_datum(row, with_gradients) for row in rows]
    if output != CONTRASTIVE:
        return EmbeddingPass(model_id, data, output, pooling, backward)
    config.require("num_queries")
    queries = config.integer("num_queries", 1, 1) or 1
    extra = config.integer("num_extra_negatives", 0, 0) or 0
    if len(data) != 2 * queries + extra:
        raise OperationError(
            f"{config.where('num_queries')} {queries} and num_extra_negatives {extra} make "
            f"{2 * queries + extra} sequences, not {len(data)}.",
            422,
        )
    config.require("temperature")
    temperature = config.number("temperature", 1.0)
    if temperature <= 0:
        raise refuse(config.where("temperature"), "a number above 0", temperature)
    return EmbeddingPass(model_id, data, output, pooling, backward, queries, temperature)


def _parse_datum(row: Fields, with_gradients: bool) -> Datum:
    tokens = parse_tokens(row.child("model_input"))
    if not with_gradients:
        return Datum(tokens, {})
    gradients = row.child("loss_fn_inputs").child(GRADIENTS)
    return Datum(tokens, {GRADIENTS: finite_numbers(gradients.require("data"), gradients.where("data"))})
