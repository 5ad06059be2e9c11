"""The plan of a trainer's memory against what torch keeps, and what is said where memory runs out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from bodies import BASE_MODEL, forward_body, make_datum, step_body
from processes import RunningTrainer, Starter
from transformers import AutoConfig, AutoModelForCausalLM, Gemma2Config, Gemma2ForCausalLM, Qwen3MoeConfig

from trainer import memory, models
from trainer.config import parse_config
from trainer.errors import NoSpaceError, OperationError, OutOfStepError
from trainer.logprobs import comes_apart, halves
from trainer.memory import MemoryPlan, Plan, checkpoint_layers, is_out_of_memory, plan_memory, within_memory
from trainer.models import ModelHost
from trainer.operations.table import RUNNERS, run_operation
from trainer.ranks.mesh import PLAIN, Scheme
from trainer.sessions import Sessions
from trainer.tiny_model import base_directory
from trainer.wire import parse_create_model

TOKENS = 512


@pytest.fixture(scope="module")
def directory(session_root: Path) -> Path:
    return base_directory(None, session_root / "models", BASE_MODEL)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_the_plan_is_about_what_a_pass_keeps(directory: Path, checkpointing: bool) -> None:
    plan = plan_memory(directory, whole=True, backward=True, as_saved=False, tokens=TOKENS, checkpointing=checkpointing)
    module = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
    parameters = 4 * sum(parameter.numel() for parameter in module.parameters())
    assert (plan.parameters, plan.gradients, plan.optimizer) == (parameters, parameters, 2 * parameters)
    if checkpointing:
        checkpoint_layers(module)
    own = {parameter.untyped_storage().data_ptr() for parameter in module.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage().data_ptr() not in own:
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        halves(module).hidden(torch.zeros(1, TOKENS, dtype=torch.long)).sum()
    measured = sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
    if checkpointing:
        assert measured < plan.activations, "that, and one layer that is computed again"
    else:
        assert 0.8 * measured < plan.activations < 1.3 * measured


def test_who_shares_a_row_keeps_a_part_of_it_and_all_keys_and_values(directory: Path) -> None:
    plans = [
        plan_memory(
            directory, whole=True, backward=True, as_saved=False, tokens=TOKENS, checkpointing=False, scheme=scheme
        )
        for scheme in (PLAIN, Scheme(context=2))
    ]
    config = AutoConfig.from_pretrained(directory)
    kept = 2 * config.num_attention_heads * config.head_dim * config.num_hidden_layers * TOKENS // 2 * 4
    assert plans[1].activations == pytest.approx(plans[0].activations / 2 + kept, rel=1e-3)


def test_the_plan_follows_the_scheme(tmp_path: Path) -> None:
    """What a rank computes with is a part of each layer, or of the experts; what it keeps is the same of all."""
    sizes = {"vocab_size": 64, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "head_dim": 32}
    config = Qwen3MoeConfig(**sizes, num_key_value_heads=4, moe_intermediate_size=32, num_experts=8)
    config.save_pretrained(tmp_path)

    def plan(scheme: Scheme) -> MemoryPlan:
        how = {"whole": True, "backward": True, "as_saved": False, "checkpointing": False, "in_bfloat16": True}
        return plan_memory(tmp_path, **how, tokens=TOKENS, ranks=4, scheme=scheme)

    plain, tensor, expert = (plan(scheme) for scheme in (Scheme(), Scheme(tensor=2), Scheme(expert=4)))
    assert plain.parameters == tensor.parameters == expert.parameters
    assert tensor.gathered == pytest.approx(plain.gathered / 2, rel=0.01)
    experts = 2 * 8 * 3 * 64 * 32 * 2 * 2  # of two layers, each with its gradient
    assert plain.gathered - expert.gathered == experts * 3 // 4
    alone = plan(Scheme(tensor=4))  # nobody else has what a rank computes with, of which it makes a copy in bfloat16
    largest = 8 * 64 * 2 * 32 // 4  # of the gradients, that of the first part of a layer's experts
    assert alone.gathered == alone.parameters // 2 + largest * (2 + 4)
    assert expert.activations == plain.activations
    heads = 4 * 32 * TOKENS * 2 * 2  # such as the queries of two layers, of which half is less
    assert plain.activations - tensor.activations > 3 * heads / 2


def test_layers_that_are_computed_again_change_nothing(start: Starter, lora: RunningTrainer, directory: Path) -> None:
    """Losses and gradients, of an adapter by the protocol, and of all parameters."""
    again, found = start("again", trainer_mode="LORA_TRAINER", activation_checkpointing=True), []
    for trainer in (lora, again):
        model = trainer.create(8)
        for _ in range(2):
            loss = trainer.call("forward_backward", forward_body(model, [make_datum([1, 2, 3, 4])]))["metrics"]
            norm = trainer.call("optim_step", step_body(model))["metrics"]["grad_norm:mean"]
        found.append((loss["loss:sum"], norm))
        assert ("(checkpointing)" in trainer.log.read_text()) is (trainer is again)
        trainer.call("unload_model", {"model_id": model})
    assert found[0] == pytest.approx(found[1], rel=1e-5)
    gradients = []
    for checkpointing in (False, True):
        module = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
        if checkpointing:
            checkpoint_layers(module)
        halves(module).hidden(torch.arange(20).view(2, 10)).square().sum().backward()
        gradients.append([parameter.grad for parameter in module.model.parameters()])
    torch.testing.assert_close(*gradients, atol=1e-5, rtol=1e-5)


def test_a_cap_of_the_logits_is_seen_however_small_they_are(directory: Path) -> None:
    sizes = {"vocab_size": 32, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "head_dim": 4}
    sizes |= {"num_attention_heads": 2, "num_key_value_heads": 1}
    for cap in (None, 30.0):
        module = Gemma2ForCausalLM(Gemma2Config(**sizes, final_logit_softcapping=cap)).eval()
        for dtype in (torch.float32, torch.bfloat16):
            assert comes_apart(module.to(dtype), torch.device("cpu")) is (cap is None)
    assert comes_apart(AutoModelForCausalLM.from_pretrained(directory).eval(), torch.device("cpu"))


def test_another_model_needs_room(directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = parse_config(
        {
            "directory": str(tmp_path), "checkpoints": str(tmp_path), "jobs_root": str(tmp_path), "job": "j",
            "base_model": BASE_MODEL, "model_cache": str(tmp_path), "trainer_mode": "POLICY_TRAINER",
        }
    )  # fmt: skip
    host = ModelHost(config, Sessions(), torch.device("cpu"))
    size = 4 * host.load(directory).parameters
    request = parse_create_model({"session_id": "s", "base_model": BASE_MODEL})
    monkeypatch.setattr(models, "available_bytes", lambda _device: 7 * size)
    host.create(request)  # 3 of them beyond its weights, which are loaded
    plan = Plan(MemoryPlan(0, 0, 0, activations=size, logits=0), checkpointing=False, tokens=1, before=0)
    host.plan = plan
    with pytest.raises(OperationError, match="beside what passes take"):
        host.create(request)
    host.plan = replace(plan, fits=False)  # then it said nothing from the beginning
    host.create(request)
    with pytest.raises(OperationError, match=r"Another model takes \d+ MiB, and \d+ MiB of the memory are free"):
        host.create(request)


def test_a_limit_of_the_container_is_one_of_memory(tmp_path: Path) -> None:
    (tmp_path / "own").write_text("0::/outer/inner\n")
    (tmp_path / "outer" / "inner").mkdir(parents=True)
    for name, content in (("max", "1000"), ("current", "900"), ("stat", "anon 700\ninactive_file 50\n")):
        (tmp_path / "outer" / f"memory.{name}").write_text(content)
    assert memory._left_of_limits(tmp_path, tmp_path / "own") == 150
    (tmp_path / "outer" / "memory.max").write_text("max\n")
    assert memory._left_of_limits(tmp_path, tmp_path / "own") > 2**60


def test_memory_that_runs_out_is_told_with_part_and_remedy() -> None:
    with (
        pytest.raises(OperationError, match=r"does not suffice for the gradients\. Send less\.") as caught,
        within_memory("the gradients", "Send less."),
    ):
        torch.empty(2**50)
    assert caught.value.__cause__ is not None and is_out_of_memory(caught.value.__cause__)
    with pytest.raises(RuntimeError, match="another"), within_memory("x", "y"):
        raise RuntimeError("another")


def test_of_several_ranks_a_full_disk_is_no_want_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    parts: Any = SimpleNamespace(group=SimpleNamespace(size=2))

    def fail(cause: Exception, error: Exception) -> None:
        raise error from cause

    # What torch says of a full disk has no number.
    for cause, raised in ((RuntimeError("unexpected pos 64 vs 0"), NoSpaceError), (MemoryError(), OutOfStepError)):
        monkeypatch.setitem(RUNNERS, "save_weights", lambda *_, cause=cause: fail(cause, NoSpaceError("No space.")))
        with pytest.raises(raised):
            run_operation("save_weights", parts, None)
