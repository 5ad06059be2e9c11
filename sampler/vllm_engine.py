"""vLLM as the engine, for GPUs: its own server, started here, spoken to over a socket that nobody else can open.

vLLM holds one set of whole weights and replaces it in place. So a load of whole weights waits until what is being
answered is done, and what comes meanwhile is told to come again; adapters come and go beside what runs.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from sampler.config import SamplerConfig
from sampler.sequences import LEAST_LOGPROB, Choice, Scored
from sampler.tensors import check_shapes
from sampler.unix_http import ask, stream_events
from sampler.wire import MOST_TOP_LOGPROBS
from trainer.errors import OperationError

log = logging.getLogger(__name__)

BASE = "base"
START_SECONDS, LOAD_SECONDS, DRAIN_SECONDS = 1800.0, 900.0, 600.0
LOOK_SECONDS = 0.5
ENVIRONMENT = {"VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True", "VLLM_SERVER_DEV_MODE": "1", "HF_HUB_OFFLINE": "1"}
"""Of which the second opens the routes that replace weights; they know no token, hence the socket."""


@dataclass(frozen=True, eq=False)
class VllmWeights:
    """name: by which vLLM's server knows them; whole: what an adapter is on, None for whole weights."""

    name: str
    whole: VllmWeights | None = None


class VllmEngine:
    def __init__(self, config: SamplerConfig) -> None:
        self.vocabulary = 0
        self.has_experts = False
        self._config = config
        self._socket = Path(mkdtemp(prefix="slipway-vllm-")) / "socket"
        self._server: subprocess.Popen[bytes] | None = None
        self._directory = Path()
        self._whole = VllmWeights(BASE)
        self._names = count(1)
        self._running: Counter[VllmWeights] = Counter()
        self._released: set[VllmWeights] = set()
        self._replacing = False
        self._changed = threading.Condition()
        self._workers = ThreadPoolExecutor(config.max_sequences + 1, "vllm")

    def open(self, directory: Path) -> VllmWeights:
        """Start the server, or have it load these weights again. Raises OperationError where it does not get ready."""
        if self._server is not None:
            return self.load_full(directory)
        facts = json.loads((directory / "config.json").read_text(encoding="utf-8"))
        text = facts.get("text_config") or facts
        self.vocabulary = int(text["vocab_size"])
        self.has_experts = any("experts" in name for name in text)
        self._directory = directory
        self._server = subprocess.Popen(self._command(directory), env={**os.environ, **ENVIRONMENT})
        deadline = time.monotonic() + START_SECONDS
        while not self._is_healthy():
            if self._server.poll() is not None:
                raise OperationError(_ended(self._server.returncode))
            if time.monotonic() > deadline:
                raise OperationError(f"vLLM's server was not ready within {START_SECONDS:.0f} s.")
            time.sleep(LOOK_SECONDS)
        return self._whole

    def load_full(self, directory: Path) -> VllmWeights:
        check_shapes(directory, self._directory)  # a load that breaks off at one leaves vLLM no weights to go back to
        with self._alone():
            try:
                self._replace(directory)
            except OperationError:
                self._replace(self._directory)  # some tensors may be there already
                raise
            self._directory, self._whole = directory, VllmWeights(BASE)
        return self._whole

    def load_adapter(self, directory: Path, base: VllmWeights) -> VllmWeights:
        weights = VllmWeights(f"adapter{next(self._names)}", base)
        self._ask("/v1/load_lora_adapter", {"lora_name": weights.name, "lora_path": str(directory)})
        return weights

    def release(self, weights: VllmWeights) -> None:
        with self._changed:
            self._released.add(weights)
        self._workers.submit(self._let_go)

    def submit(self, choices: Sequence[Choice], weights: VllmWeights) -> None:
        with self._changed:
            # What has been replaced meanwhile cannot answer any more, nor may what came in its place.
            if self._replacing or (weights.whole or weights) is not self._whole:
                raise OperationError("Newer weights are being loaded; come again in a moment.", 503)
            self._running[weights] += len(choices)
        for choice in choices:
            self._workers.submit(self._compute, choice, weights)

    def occupied(self) -> tuple[int, int]:
        return sum(self._running.values()), 0

    def failure(self) -> str:
        code = self._server.poll() if self._server else None
        return "" if code is None else _ended(code)

    def close(self) -> None:
        if self._server is not None:
            self._server.terminate()

    def _command(self, directory: Path) -> list[str]:
        config = self._config
        return [
            *config.vllm_command, str(directory), "--uds", str(self._socket), "--served-model-name", BASE,
            "--max-model-len", str(config.max_context_length), "--max-num-seqs", str(config.max_batch_size),
            "--max-logprobs", str(MOST_TOP_LOGPROBS), "--generation-config", "vllm", "--enable-lora",
            "--max-loras", str(config.max_adapters), "--max-lora-rank", str(config.max_lora_rank),
            "--disable-uvicorn-access-log",
        ]  # fmt: skip

    def _is_healthy(self) -> bool:
        try:
            ask(self._socket, "GET", "/health", None, 10.0)
        except (OSError, OperationError):
            return False
        return True

    def _ask(self, path: str, body: dict[str, Any], seconds: float = LOAD_SECONDS) -> Any:
        try:
            return ask(self._socket, "POST", path, body, seconds)
        except OSError as error:
            raise OperationError(f"vLLM's server does not answer: {error.strerror or error}.") from error

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nothing is answered meanwhile. Raises OperationError where what was being answered does not end in time."""
        with self._changed:
            self._replacing = True
        try:
            with self._changed:
                if not self._changed.wait_for(lambda: not sum(self._running.values()), DRAIN_SECONDS):
                    raise OperationError(f"What is being answered was not done within {DRAIN_SECONDS:.0f} s.")
            yield
        finally:
            with self._changed:
                self._replacing = False

    def _replace(self, directory: Path) -> None:
        told = {"method": "reload_weights", "kwargs": {"weights_path": str(directory)}}
        self._ask("/collective_rpc", told)
        self._ask("/reset_prefix_cache", {})

    def _compute(self, choice: Choice, weights: VllmWeights) -> None:
        try:
            if not choice.cancelled:
                choice.start(self._score(choice, weights) if choice.scored else ())
            if not (choice.cancelled or choice.done):
                self._generate(choice, weights)
        except Exception as error:
            log.warning("a choice broke: %s", error)
            choice.break_off(f"The engine failed: {' '.join(str(error).split())[:300]}")
        finally:
            with self._changed:
                self._running[weights] -= 1
                self._changed.notify_all()
            self._let_go()

    def _score(self, choice: Choice, weights: VllmWeights) -> list[Scored]:
        body = self._body(choice, weights) | {"max_tokens": 1, "prompt_logprobs": max(choice.top, 1)}
        told = self._ask("/v1/completions", body)["choices"][0]["prompt_logprobs"]
        first = choice.prompt[0]
        scores = [Scored(first, 0.0, None, ((first, 0.0),) if choice.top else ())]
        for token, likeliest in zip(choice.prompt[1:], told[1:], strict=True):
            listed = [(int(each), float(about["logprob"])) for each, about in likeliest.items()]
            scores.append(_scored(token, dict(listed)[token], listed, choice, None))
        return scores[len(scores) - choice.scored :]

    def _generate(self, choice: Choice, weights: VllmWeights) -> None:
        body = self._body(choice, weights) | {"max_tokens": choice.limit, "stream": True}
        for event in stream_events(self._socket, "/v1/completions", body):
            for told in event.get("choices", ()):
                for scored in _tokens(told, choice):
                    if not choice.done:
                        choice.accept(scored)
            if choice.done or choice.cancelled:
                return  # leaving the stream ends the computation there
        choice.break_off("vLLM's server ended the answer before its end.")

    def _body(self, choice: Choice, weights: VllmWeights) -> dict[str, Any]:
        sampling = choice.sampling
        return {
            "model": weights.name,
            "prompt": list(choice.prompt),
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k,
            "seed": choice.random.getrandbits(31),
            "stop_token_ids": sorted(choice.ends),
            "ignore_eos": True,
            "logprobs": choice.top,
            "return_token_ids": True,
            "return_tokens_as_token_ids": True,
        }

    def _let_go(self) -> None:
        with self._changed:
            idle = [each for each in self._released if not self._running[each] and each.name != BASE]
            self._released -= {*idle, *(each for each in self._released if each.name == BASE)}
        for weights in idle:
            try:
                self._ask("/v1/unload_lora_adapter", {"lora_name": weights.name})
            except OperationError as error:
                log.warning("%s was not let go of: %s", weights.name, error.detail)


def _ended(code: int) -> str:
    return f"vLLM's server ended with code {code}; its log says why."


def _tokens(told: dict[str, Any], choice: Choice) -> Iterator[Scored]:
    """The tokens of one part of vLLM's stream."""
    logprobs = told.get("logprobs") or {}
    tops = logprobs.get("top_logprobs") or [{}] * len(told.get("token_ids") or ())
    own = logprobs.get("token_logprobs") or ()
    for token, logprob, likeliest in zip(told.get("token_ids") or (), own, tops, strict=True):
        listed = [(_token_id(name), each) for name, each in (likeliest or {}).items()]
        yield _scored(token, logprob, listed, choice, _behaviour(choice, logprob))


def _scored(
    token: int, logprob: float, listed: list[tuple[int, float]], choice: Choice, behaviour: float | None
) -> Scored:
    likeliest = sorted(listed, key=lambda each: -each[1])[: choice.top]
    return Scored(
        token,
        max(logprob, LEAST_LOGPROB),
        behaviour,
        tuple((each, max(value, LEAST_LOGPROB)) for each, value in likeliest),
    )


def _behaviour(choice: Choice, logprob: float) -> float | None:
    """vLLM tells one of the two log-probabilities: the model's own. That it was drawn from is known where they agree,
    and where there was no choice."""
    if choice.sampling.temperature == 0:
        return 0.0
    return max(logprob, LEAST_LOGPROB) if choice.sampling.is_plain else None


def _token_id(name: str) -> int:
    return int(name.removeprefix("token_id:"))
