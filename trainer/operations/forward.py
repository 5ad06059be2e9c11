"""forward and forward_backward: losses and log-probabilities of sequences, with gradients added up or without."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, TypeVar

import torch
from torch import Tensor

from trainer.config import FORWARD_ONLY
from trainer.errors import OperationError
from trainer.held import HeldModel
from trainer.logprobs import chosen_logprobs, halves, target_logprobs
from trainer.losses import is_loss_token, token_losses
from trainer.operations.hidden import attention_of, hidden_states, inside, own_places, padded
from trainer.operations.parts import Parts
from trainer.operations.totals import Totals, accumulate, record_forward, why_frozen
from trainer.passes import TARGETS, Pass
from trainer.sequences import IGNORED, Datum

T = TypeVar("T")
MICRO_BATCH_TOKENS = 4096
TABLE_TOKENS = 16 * MICRO_BATCH_TOKENS
SHORT_TOKENS = 128
"""Up to this length another pass costs more than the padding that it saves."""
NOTHING = Datum([0], {TARGETS: [IGNORED]})
"""What a rank computes while others have sequences and it has none: they wait for one another."""


@dataclass(frozen=True)
class SequenceResult:
    """Of one datum: log-probability and loss of each token, and how many tokens count."""

    logprobs: Tensor
    losses: Tensor
    loss_tokens: int


def run_pass(parts: Parts, request: Pass) -> dict[str, Any]:
    """Answer a forward or forward_backward. Gradients of repeated calls add up until optim_step.

    Raises OperationError for a model that is not trained, a token outside the vocabulary, a sequence that is too long,
    and a loss that is not finite (the gradients added up so far are then dropped, since they are spoilt).
    """
    model = parts.host.get(request.model_id)
    if request.backward and not model.trainable:
        raise OperationError(why_frozen(parts))
    check_sequences(request.data, vocabulary=parts.host.facts.vocabulary, limit=parts.config.max_context_length)
    started = time.monotonic()
    own: dict[int, SequenceResult] = {}
    with parts.host.active(model) as module, attention_of(parts, module):
        width = max((datum.width or 1 for datum in request.data), default=1)
        for places in own_batches([len(datum.tokens) for datum in request.data], parts, width):
            batch = [request.data[place] for place in places]
            if batch:
                own.update(zip(places, _run_batch(parts, model, module, batch, request), strict=True))
            else:
                _run_batch(parts, model, module, [NOTHING], replace(request, loss_fn="cross_entropy", settings={}))
    found = gathered(own, parts)
    results = [found[place] for place in range(len(request.data))]
    totals = _totals(request, results, time.monotonic() - started)
    if request.backward:
        accumulate(model, totals, request.reward, request.told_loss)
    elif parts.config.trainer_mode == FORWARD_ONLY:
        record_forward(parts, model, totals)
    return {
        "loss_fn_output_type": "TorchLoss",
        "loss_fn_outputs": [
            {"logprobs": as_tensor(result.logprobs), "elementwise_loss": as_tensor(result.losses)} for result in results
        ],
        "metrics": {"loss:sum": totals.loss, "loss_tokens:sum": float(totals.loss_tokens)},
    }


def gathered(own: dict[int, T], parts: Parts) -> dict[int, T]:
    """What came of each sequence, by its place, of all ranks; those that share sequences have the same, whole."""
    told = parts.group.gather(own if parts.group.mesh.speaks else {})
    return {place: result for some in told for place, result in some.items()}


def own_batches(lengths: Sequence[int], parts: Parts, width: int = 1) -> Iterator[list[int]]:
    """The micro-batches of this rank: as many as every other has, so some may be empty; width: targets a token.

    Ranks that share sequences get the same.
    """
    mesh, is_padded = parts.group.mesh, bool(parts.host.facts.padded)
    shares = shares_of(lengths, mesh.data_size)
    limit = MICRO_BATCH_TOKENS * mesh.scheme.context
    batches = [
        list(micro_batches([lengths[place] for place in share], is_padded, width, limit)) if share else []
        for share in shares
    ]
    for number in range(max(map(len, batches))):
        some = batches[mesh.data][number : number + 1]
        yield [shares[mesh.data][place] for batch in some for place in batch]


def shares_of(lengths: Sequence[int], size: int) -> list[list[int]]:
    """Places in `lengths` for each of so many groups: the longest first, each to whichever has the fewest tokens."""
    if size == 1:
        return [list(range(len(lengths)))]
    shares: list[list[int]] = [[] for _ in range(size)]
    tokens = [0] * size
    for place in sorted(range(len(lengths)), key=lambda place: -lengths[place]):
        least = tokens.index(min(tokens))
        shares[least].append(place)
        tokens[least] += lengths[place]
    return shares


def micro_batches(
    lengths: Sequence[int], is_padded: bool, width: int = 1, limit: int = MICRO_BATCH_TOKENS
) -> Iterator[list[int]]:
    """Put sequences together: places in `lengths`, the longest first.

    A batch has at most `limit` tokens, or one sequence. Where they are padded that counts, too, and where
    the longest has more than SHORT_TOKENS, the shortest has half of that at least: it would be padding mostly. Numbers
    beside the tokens are padded in any case, to TABLE_TOKENS at most.
    """
    batch: list[int] = []
    tokens = 0
    for place in sorted(range(len(lengths)), key=lambda place: -lengths[place]):
        longest, area = (lengths[batch[0]], lengths[batch[0]] * (len(batch) + 1)) if batch else (0, 0)
        if is_padded:
            is_full = area > limit or longest > max(SHORT_TOKENS, 2 * lengths[place])
        else:
            is_full = bool(batch) and (tokens + lengths[place] > limit or area * width > TABLE_TOKENS)
        if is_full:
            yield batch
            batch, tokens = [], 0
        batch.append(place)
        tokens += lengths[place]
    yield batch


def check_sequences(data: Sequence[Datum], *, vocabulary: int, limit: int) -> None:
    """Raise OperationError for a sequence above the context limit and for a token id outside the vocabulary."""
    for index, datum in enumerate(data):
        if len(datum.tokens) > limit:
            raise OperationError(
                f"data[{index}] holds {len(datum.tokens)} tokens; "
                f"the limit of this trainer (max_context_length) is {limit}."
            )
        highest = int(max(chain(datum.tokens, datum.inputs.get(TARGETS, ()))))
        if highest >= vocabulary:
            raise OperationError(
                f"data[{index}] holds token id {highest}; the vocabulary of this model ends at {vocabulary - 1}."
            )


def _run_batch(parts: Parts, model: HeldModel, module: Any, batch: list[Datum], request: Pass) -> list[SequenceResult]:
    device = parts.host.device
    targets, inputs = _padded(batch, device)
    # What does not count may hold anything: it is selected away, not multiplied by 0, and its inputs are emptied, so
    # that it can spread no NaN, neither forwards nor backwards.
    ignored = targets == IGNORED
    inputs = {name: values.masked_fill(ignored, 0.0) for name, values in inputs.items()}
    targets = targets.masked_fill(ignored, 0)
    with torch.set_grad_enabled(request.backward):
        logprobs = _logprobs(parts, module, batch, targets, ~ignored)
        losses = token_losses(request.loss_fn, logprobs, inputs, request.settings)
        loss = losses[~ignored].sum()
        if parts.group.either(not torch.isfinite(loss)):
            model.drop_gradients()
            raise OperationError(
                "The loss is not a finite number, so the gradients since the last optim_step were dropped. "
                "Load an earlier checkpoint, or lower the learning rate."
            )
        if request.backward:
            torch.autograd.backward(loss)
    counted = is_loss_token(request.loss_fn, inputs, losses) & ~ignored
    logprobs, losses = (values.detach().masked_fill(ignored, 0.0).cpu() for values in (logprobs, losses))
    results = []
    for row, datum in enumerate(batch):
        size, width = len(datum.tokens), datum.width or 1
        rows = [values[row, :size].view(size, -1)[:, :width] for values in (logprobs, losses, counted)]
        whole, each, counts = rows if datum.width else [values[:, 0] for values in rows]
        results.append(SequenceResult(whole, each, int(counts.view(size, -1).any(-1).sum())))
    return results


def _logprobs(parts: Parts, module: Any, batch: list[Datum], targets: Tensor, counted: Tensor) -> Tensor:
    """Log-probabilities of those targets that count, 0 for the others."""
    sequences = [datum.tokens for datum in batch]
    if not parts.host.facts.comes_apart:
        tokens = padded(sequences, targets.device)
        with parts.host.in_precision():
            return target_logprobs(module(input_ids=tokens, use_cache=False).logits, targets)
    places = counted if counted.dim() == 2 else counted.any(-1)
    table = inside([len(each) for each in sequences], places.device)
    chosen, wanted, own = places[table], targets[table], own_places(parts, sequences)
    mine = own[chosen[own]]

    def compute() -> Tensor:
        hidden = hidden_states(parts, module, sequences)[chosen[own]]
        return chosen_logprobs(hidden, halves(module).head, wanted[mine], parts.host.facts.vocabulary)

    found = parts.host.compute(module, compute)
    # Of ranks that share sequences each has made some, and a loss may be of all.
    found = parts.group.context.complete(found, chosen.cumsum(0)[mine] - 1, int(chosen.sum()))
    return torch.zeros(targets.shape, device=targets.device).index_put((places,), found)


def _padded(batch: list[Datum], device: torch.device) -> tuple[Tensor, dict[str, Tensor]]:
    """Targets [batch, length], IGNORED where there are none, and inputs of that shape, padded on the right."""
    length, widest = max(len(datum.tokens) for datum in batch), max(datum.width or 0 for datum in batch)
    plain = (len(batch), length)

    def pad(rows: list[Any], shape: tuple[int, ...], dtype: torch.dtype, fill: float = 0) -> Tensor:
        padded = torch.full(shape, fill, dtype=dtype)
        for index, (datum, row) in enumerate(zip(batch, rows, strict=True)):
            values = torch.tensor(row, dtype=dtype)
            if len(shape) == len(plain):
                padded[index, : len(values)] = values
            else:
                padded[index, : len(datum.tokens), : datum.width or 1] = values.view(len(datum.tokens), -1)
        return padded.to(device)

    shape = (*plain, widest) if widest else plain
    targets = pad([datum.inputs[TARGETS] for datum in batch], shape, torch.long, IGNORED)
    names = sorted({name for datum in batch for name in datum.inputs} - {TARGETS})
    inputs = {
        name: pad([datum.inputs.get(name) or [1.0] * len(datum.inputs[TARGETS]) for datum in batch], shape, torch.float)
        for name in names
    }
    return targets, inputs


def _totals(request: Pass, results: list[SequenceResult], seconds: float) -> Totals:
    return Totals(
        loss=sum(float(result.losses.double().sum()) for result in results),
        loss_tokens=sum(result.loss_tokens for result in results),
        sequences=sum(result.loss_tokens > 0 for result in results),
        tokens=sum(len(datum.tokens) for datum in request.data),
        longest=max(len(datum.tokens) for datum in request.data),
        seconds=seconds,
    )


def as_tensor(values: Tensor) -> dict[str, Any]:
    return {"data": values.flatten().tolist(), "dtype": "float32", "shape": list(values.shape)}
