"""Weights for a sampler open with plain transformers and peft, and say what the trainer said."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from bodies import BASE_MODEL, forward_body, make_datum, step_body
from peft import PeftModel
from processes import RunningTrainer
from transformers import AutoModelForCausalLM, AutoTokenizer

TOKENS = [5, 6, 7, 8, 9, 10, 11, 12]


def train(trainer: RunningTrainer, model: str) -> list[float]:
    """One large step, and the log-probability of each token after the one before it."""
    trainer.call("forward_backward", forward_body(model, [make_datum(TOKENS)]))
    trainer.call("optim_step", step_body(model, learning_rate=1e-2))
    return logprobs(trainer, model)


def logprobs(trainer: RunningTrainer, model: str) -> list[float]:
    datum = make_datum(TOKENS[:-1], target_tokens=TOKENS[1:])
    return trainer.call("forward", forward_body(model, [datum]))["loss_fn_outputs"][0]["logprobs"]["data"]


def plain_logprobs(module: Any) -> list[float]:
    with torch.no_grad():
        logits = module.eval()(input_ids=torch.tensor([TOKENS[:-1]])).logits[0].float().log_softmax(-1)
    return logits[torch.arange(len(TOKENS) - 1), torch.tensor(TOKENS[1:])].tolist()


def save(trainer: RunningTrainer, model: str, **more: Any) -> tuple[Path, dict[str, Any]]:
    """Where a sampler save lies, and its manifest, which tells the truth of each of its files."""
    body = {"model_id": model, "path": "final-a1b2", **more}
    directory = trainer.checkpoints.parent / "sampler" / trainer.call("save_weights_for_sampler", body)["path"]
    manifest = json.loads((directory / "checkpoint.json").read_text())
    there = {path.name: path for path in directory.iterdir() if path.name != "checkpoint.json"}
    assert manifest["files"] == {
        name: {"size_bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        for name, path in there.items()
    }
    assert all(str(trainer.directory.parents[2]).encode() not in path.read_bytes() for path in there.values())
    return directory, manifest


def open_base(trainer: RunningTrainer) -> Any:
    return AutoModelForCausalLM.from_pretrained(trainer.directory.parents[2] / "models" / "tiny-qwen3-v1")


def facts(manifest: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(manifest[name] for name in ("kind", "state", "step", "lora_rank", "lora_alpha", "precision"))


def test_a_whole_model_opens_from_its_directory_alone(policy: RunningTrainer) -> None:
    model = policy.create()
    said = train(policy, model)
    directory, manifest = save(policy, model)
    assert facts(manifest) == ("SAMPLER", "READY", 1, 0, 0, "float32")
    assert {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json"} <= manifest["files"].keys()
    assert plain_logprobs(AutoModelForCausalLM.from_pretrained(directory)) == pytest.approx(said, abs=1e-5)
    tokenizer = AutoTokenizer.from_pretrained(directory)
    assert tokenizer.decode(tokenizer.encode("a ship")) == "a ship"
    policy.call("unload_model", {"model_id": model})


def test_an_adapter_opens_with_its_base_which_it_names(lora: RunningTrainer) -> None:
    model = lora.create(8)
    said = train(lora, model)
    directory, manifest = save(lora, model)
    assert facts(manifest) == ("SAMPLER", "READY", 1, 8, 16, "float32")
    assert set(manifest["files"]) >= {"adapter_config.json", "adapter_model.safetensors", "tokenizer.json"}
    assert json.loads((directory / "adapter_config.json").read_text())["base_model_name_or_path"] == BASE_MODEL
    assert plain_logprobs(PeftModel.from_pretrained(open_base(lora), directory)) == pytest.approx(said, abs=1e-5)
    assert plain_logprobs(open_base(lora)) != pytest.approx(said, abs=1e-2)
    lora.call("unload_model", {"model_id": model})


def test_an_adapter_is_merged_into_its_base_and_the_trainer_keeps_its_own(lora: RunningTrainer) -> None:
    model = lora.create(8)
    merged = {"checkpoint_type": "merged_base"}
    for more, text in [({}, "nothing to merge"), ({"export_precision": "nvfp4"}, "one of source, bf16")]:
        refusal = lora.answer("save_weights_for_sampler", {"model_id": model, **merged, **more})
        assert text in refusal.json()["detail"]
    said = train(lora, model)
    directory, manifest = save(lora, model, **merged)
    assert facts(manifest) == ("SAMPLER", "READY", 1, 0, 0, "float32")
    assert not any("adapter" in name for name in manifest["files"])
    assert plain_logprobs(AutoModelForCausalLM.from_pretrained(directory)) == pytest.approx(said, abs=1e-5)
    assert logprobs(lora, model) == said
    assert save(lora, model, **merged, export_precision="bf16")[1]["precision"] == "bfloat16"
    lora.call("unload_model", {"model_id": model})
