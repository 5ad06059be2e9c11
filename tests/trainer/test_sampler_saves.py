"""Weights for a sampler open with plain transformers and peft, and say what the trainer said."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from bodies import BASE_MODEL, forward_body, make_datum, step_body
from peft import LoraConfig, PeftModel, get_peft_model
from processes import RunningTrainer, Starter
from safetensors.torch import save_file
from starting import finish_module
from transformers import AutoModelForCausalLM, AutoTokenizer

from trainer.adapters import read_adapter
from trainer.errors import OperationError
from trainer.export import write_adapter, write_merged
from trainer.tiny_model import ensure_tiny_model

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


def put(trainer: RunningTrainer, directory: Path, model_id: str) -> str:
    """Make a model of the account of what was saved. Returns its resource name."""
    shutil.copytree(directory, trainer.directory.parents[2] / "weights" / "team-a" / model_id)
    return f"accounts/team-a/models/{model_id}"


def test_a_model_of_the_account_is_gone_on_from(lora: RunningTrainer, policy: RunningTrainer) -> None:
    model = lora.create(4)
    said = train(lora, model)
    name = put(lora, save(lora, model)[0], "mine")
    lora.call("unload_model", {"model_id": model})
    for config in ({"rank": 4, "alpha": 8}, {"rank": 8, "alpha": 5}):  # the same, and wider with another alpha
        fresh = lora.create(lora_config=config)
        train(lora, fresh)
        answer = lora.call("load_adapter", {"model_id": fresh, "adapter_path": name, "seq_id": 7})
        assert answer == {"type": "load_adapter", "model_id": fresh, "adapter_path": name}
        assert logprobs(lora, fresh) == pytest.approx(said, abs=1e-5)
        assert train(lora, fresh) != pytest.approx(said, abs=1e-2), "it is trained on"
        lora.call("unload_model", {"model_id": fresh})

    full = policy.create()
    whole = put(policy, save(policy, full)[0], "whole")
    narrow, partial = lora.create(2), lora.create(lora_config={"rank": 4, "train_mlp": False})
    for trainer, session, path, status, text in [
        (lora, narrow, name, 400, "has rank 4, this model 2"),
        (lora, partial, name, 400, "which this model does not train"),
        (lora, narrow, whole, 400, "is a whole model and no adapter"),
        (lora, narrow, "accounts/team-a/models/none", 404, "There is no model"),
        (lora, narrow, "accounts/team-b/models/mine", 404, "models of accounts/team-a/models/... only"),
        (lora, narrow, "accounts/team-a/models/..", 404, "There is no adapter"),
        (lora, narrow, "gs://bucket/adapter", 404, "There is no adapter"),
        (policy, full, name, 400, "is no LoRA adapter"),
    ]:
        answer = trainer.answer("load_adapter", {"model_id": session, "adapter_path": path})
        assert (answer.status_code, text in answer.json()["detail"]) == (status, True), answer.text
    for trainer, session in [(policy, full), (lora, narrow), (lora, partial)]:
        trainer.call("unload_model", {"model_id": session})


def test_a_trainer_that_starts_from_an_adapter_creates_every_model_as_it(lora: RunningTrainer, start: Starter) -> None:
    model = lora.create(4)
    said = train(lora, model)
    name = put(lora, save(lora, model)[0], "to-start-from")
    lora.call("unload_model", {"model_id": model})
    told = {"trainer_mode": "LORA_TRAINER", "lora_rank": 4, "start_from": name}
    trainer = start("from-adapter", recipe="sample-sft", recipe_steps=100_000, **told)
    assert logprobs(trainer, trainer.create(4)) == pytest.approx(said, abs=1e-5)
    assert logprobs(trainer, trainer.create(4, base_model=name)) == pytest.approx(said, abs=1e-5)
    session = trainer.http.post("/api/v1/create_session", json={"tags": []}).json()["session_id"]
    narrow = {"session_id": session, "base_model": BASE_MODEL, "lora_config": {"rank": 2}}
    for _ in range(3):  # what was made in vain is not held
        assert "has rank 4, this model 2" in trainer.answer("create_model", narrow).json()["detail"]
    assert trainer.log.read_text().count(f"loaded adapter {name}: rank 4") == 3, "the recipe's own model, too"


def merged(tmp_path: Path, **config: Any) -> tuple[int, dict[str, str]]:
    """Exit code and last line of a merge in a process of its own."""
    path = tmp_path / "merge.json"
    path.write_text(json.dumps(config))
    code, lines = finish_module("trainer.merge", [str(path)], tmp_path / "log")
    return code, json.loads(lines[-1])


def test_an_adapter_is_merged_by_a_process_of_its_own(lora: RunningTrainer, tmp_path: Path) -> None:
    model = lora.create(8)
    said = train(lora, model)
    adapter = tmp_path / "adapter"
    shutil.copytree(save(lora, model)[0], adapter)
    lora.call("unload_model", {"model_id": model})
    (output := tmp_path / "output").mkdir()
    cache = lora.directory.parents[2] / "models"
    config = {"base_model": BASE_MODEL, "model_directory": None, "model_cache": str(cache), "output": str(output)}
    code, told = merged(tmp_path, **config, adapter=str(adapter))
    assert (code, told["reason"]) == (0, "COMPLETED"), told
    assert plain_logprobs(AutoModelForCausalLM.from_pretrained(output)) == pytest.approx(said, abs=1e-5)
    assert AutoTokenizer.from_pretrained(output).encode("a ship")
    code, told = merged(tmp_path, **config, adapter=str(adapter))
    assert (code, "is not empty" in told["message"]) == (2, True)
    (fresh := tmp_path / "fresh").mkdir()
    (adapter / "adapter_model.safetensors").rename(adapter / "adapter_model.bin")
    code, told = merged(tmp_path, **config | {"output": str(fresh)}, adapter=str(adapter))
    assert (code, "other formats are not read" in told["message"], list(fresh.iterdir())) == (1, True, [])


def test_a_tied_output_is_parted_from_the_input_when_it_is_merged(tmp_path: Path) -> None:
    """Else the delta of the output would change what goes in, too."""
    tiny = ensure_tiny_model(tmp_path / "cache", BASE_MODEL)
    base = AutoModelForCausalLM.from_pretrained(tiny, tie_word_embeddings=True)
    base.tie_weights()
    base.save_pretrained(tied := tmp_path / "tied")
    adapted = get_peft_model(
        AutoModelForCausalLM.from_pretrained(tied),
        LoraConfig(r=2, lora_alpha=8, target_modules=["lm_head", "q_proj"], init_lora_weights=False),
    )
    (directory := tmp_path / "adapter").mkdir()
    write_adapter(adapted, "default", tied, BASE_MODEL, directory)
    (output := tmp_path / "output").mkdir()
    write_merged(tied, read_adapter(directory), output)
    assert plain_logprobs(AutoModelForCausalLM.from_pretrained(output)) == pytest.approx(
        plain_logprobs(adapted), abs=1e-5
    )


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"peft_type": "VERA"}, "only LORA is supported"),
        ({"megatron_core": "os", "use_dora": True}, "use_dora is not supported"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save is not supported"),
        ({"rank_pattern": {"q": 1}}, "rank_pattern is not supported"),
        ({"bias": "all"}, "bias is not supported"),
        ({"r": None}, "adapter_config.json.r is missing"),
        ({"r": 3}, "is none of a LoRA adapter of rank 3"),
        ({"lora_alpha": "8"}, "must be a whole number"),
    ],
)
def test_an_adapter_that_would_be_more_than_ba_is_refused(tmp_path: Path, change: dict[str, Any], text: str) -> None:
    tensors = {f"base_model.model.q.lora_{side}.weight": torch.ones(2, 2) for side in "AB"}
    save_file(tensors, tmp_path / "adapter_model.safetensors")
    good = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "base_model_name_or_path": "x", "bias": "none"}
    (tmp_path / "adapter_config.json").write_text(json.dumps(good))
    assert read_adapter(tmp_path).modules == ("q",)
    (tmp_path / "adapter_config.json").write_text(json.dumps(good | change))
    with pytest.raises(OperationError, match=re.escape(text)):
        read_adapter(tmp_path)
