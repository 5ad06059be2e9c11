"""forward and forward_backward whose output are embeddings: a vector a sequence, cosines of pairs, a loss of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from trainer.config import FORWARD_ONLY
from trainer.embeddings import CONTRASTIVE, EMBEDDING, GRADIENTS, EmbeddingPass
from trainer.errors import OperationError
from trainer.operations.forward import NOTHING, as_tensor, check_sequences, gathered, own_batches
from trainer.operations.hidden import attention_of, hidden_states, own_places
from trainer.operations.parts import Parts
from trainer.operations.totals import Totals, accumulate, record_forward, why_frozen
from trainer.sequences import Datum


def run_embeddings(parts: Parts, request: EmbeddingPass) -> dict[str, Any]:
    """Answer one. The vectors are computed without gradients, and once more where what comes of them has some.

    So no more than a micro-batch is in memory at a time, however many sequences are compared with each other. Raises
    OperationError as run_pass does, and for gradients that are not as many as the numbers they belong to.
    """
    model = parts.host.get(request.model_id)
    if request.backward and not model.trainable:
        raise OperationError(why_frozen(parts))
    check_sequences(request.data, vocabulary=parts.host.facts.vocabulary, limit=parts.config.max_context_length)
    started = time.monotonic()
    with parts.host.active(model) as module, attention_of(parts, module):
        with torch.no_grad():
            own = {
                place: vector.cpu()
                for batch, vectors in _vectors(parts, module, request)
                for place, vector in zip(batch, parts.group.context.add_up(vectors), strict=False)
            }
            found = gathered(own, parts)
            vectors = torch.stack([found[place] for place in range(len(request.data))]).to(parts.host.device)
        vectors.requires_grad_(request.backward)
        outputs, metrics = _outputs(request, vectors)
        if request.backward:
            slopes = _slopes(request, vectors, outputs)
            if not torch.isfinite(slopes).all():
                model.drop_gradients()
                raise OperationError(
                    "The gradients of the embeddings are not finite numbers; those since the last optim_step were "
                    "dropped. Load an earlier checkpoint, or lower the learning rate."
                )
            for batch, again in _vectors(parts, module, request):
                torch.autograd.backward(again, slopes[batch] if batch else torch.zeros_like(again))
    loss = metrics.get("loss")
    totals = Totals(
        loss=0.0,
        loss_tokens=0,
        sequences=len(request.data),
        tokens=sum(len(datum.tokens) for datum in request.data),
        longest=max(len(datum.tokens) for datum in request.data),
        seconds=time.monotonic() - started,
    )
    if request.backward:
        accumulate(model, totals, None, loss)
    elif parts.config.trainer_mode == FORWARD_ONLY:
        record_forward(parts, model, totals)
    answered = [] if request.output == CONTRASTIVE else outputs.detach().cpu()
    return {
        "loss_fn_output_type": "TorchLoss",
        "loss_fn_outputs": [{"embedding": as_tensor(values)} for values in answered],
        "metrics": metrics,
    }


def _vectors(parts: Parts, module: Any, request: EmbeddingPass) -> Iterator[tuple[list[int], Tensor]]:
    """The places of the sequences of each micro-batch of this rank, and their vectors in float32.

    Without places there is one vector, of no sequence. Of ranks that share sequences each has what its tokens add to
    the vectors.
    """
    for batch in own_batches([len(datum.tokens) for datum in request.data], parts):
        yield batch, _pooled(parts, module, [request.data[place] for place in batch] or [NOTHING], request.pooling)


def _pooled(parts: Parts, module: Any, batch: list[Datum], pooling: str) -> Tensor:
    sequences = [datum.tokens for datum in batch]
    hidden = parts.host.compute(module, lambda: hidden_states(parts, module, sequences)).float()
    own, sizes = own_places(parts, sequences), torch.tensor([len(each) for each in sequences], device=hidden.device)
    owners = torch.arange(len(batch), device=hidden.device).repeat_interleave(sizes)[own]
    if pooling == "last":
        is_last = own == sizes.cumsum(0)[owners] - 1
        hidden, owners, sizes = hidden[is_last], owners[is_last], torch.ones_like(sizes)
    return hidden.new_zeros(len(batch), hidden.shape[1]).index_add(0, owners, hidden) / sizes.unsqueeze(1)


def _outputs(request: EmbeddingPass, vectors: Tensor) -> tuple[Tensor, dict[str, float]]:
    """What is answered of each sequence, or the loss; and the metrics."""
    if request.output == EMBEDDING:
        return vectors, {}
    unit = normalize(vectors, dim=-1)
    if request.output != CONTRASTIVE:
        return unit @ unit.T, {}
    return contrastive_loss(unit, request.queries, request.temperature)


def contrastive_loss(unit: Tensor, queries: int, temperature: float) -> tuple[Tensor, dict[str, float]]:
    """InfoNCE in both directions over vectors of length 1: queries, their documents, and documents of no query.

    The mean of two cross entropies of cosines / temperature: of each query's own document among all documents, and of
    each document's own query among the queries. Source: `bidirectional_info_nce_loss` of github.com/fw-ai/cookbook,
    training/recipes/embedding_loop.py; further documents compete only in the first of the two, as the docstring of
    forward_backward_contrastive in the official SDK says.
    """
    asked, documents = unit[:queries], unit[queries:]
    similar = asked @ documents.T / temperature
    own = torch.arange(queries, device=unit.device)
    by_query, by_document = cross_entropy(similar, own), cross_entropy(similar[:, :queries].T, own)
    loss = (by_query + by_document) / 2
    recall = (similar.argmax(1) == own).float().mean()
    numbers = {"loss": loss, "loss_q2d": by_query, "loss_d2q": by_document, "in_batch_recall_at_1": recall}
    return loss, {name: float(value) for name, value in numbers.items()}


def _slopes(request: EmbeddingPass, vectors: Tensor, outputs: Tensor) -> Tensor:
    """The gradient of the loss by each vector."""
    if request.output == CONTRASTIVE:
        return torch.autograd.grad(outputs, vectors)[0]
    sent = [datum.inputs[GRADIENTS] for datum in request.data]
    for place, row in enumerate(sent):
        if len(row) != outputs.shape[1]:
            raise OperationError(
                f"data[{place}].loss_fn_inputs.{GRADIENTS} holds {len(row)} numbers; "
                f"its {request.output} has {outputs.shape[1]}."
            )
    return torch.autograd.grad(outputs, vectors, torch.tensor(sent, device=outputs.device))[0]
