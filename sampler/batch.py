"""Choices that one set of weights computes together, with the keys and values of what they have read.

Rows come and go while the others go on. What they hold is aligned at its end: shorter ones are padded on the left, and
a mask hides that.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import DynamicCache

from sampler.distribution import draw, score
from sampler.model import Model
from sampler.sequences import Choice, Scored

PREFILL_TOKENS = 4096
SCORE_TOKENS = 512
"""Of a prompt whose tokens are scored: each of them needs logits for the whole vocabulary."""

Prompt = tuple[int, ...]


@dataclass
class Row:
    """length: tokens whose keys and values are held; padding: columns before them."""

    choice: Choice
    length: int
    padding: int


class Batch:
    def __init__(self, model: Model, adapter: str | None) -> None:
        self._model = model
        self._adapter = adapter
        self._rows: list[Row] = []
        self._cache = DynamicCache()

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def choices(self) -> list[Choice]:
        return [row.choice for row in self._rows]

    def footprint(self, more: Sequence[Choice] = ()) -> int:
        """Tokens, padding included, whose keys and values are held in the end, with `more` of them or without."""
        ends = [row.padding + row.length + row.choice.remaining for row in self._rows]
        ends += [len(choice.prompt) + choice.limit for choice in more]
        return len(ends) * max(ends, default=0)

    def add(self, choices: Sequence[Choice]) -> None:
        """Read their prompts, equal ones once, and draw the first token of each."""
        self._model.select(self._adapter)
        asked: dict[Prompt, list[Choice]] = {}
        for choice in choices:
            asked.setdefault(choice.prompt, []).append(choice)
        for prompts in _groups(asked):
            self._read(prompts, [choice for prompt in prompts for choice in asked[prompt]])

    def step(self) -> None:
        """One more token for every row."""
        self._drop_ended()
        if not self._rows:
            return
        self._model.select(self._adapter)
        columns = self._cache.get_seq_length() + 1
        logits = self._forward(
            [[row.choice.tokens[-1]] for row in self._rows],
            [[row.length] for row in self._rows],
            _mask(columns, [row.padding for row in self._rows]),
        )
        for row in self._rows:
            row.length += 1
        _draw(logits[:, -1], self.choices)
        self._drop_ended()

    def _forward(
        self, tokens: list[list[int]], positions: list[list[int]], mask: Tensor, cache: DynamicCache | None = None,
        keep: int = 1,
    ) -> Tensor:  # fmt: skip
        device = self._model.device
        return self._model.forward(
            input_ids=torch.tensor(tokens, device=device),
            position_ids=torch.tensor(positions, device=device),
            attention_mask=mask.to(device),
            past_key_values=self._cache if cache is None else cache,
            logits_to_keep=keep,
        )

    def _read(self, prompts: Sequence[Prompt], choices: list[Choice]) -> None:
        cache = DynamicCache()
        scored = max(choice.scored for choice in choices)
        if scored:
            logits, scores = self._read_scored(prompts[0], cache, max(choice.top for choice in choices))
        else:
            logits, scores = self._read_padded(prompts, cache), []
        longest = max(map(len, prompts))
        going = [choice for choice in choices if choice.limit]
        for choice in choices:
            choice.start([_trimmed(each, choice) for each in scores[len(scores) - choice.scored :]] if scores else ())
        if not going:
            return
        places = [prompts.index(choice.prompt) for choice in going]
        cache.batch_select_indices(torch.tensor(places, device=self._model.device))
        rows = [Row(each, len(each.prompt), longest - len(each.prompt)) for each in going]
        _draw(logits[places], going)
        self._join(cache, rows)

    def _read_padded(self, prompts: Sequence[Prompt], cache: DynamicCache) -> Tensor:
        """Logits after each prompt. Several are read at once; a single one in parts, where it is long."""
        longest = max(map(len, prompts))
        paddings = [longest - len(prompt) for prompt in prompts]
        logits = torch.empty(0)
        for first in range(0, longest, PREFILL_TOKENS if len(prompts) == 1 else longest):
            last = min(first + PREFILL_TOKENS, longest) if len(prompts) == 1 else longest
            tokens = [
                ([0] * padding + [*prompt])[first:last] for prompt, padding in zip(prompts, paddings, strict=True)
            ]
            positions = [[max(0, column - padding) for column in range(first, last)] for padding in paddings]
            logits = self._forward(tokens, positions, _mask(last, paddings), cache)
        return logits[:, -1]

    def _read_scored(self, prompt: Prompt, cache: DynamicCache, top: int) -> tuple[Tensor, list[Scored]]:
        """The same for one prompt, and the score of each of its tokens; the first has nothing before it: 0."""
        scores = [Scored(prompt[0], 0.0, None, ((prompt[0], 0.0),) if top else ())]
        logits = torch.empty(0)
        for first in range(0, len(prompt), SCORE_TOKENS):
            last = min(first + SCORE_TOKENS, len(prompt))
            positions = [[*range(first, last)]]
            logits = self._forward([[*prompt[first:last]]], positions, _mask(last, [0]), cache, keep=0)[0]
            targets = torch.tensor(prompt[first + 1 : last + 1], device=self._model.device)
            if len(targets):
                scores += score(logits[: len(targets)].float().log_softmax(-1), targets, top)
        return logits[-1:], scores

    def _join(self, cache: DynamicCache, rows: list[Row]) -> None:
        """Put what was read beside what goes on already."""
        if not self._rows:
            self._cache, self._rows = cache, rows
        else:
            width = max(self._cache.get_seq_length(), cache.get_seq_length())
            for group in (self._rows, rows):
                for row in group:
                    row.padding = width - row.length
            for own, new in zip(self._cache.layers, cache.layers, strict=True):
                if own.is_initialized:
                    own.keys = torch.cat([_widen(own.keys, width), _widen(new.keys, width)])
                    own.values = torch.cat([_widen(own.values, width), _widen(new.values, width)])
            self._rows = [*self._rows, *rows]
        self._drop_ended()

    def _drop_ended(self) -> None:
        kept = [index for index, row in enumerate(self._rows) if not (row.choice.done or row.choice.cancelled)]
        if len(kept) == len(self._rows):
            return
        self._rows = [self._rows[index] for index in kept]
        if not kept:
            self._cache = DynamicCache()
            return
        spare = min(row.padding for row in self._rows)
        places = torch.tensor(kept, device=self._model.device)
        for layer in self._cache.layers:
            if layer.is_initialized:
                layer.keys = layer.keys[places, :, spare:]
                layer.values = layer.values[places, :, spare:]
        for row in self._rows:
            row.padding -= spare


def _groups(asked: dict[Prompt, list[Choice]]) -> list[list[Prompt]]:
    """Prompts that are read at once; one whose tokens are scored is read by itself."""
    groups: list[list[Prompt]] = []
    room = False
    for prompt in sorted(asked, key=len):
        alone = any(choice.scored for choice in asked[prompt])
        if room and not alone and len(prompt) * (len(groups[-1]) + 1) <= PREFILL_TOKENS:
            groups[-1].append(prompt)
        else:
            groups.append([prompt])
        room = not alone
    return groups


def _draw(logits: Tensor, choices: Sequence[Choice]) -> None:
    """One token for each choice out of its row of logits. One whose numbers are not finite is broken off."""
    finite = torch.isfinite(logits).all(-1).tolist()
    scored = draw(
        torch.nan_to_num(logits.float()),
        [choice.sampling for choice in choices],
        [choice.random.random() for choice in choices],
        max(choice.top for choice in choices),
    )
    for choice, each, good in zip(choices, scored, finite, strict=True):
        if good:
            choice.accept(_trimmed(each, choice))
        else:
            choice.break_off("The model answered numbers that are not finite. Load other weights.")


def _trimmed(scored: Scored, choice: Choice) -> Scored:
    return replace(scored, top=scored.top[: choice.top])


def _mask(columns: int, paddings: Sequence[int]) -> Tensor:
    return (torch.arange(columns) >= torch.tensor(paddings).unsqueeze(-1)).long()


def _widen(states: Tensor, width: int) -> Tensor:
    return pad(states, (0, 0, width - states.shape[-2], 0))
