"""The sampler with vLLM as its engine: the stand-in, and vLLM itself where a Python is named that has it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import torch
from bodies import BASE_MODEL
from processes import DEPLOYMENT, RunningSampler, start_sampler
from starting import ROOT
from test_sampler_process import TOKENS, LoadedTrainer, refusal, rows, said_by, save, scored, spoil, tokens_of, train
from transformers import Qwen3Config, Qwen3ForCausalLM

from trainer.tiny_model import TOKENIZERS

VARIABLE = "SLIPWAY_TEST_VLLM_PYTHON"
START_SECONDS = 600
ON_A_CPU = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}
SERVE = 'exec "$0" -m vllm.entrypoints.cli.main serve "$@" --dtype float32 --enforce-eager'
"""Its first argument has to be the model, so that what is added stands behind."""
CLOSE = 1e-3
"""Two ways to compute the same in float32."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("vllm")


@pytest.fixture(scope="module")
def model_directory(root: Path) -> str:
    """A model whose heads are as wide as vLLM's attention on a CPU takes them: those of the tiny models are not."""
    directory = root / "model"
    shutil.copytree(TOKENIZERS / "tiny-qwen3", directory)
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=512, hidden_size=128, intermediate_size=256, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=64, tie_word_embeddings=False,
    )  # fmt: skip
    Qwen3ForCausalLM(config).save_pretrained(directory)
    return str(directory)


@pytest.fixture(scope="module")
def sampler(root: Path, model_directory: str) -> Iterator[RunningSampler]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ON_A_CPU.items():
            patch.setenv(name, os.environ.get(name, value))
        facts = {"engine": "vllm", "vllm_command": ["sh", "-c", SERVE, os.environ[VARIABLE]], "max_lora_rank": 8}
        facts["model_directory"] = model_directory
        sampler = start_sampler(root, "vllm", seconds=START_SECONDS, **facts)
    yield sampler
    sampler.process.terminate()
    sampler.process.wait(60)
    sampler.stop()


@pytest.mark.skipif(
    VARIABLE not in os.environ, reason=f"{VARIABLE} names no Python with vLLM (docs/SAMPLER.md): the stand-in alone"
)
def test_it_answers_takes_whole_weights_and_adapters_and_refuses_bad_ones(
    root: Path, model_directory: str, sampler: RunningSampler, subtests: pytest.Subtests
) -> None:
    facts = {"max_context_length": 256, "model_directory": model_directory}
    policy = LoadedTrainer(root, "policy", **facts)
    model = policy.create()
    base = said_by(policy, model, TOKENS)
    with subtests.test("the base model, as the trainer computes it"):
        assert scored(sampler) == pytest.approx(base, abs=CLOSE)
    with subtests.test("an adapter beside the base model"):
        lora = LoadedTrainer(root, "lora", trainer_mode="LORA_TRAINER", **facts)
        adapted = lora.create(8)
        train(lora, adapted)
        saved, said = save(lora, adapted), said_by(lora, adapted, TOKENS)
        assert sampler.load(saved, "lora").json()["status"] == "loaded"
        assert scored(sampler, model=f"{DEPLOYMENT}#{saved}") == pytest.approx(said, abs=CLOSE)
        assert scored(sampler, model=BASE_MODEL) == pytest.approx(base, abs=CLOSE)
        assert said != pytest.approx(base, abs=10 * CLOSE)
    train(policy, model)
    first = save(policy, model)
    with subtests.test("whole weights"):
        assert sampler.load(first).json()["status"] == "loaded"
        assert scored(sampler) == pytest.approx(said_by(policy, model, TOKENS), abs=CLOSE)
        answer = sampler.complete(TOKENS[:4], max_tokens=20, temperature=1, seed=3, echo=True)
        assert answer["snapshot_identity"] == first
        [tokens] = tokens_of(answer)
        assert [row["logprob"] for row in rows(answer)[1:]] == pytest.approx(said_by(policy, model, tokens), abs=CLOSE)
        assert all(row["sampling_logprob"] == row["logprob"] for row in rows(answer)[4:])
    with subtests.test("weights of another shape leave them serving"):
        assert "is of shape" in refusal(sampler.load(spoil(sampler, first, "shape")), 400)
        assert sampler.replica["current_snapshot_identity"] == first
        assert scored(sampler) == pytest.approx(said_by(policy, model, TOKENS), abs=CLOSE)


def test_it_ends_where_vllms_server_ends(root: Path) -> None:
    stand_in = [sys.executable, str(ROOT / "tests" / "sampler" / "stand_in_vllm.py")]
    sampler = start_sampler(root, "broken", engine="vllm", vllm_command=stand_in)
    with pytest.raises((AssertionError, httpx.HTTPError)):
        sampler.complete([13, 13, 13])
    assert sampler.process.wait(60) == 1
    assert "vLLM's server ended with code 1" in (sampler.directory / "exit-reason.json").read_text()
    sampler.stop()
