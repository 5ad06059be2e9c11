"""Who uses a deployment while things happen to it: somebody who asks all the time, and a loop that trains."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from typing import Any

import httpx

from tests.proxies import NAME

JOBS = "/v1/accounts/local/rlorTrainerJobs"
BASE_MODEL = "accounts/local/models/tiny-qwen3"
SAVES_EVERY = 50
TOKENS = list(range(1, 33))
DATUM = {
    "model_input": {"chunks": [{"type": "encoded_text", "tokens": TOKENS}]},
    "loss_fn_inputs": {"target_tokens": {"data": TOKENS, "dtype": "int64", "shape": [len(TOKENS)]}},
}


class TrainerGoneError(Exception):
    """The trainer is not there any more, in words; none where the loop was told to leave."""


class SteadyCaller:
    """Somebody who asks through the proxy all the time: what was answered, and when an answer was none."""

    def __init__(self, url: str, key: str) -> None:
        self._client = httpx.Client(base_url=url, headers={"X-Api-Key": key, "Host": NAME}, timeout=30, verify=False)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self.answers: list[tuple[float, str]] = []

    def _ask(self) -> None:
        for path in itertools.cycle(["/healthz", JOBS, "/sign-in", f"{JOBS}/trains"]):
            if self._over.is_set():
                return
            try:
                said = str(self._client.get(path).status_code)
            except httpx.HTTPError as error:
                said = type(error).__name__
            self.answers.append((time.monotonic(), said))

    def __enter__(self) -> SteadyCaller:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def since(self, began: float) -> Counter[str]:
        """How often each status, or error, was the answer from then on."""
        return Counter(said for at, said in self.answers if at >= began)


class TrainingLoop:
    """A loop that trains `job` through the proxy as the SDK does: it tries again for as long as a trainer may be there.

    `steps` were answered, and what to go on from is saved every `SAVES_EVERY`; `over` says why no more are,
    once that is so.
    """

    def __init__(self, url: str, key: str, job: str) -> None:
        there = f"{url}/training/v1/rlorTrainerJobs/local/{job}/api/v1/"
        self._client = httpx.Client(base_url=there, headers={"X-Api-Key": key, "Host": NAME}, timeout=60, verify=False)
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.steps, self.over = 0, ""

    def __enter__(self) -> TrainingLoop:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            session = self._send("create_session", {"type": "create_session"})["session_id"]
            lora = {"rank": 8, "train_unembed": True, "train_mlp": True, "train_attn": True}
            asked = {"session_id": session, "base_model": BASE_MODEL, "lora_config": lora, "model_seq_id": 0}
            model = self._finish("create_model", asked)["model_id"]
            for number in itertools.count(1, 3):
                given = {"data": [DATUM], "loss_fn": "cross_entropy"}
                self._finish("forward_backward", {"model_id": model, "seq_id": number, "forward_backward_input": given})
                adam = {"learning_rate": 1e-4}
                self._finish("optim_step", {"model_id": model, "seq_id": number + 1, "adam_params": adam})
                self.steps += 1
                if self.steps % SAVES_EVERY == 0:
                    self._finish("save_weights", {"model_id": model, "seq_id": number + 2})
        except TrainerGoneError as gone:
            self.over = str(gone)

    def _finish(self, operation: str, body: dict[str, Any]) -> dict[str, Any]:
        """Submit it and wait for its result."""
        submitted = self._send(operation, body)
        return submitted | self._send("retrieve_future", {"request_id": submitted["request_id"]})

    def _send(self, operation: str, body: dict[str, Any]) -> dict[str, Any]:
        """Errors: `TrainerGoneError`, where the answer leaves no hope, or who waits for the loop left."""
        while not self._left.is_set():
            try:
                answer = self._client.post(operation, json=body)
            except httpx.HTTPError:
                self._left.wait(0.2)
                continue
            if answer.is_success:
                found: dict[str, Any] = answer.json()
                return found
            if answer.status_code not in (408, 429, 500, 502, 503, 504):
                raise TrainerGoneError(f"{operation}: {answer.status_code} {answer.text[:200]}")
            if answer.status_code != 408:
                self._left.wait(0.2)
        raise TrainerGoneError("")
