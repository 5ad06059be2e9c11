"""One request while it is answered: its choices in the engine, their events, and the end when the client is gone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Protocol

from sampler.config import SamplerConfig
from sampler.engine import Engine
from sampler.holdings import Holdings
from sampler.records import Records
from sampler.sequences import Broken, Choice, Event, Finished, Sampled, Started, seeded
from sampler.text import TextStream
from sampler.wire import Chat, Completion, Prompt
from trainer.errors import OperationError


class Tokens(Protocol):
    """What is needed of a tokenizer, see sampler/tokenizer.py."""

    ends: frozenset[int]

    def encode(self, text: str) -> tuple[int, ...]: ...
    def decode(self, tokens: Sequence[int]) -> str: ...
    def render(self, messages: Sequence[dict[str, str]]) -> tuple[int, ...]: ...


class Generation:
    """Its choices are numbered as they are answered: those of the first prompt first.

    identity: of the weights that answer. waited, first_token: seconds from the submission until the last of its choices
    was begun, and until the first token. left: choices that are not finished.
    """

    def __init__(
        self,
        request: Completion,
        config: SamplerConfig,
        engine: Engine,
        tokens: Tokens,
        records: Records,
    ) -> None:
        """`records` are told at the end.

        Raises OperationError where a prompt does not fit the model.
        """
        self.prompts = [_read(prompt, config, engine, tokens) for prompt in _prompts(request, tokens)]
        if request.routing and engine.has_experts:
            raise OperationError("include_routing_matrix is not supported for models with experts; leave it out.", 422)
        self.request = request
        self.identity: str | None = None
        self.waited, self.first_token, self._beside = 0.0, 0.0, 0
        self.begun = time.monotonic()
        self._config, self._engine, self._tokens, self._records = config, engine, tokens, records
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[tuple[int, Event]] = asyncio.Queue()
        self.choices = [
            self._choice(prompt, index * request.n + number, number)
            for index, prompt in enumerate(self.prompts)
            for number in range(request.n)
        ]
        self.left = len(self.choices)

    def submit(self, holdings: Holdings) -> None:
        """Raises OperationError: 404 for a model that is not here, 503 where too many wait."""
        self._beside = sum(self._engine.occupied())
        if self._beside and self._beside + len(self.choices) > self._config.max_sequences:
            raise OperationError(
                f"{self._beside} sequences are computed or wait, of {self._config.max_sequences} that this "
                "sampler takes at once; come again in a moment.",
                503,
            )
        with holdings.use(self.request.model) as served:
            self._engine.submit(self.choices, served.weights)
        self.identity = served.identity

    async def events(self) -> AsyncIterator[tuple[int, Event]]:
        """Until every choice is finished. Raises OperationError 500 where the engine failed.

        Whoever stops reading ends the computation as well.
        """
        try:
            while self.left:
                index, event = await self._events.get()
                if isinstance(event, Broken):
                    raise OperationError(event.detail, 500)
                self._note(event)
                yield index, event
        finally:
            self.cancel()
            usage = self.usage
            self._records.note_request(self.identity, self.begun, usage["prompt_tokens"], usage["completion_tokens"])

    def cancel(self) -> None:
        for choice in self.choices:
            choice.cancelled = True

    def break_off(self) -> None:
        """The client is gone: stop, and let whoever reads the events know."""
        self.cancel()
        self._events.put_nowait((0, Broken("The client is gone.")))

    @property
    def has_more(self) -> bool:
        """Whether events are there already that nobody has read."""
        return not self._events.empty()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.begun

    @property
    def usage(self) -> dict[str, int]:
        prompt = sum(map(len, self.prompts))
        made = sum(len(choice.tokens) for choice in self.choices)
        return {"prompt_tokens": prompt, "completion_tokens": made, "total_tokens": prompt + made}

    def metrics(self) -> dict[str, str]:
        """By the names that the SDK reads, from headers and from the last event of a stream; seconds."""
        return {
            "num-concurrent-requests": str(self._beside),
            "prompt-tokens": str(self.usage["prompt_tokens"]),
            "cached-prompt-tokens": "0",
            "prefill-queue-duration": f"{self.waited:.6f}",
            "generation-queue-duration": "0",
            "server-time-to-first-token": f"{self.first_token:.6f}",
            "server-processing-time": f"{self.seconds:.6f}",
        }

    def _choice(self, prompt: tuple[int, ...], index: int, number: int) -> Choice:
        request, room = self.request, self._config.max_context_length - len(prompt)
        wanted = request.sampling.max_tokens
        ends = frozenset(request.sampling.stop_token_ids)
        echoed = len(prompt) if request.echo is None else min(request.echo, len(prompt))
        return Choice(
            prompt=prompt,
            sampling=request.sampling,
            limit=room if wanted is None else min(wanted, room),
            ends=ends if request.sampling.ignore_eos else ends | self._tokens.ends,
            text=TextStream(self._tokens.decode, request.sampling.stop),
            emit=partial(self._emit, index),
            logprobs=request.logprobs,
            top=request.top,
            scored=echoed if request.logprobs else 0,
            random=seeded(request.sampling.seed, number),
        )

    def _emit(self, index: int, event: Event) -> None:
        with suppress(RuntimeError):  # the server has stopped
            self._loop.call_soon_threadsafe(self._events.put_nowait, (index, event))

    def _note(self, event: Event) -> None:
        if isinstance(event, Started):
            self.waited = max(self.waited, event.waited)
        elif isinstance(event, Sampled) and not self.first_token:
            self.first_token = self.seconds
        elif isinstance(event, Finished):
            self.left -= 1


def _prompts(request: Completion, tokens: Tokens) -> tuple[Prompt, ...]:
    return (tokens.render(request.messages),) if isinstance(request, Chat) else request.prompts


def _read(prompt: Prompt, config: SamplerConfig, engine: Engine, tokens: Tokens) -> tuple[int, ...]:
    ids = tokens.encode(prompt) if isinstance(prompt, str) else prompt
    if not ids:
        raise OperationError("The prompt has no token.", 422)
    if len(ids) > config.max_context_length:
        raise OperationError(
            f"The prompt has {len(ids)} tokens; the context of this sampler (max_context_length) is "
            f"{config.max_context_length}. Shorten it, or deploy a shape with a longer context.",
            422,
        )
    if max(ids) >= engine.vocabulary:
        raise OperationError(
            f"The prompt holds token id {max(ids)}; the vocabulary of this model ends at {engine.vocabulary - 1}.", 422
        )
    return ids
