"""The engine that speaks to vLLM's server, against a stand-in for that server; no GPU has seen it."""

from __future__ import annotations

import json
import queue
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from sampler.config import parse_config
from sampler.sequences import Broken, Choice, Event, Finished, Sampled, Started, seeded
from sampler.text import TextStream
from sampler.vllm_engine import VllmEngine, VllmWeights
from sampler.wire import Sampling
from trainer.errors import OperationError

STAND_IN = Path(__file__).with_name("stand_in_vllm.py")


def decode(tokens: Sequence[int]) -> str:
    return "".join(chr(96 + token) for token in tokens)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models whose names differ in length, which is how the stand-in tells them apart."""
    root = tmp_path_factory.mktemp("models")
    for name in ("one", "three", "sevenxx", "bad-one", "wider"):
        (root / name).mkdir()
        (root / name / "config.json").write_text(json.dumps({"vocab_size": 100, "model_type": "qwen3"}))
        head = json.dumps(
            {"__metadata__": {}, "norm": {"dtype": "F32", "shape": [3 if name == "wider" else 2]}}
        ).encode()
        (root / name / "model.safetensors").write_bytes(len(head).to_bytes(8, "little") + head)
    (root / "bad-one" / "bad").touch()
    return root


@pytest.fixture(scope="module")
def engine(folders: Path) -> Iterator[VllmEngine]:
    config = parse_config(
        {
            "directory": "/d", "deployment": "accounts/a/deployments/d", "base_model": "accounts/a/models/m",
            "jobs_root": "/j", "model_cache": "/c", "engine": "vllm",
            "vllm_command": [sys.executable, str(STAND_IN)],
        }
    )  # fmt: skip
    engine = VllmEngine(config)
    yield engine
    engine.close()


def ask(engine: VllmEngine, weights: VllmWeights, **more: Any) -> tuple[Choice, queue.Queue[Event]]:
    events: queue.Queue[Event] = queue.Queue()
    sampling = more.pop("sampling", Sampling(max_tokens=4))
    choice = Choice(
        prompt=(1, 2, 3), sampling=sampling, limit=more.pop("limit", 4), ends=frozenset({99}),
        text=TextStream(decode, sampling.stop), emit=events.put, random=seeded(1, 0), **more,
    )  # fmt: skip
    engine.submit([choice], weights)
    return choice, events


def read(events: queue.Queue[Event]) -> list[Event]:
    told = [events.get(timeout=30)]
    while not isinstance(told[-1], (Finished, Broken)):
        told.append(events.get(timeout=30))
    return told


def tokens_of(told: list[Event]) -> list[tuple[int, float, float | None]]:
    rows = [each.scored for each in told if isinstance(each, Sampled)]
    return [(row.token, row.logprob, row.sampling_logprob) for row in rows]


def test_it_starts_answers_and_takes_newer_weights(engine: VllmEngine, folders: Path) -> None:
    base = engine.open(folders / "one")
    assert engine.vocabulary == 100 and not engine.has_experts
    told = read(ask(engine, base, top=2, scored=3)[1])
    assert isinstance(told[0], Started)
    assert [(row.token, row.logprob) for row in told[0].prompt] == [(1, 0.0), (2, -3.002), (3, -3.003)]
    assert told[0].prompt[1].top == ((9, -0.5), (2, -3.002))
    assert tokens_of(told) == [(token, -3 - token / 1000, -3 - token / 1000) for token in (3, 4, 5, 6)]
    assert told[-1] == Finished("length")
    shaped = tokens_of(read(ask(engine, base, sampling=Sampling(temperature=0.5))[1]))
    greedy = tokens_of(read(ask(engine, base, sampling=Sampling(temperature=0))[1]))
    assert {row[2] for row in shaped} == {None} and {row[2] for row in greedy} == {0.0}
    [*_, last] = read(ask(engine, base, sampling=Sampling(stop=("de",)))[1])
    assert last == Finished("stop")

    adapter = engine.load_adapter(folders / "sevenxx", base)
    assert tokens_of(read(ask(engine, adapter)[1]))[0][1] == -7.003
    assert tokens_of(read(ask(engine, base)[1]))[0][1] == -3.003
    engine.release(adapter)
    deadline = time.monotonic() + 30
    while not isinstance(last := read(ask(engine, adapter)[1])[-1], Broken):
        assert time.monotonic() < deadline
    assert "The engine failed" in last.detail

    # What is being answered ends with the weights that it began with, and what comes meanwhile has to come again.
    _, slow = ask(engine, base, limit=60)
    with pytest.raises(OperationError, match="answered 500"):
        engine.load_full(folders / "bad-one")
    assert {round(logprob) for _, logprob, _ in tokens_of(read(slow))} == {-3}
    assert tokens_of(read(ask(engine, base)[1]))[0][1] == -3.003  # the old ones are back
    with pytest.raises(OperationError, match=r"'norm' is of shape \(3,\), and \(2,\) in the model"):
        engine.load_full(folders / "wider")  # of which vLLM is not told: it would keep none
    newer = engine.load_full(folders / "three")
    with pytest.raises(OperationError, match="come again"):
        ask(engine, base)
    assert tokens_of(read(ask(engine, newer)[1]))[0][1] == -5.003
    base = engine.open(folders / "one")
    assert tokens_of(read(ask(engine, base)[1]))[0][1] == -3.003

    choice, left = ask(engine, base, limit=10_000)
    left.get(timeout=30)
    choice.cancelled = True
    deadline = time.monotonic() + 30
    while engine.occupied()[0]:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_one_that_does_not_start_says_so(folders: Path) -> None:
    wrong = parse_config(
        {
            "directory": "/d", "deployment": "accounts/a/deployments/d", "base_model": "accounts/a/models/m",
            "jobs_root": "/j", "model_cache": "/c", "engine": "vllm", "vllm_command": [str(shutil.which("false"))],
        }
    )  # fmt: skip
    with pytest.raises(OperationError, match="ended with code 1"):
        VllmEngine(wrong).open(folders / "one")
