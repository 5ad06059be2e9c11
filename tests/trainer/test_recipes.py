"""Recipes that train on a dataset: rows as tokens, the order of steps, the losses, and whole runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from processes import Starter, make_config
from safetensors import safe_open
from transformers import AutoTokenizer, Qwen3MoeConfig, Qwen3MoeForCausalLM

from trainer.checkpoints import Checkpoints
from trainer.config import TrainerConfig, parse_config
from trainer.errors import ConfigError
from trainer.loading import load_parts
from trainer.operations.parts import Parts
from trainer.operations.table import RUNNERS
from trainer.recipes.driver import Driver
from trainer.recipes.formats import Formatter
from trainer.recipes.objectives import make_objective
from trainer.recipes.plan import Order, held_out, pack
from trainer.recipes.preferences import dpo_loss, orpo_loss
from trainer.recipes.rows import DatasetError, Rows
from trainer.recipes.sample import SampleRecipe
from trainer.recipes.schedule import rate_at
from trainer.recipes.tuning import Tuning
from trainer.service import PARSERS
from trainer.sessions import Sessions
from trainer.tiny_model import TOKENIZERS
from trainer.work import Answer, Later

CHAT_MODEL = "accounts/local/models/tiny-qwen3-chat"
QUESTIONS = ["a slip", "a keel", "a mast", "a hull", "a deck", "a sail", "a rope", "an oar", "a bow", "a stern"]
COMPLETIONS = [{"prompt": f"What is {each}?", "completion": f" {each} is a part of a ship."} for each in QUESTIONS]
CHATS = [
    {"messages": [{"role": "user", "content": row["prompt"]}, {"role": "assistant", "content": row["completion"]}]}
    for row in COMPLETIONS
]
PAIRS = [{"prompt": row["prompt"], "chosen": row["completion"], "rejected": " No idea."} for row in COMPLETIONS]


def waited_for(answer: Answer | Later) -> Answer:
    return answer.answer.result(60) if isinstance(answer, Later) else answer


def write_rows(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def formatter(name: str = "tiny-qwen3-chat", limit: int = 256) -> Formatter:
    return Formatter(AutoTokenizer.from_pretrained(TOKENIZERS / name), f"accounts/local/models/{name}", limit)


def trained_text(form: Formatter, row: dict[str, Any]) -> str:
    found = form.sequence(row, 1)
    return form.tokenizer.decode([token for token, weight in zip(found.tokens, found.weights, strict=True) if weight])


def test_what_assistants_say_is_trained_on_and_nothing_else() -> None:
    said = [("system", "Be brief."), ("user", "One?"), ("assistant", "1"), ("user", "Two?"), ("assistant", "Zwölf ⛵")]
    row = {"messages": [{"role": role, "content": content} for role, content in said]}
    assert trained_text(formatter(), row) == "1<|im_end|>Zwölf ⛵<|im_end|>"
    row["messages"][2]["weight"] = 0
    assert trained_text(formatter(), row) == "Zwölf ⛵<|im_end|>"
    plain = formatter("tiny-qwen3")
    assert trained_text(plain, {"prompt": "2+2=", "completion": "4"}) == "4<|endoftext|>"
    assert trained_text(plain, {"text": "All of it"}) == "All of it<|endoftext|>"
    chosen, rejected = formatter().pair(
        {"chosen": row["messages"], "rejected": [*row["messages"][:4], {"role": "assistant", "content": "No"}]}, 1
    )
    assert sum(chosen.weights) > sum(rejected.weights) == 3, "what both begin with is the prompt: N, o and the end"


def test_a_row_is_cut_at_the_context_and_says_so() -> None:
    row = {"prompt": "1234567890" * 2, "completion": "x" * 100}
    found = formatter("tiny-qwen3", limit=32).sequence(row, 1)
    assert (len(found.tokens), len(found.weights)) == (33, 33) and found.cut > 0 and found.is_trained_on
    assert not formatter("tiny-qwen3", limit=8).sequence(row, 1).is_trained_on, "nothing of the answer is left"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"text": "a"}\nnope\n', "Line 2 is no JSON"),
        (b'{"text": "a"}\n\n[1]\n', "Line 3 is no JSON object"),
        (b'\xff\xfe{"text"', "Line 1 is no UTF-8"),
        (b"\n \n", "holds no row"),
        (b'{"text": ""}\n', "Line 1: text must be a text"),
        (b'{"messages": [{"role": "user", "content": "hi"}]}\n', "no message of the role assistant"),
        (
            b'{"question": "a"}\n',
            "fields of no format. Use one of: chosen and rejected; messages;",
        ),
    ],
)
def test_what_is_wrong_with_a_row_names_its_line(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=words):
        rows = Rows(path, hashlib.sha256(content).hexdigest())
        for index in range(len(rows)):
            formatter().sequence(rows.read(index), rows.line(index))


@pytest.mark.parametrize(
    "content",
    [b'\xef\xbb\xbf\n{"text": "a"}\n', b'\xef\xbb\xbf \r\n{"text": "a"}\n', b'\xef\xbb\xbf\n \n\n{"text": "a"}'],
)
def test_a_line_of_a_byte_order_mark_alone_is_no_row(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "rows.jsonl").write_bytes(content)
    rows = Rows(tmp_path / "rows.jsonl", hashlib.sha256(content).hexdigest())
    assert [rows.read(index) for index in range(len(rows))] == [{"text": "a"}]
    with pytest.raises(DatasetError, match="Line 2 is no JSON"):  # a mark is one at the beginning of the file alone
        (tmp_path / "rows.jsonl").write_bytes(b'\n\xef\xbb\xbf{"text": "a"}\n')
        Rows(tmp_path / "rows.jsonl", None).read(0)


def test_steps_are_of_the_seed_and_the_step_alone() -> None:
    apart = held_out(range(23), percent=10, seed=7)
    train = [row for row in range(23) if row not in apart]
    order = Order([(row,) for row in train], 4, 7)
    assert len(apart) == 2 and order.steps_an_epoch == 6
    first, second = ([row for step in steps for (row,) in order.at(step)] for steps in (range(6), range(6, 12)))
    assert sorted(first) == sorted(second) == train and first != second
    resumed = Order([(row,) for row in train], 4, 7)
    assert [resumed.at(step) for step in (9, 10)] == [order.at(step) for step in (9, 10)]
    packed = pack(train, [10] * 23, limit=32, seed=7)
    assert sorted(row for unit in packed for row in unit) == train and {len(unit) for unit in packed} == {3}


def test_the_learning_rate_rises_and_falls() -> None:
    for schedule in ("cosine", "linear", "constant"):
        rates = [rate_at(step, steps=100, full=2.0, schedule=schedule, warmup=10) for step in range(100)]
        assert rates[0] == pytest.approx(0.2) and rates[9] == rates[10] == 2.0
        assert (rates[-1] == 2.0) if schedule == "constant" else (0 < rates[-1] < 0.05)
    assert rate_at(0, steps=1, full=1.0, schedule="cosine", warmup=0) == 1.0


def test_parameters_are_checked_before_anything_is_loaded(tmp_path: Path) -> None:
    told = make_config(tmp_path, "job", tmp_path, recipe="dpo", dataset=str(tmp_path / "rows.jsonl"))
    assert parse_config(told | {"parameters": {"beta": 0.5}}).parameters == {"beta": 0.5}
    for wrong, words in (
        ({"parameters": {"packing": "yes"}}, "parameters.packing is none of dpo's"),
        ({"parameters": {"beta": 0}}, "parameters.beta must be a number from 0.001 to 10"),
        ({"parameters": {"epochs": 1.5}}, "parameters.epochs must be a whole number from 1 to 100"),
        ({"parameters": {"schedule": "steep"}}, "one of cosine, linear, constant"),
        ({"dataset": None}, "dataset is missing"),
    ):
        with pytest.raises(ConfigError, match=words):
            parse_config(told | wrong)


@pytest.fixture
def opened(session_root: Path) -> Callable[..., tuple[Tuning, Parts, TrainerConfig]]:
    """Opens a run whose operations are called at once, in the process of the test."""

    def make(job: str, rows: list[Any], *, attempt: int = 1, **told: Any) -> tuple[Tuning, Parts, TrainerConfig]:
        directory = session_root / "jobs" / job / f"attempt-{attempt}"
        directory.mkdir(parents=True)
        path = write_rows(directory / "rows.jsonl", rows)
        defaults = {"recipe": "sft", "learning_rate": 3e-3, "max_context_length": 128, "dataset": str(path)}
        config = parse_config(make_config(session_root, job, directory, **defaults | told))
        checkpoints = Checkpoints(config.checkpoints, config.jobs_root, config.job)
        parts, model_directory = load_parts(config, checkpoints, Sessions(lambda: None))
        driver = Driver(config, checkpoints, lambda name, body: waited_for(RUNNERS[name](parts, PARSERS[name](body))))
        tuning = Tuning.open(
            driver, parts, model_directory, lambda request: waited_for(RUNNERS["sample"](parts, request))
        )
        return tuning, parts, config

    return make


def records(config: TrainerConfig, kind: str | None = None) -> list[dict[str, Any]]:
    lines = (config.directory / "metrics.jsonl").read_text().splitlines()
    return [record for record in map(json.loads, lines) if record.get("kind") == kind]


def plain_sums(module: Any, sequences: list[Any]) -> torch.Tensor:
    """Sums of log-probabilities as anybody would write them."""
    sums = []
    for sequence in sequences:
        tokens = torch.tensor([sequence.tokens], device=module.device)
        logprobs = torch.log_softmax(module(tokens).logits[0, :-1].double(), -1)
        picked = logprobs[torch.arange(len(sequence.tokens) - 1), tokens[0, 1:]]
        sums.append((picked.cpu() * torch.tensor(sequence.weights[1:])).sum())
    return torch.stack(sums)


@pytest.mark.parametrize("recipe", ["dpo", "orpo"])
def test_the_losses_and_gradients_of_preferences_are_those_of_plain_torch(opened: Any, recipe: str) -> None:
    tuning, parts, _ = opened(f"plain-{recipe}", PAIRS, recipe=recipe, parameters={"beta": 0.3})
    driver = tuning.driver
    model_id = driver.create_model()
    reference = tuning._reference() if recipe == "dpo" else None
    objective = make_objective(recipe, driver, tuning.rows, tuning.formatter, tuning.parameters, reference)
    objective.train(model_id, [(0,), (1,)])  # away from the reference, where both answers are as likely there as here
    driver.step(model_id, 3e-3, objective.normalization)

    objective.train(model_id, [(2,), (3,), (4,)])
    model = parts.host.get(model_id)
    found = [parameter.grad.clone() for parameter in model.parameters]
    told = model.accumulated.told_losses

    answers = [answer for row in (2, 3, 4) for answer in objective.sequences(tuning.rows.read(row), row + 1)]
    sums = plain_sums(model.module, answers)
    lengths = torch.tensor([sum(answer.weights[1:]) for answer in answers])
    if recipe == "dpo":
        with parts.host.active(parts.host.get(reference)) as base, torch.no_grad():
            before = plain_sums(base, answers)
        away = sums - before
        losses = -torch.log(1 / (1 + torch.exp(-0.3 * (away[0::2] - away[1::2]))))
    else:
        likely = torch.exp(sums / lengths)
        odds = likely / (1 - likely)
        ratio = odds[0::2] / odds[1::2]
        losses = -torch.log(likely[0::2]) - 0.3 * torch.log(ratio / (1 + ratio))
    wanted = torch.autograd.grad(losses.mean(), model.parameters)
    assert told == [pytest.approx(float(losses.mean()), abs=1e-5)]
    assert all(torch.allclose(one, other, atol=1e-5) for one, other in zip(found, wanted, strict=True))
    assert max(float(one.abs().max()) for one in wanted) > 1e-3, "there was something to compare"


def test_preference_losses_stay_finite_where_an_answer_is_certain() -> None:
    sure, no = torch.tensor([0.0]).double(), torch.tensor([-500.0]).double()
    one = torch.tensor([1.0]).double()
    for found in (orpo_loss(sure, no, one, one, beta=0.1), orpo_loss(no, sure, one, one, beta=0.1)):
        assert torch.isfinite(found[0]).all()
    assert torch.isfinite(dpo_loss(no, sure, sure, no, beta=10.0)[0]).all()


@pytest.mark.parametrize("mode", ["POLICY_TRAINER", "LORA_TRAINER"])
def test_a_run_that_goes_on_trains_on_the_rows_that_it_would_have(opened: Any, mode: str) -> None:
    told: dict[str, Any] = {"trainer_mode": mode, "base_model": CHAT_MODEL}
    told["parameters"] = {"epochs": 2, "batch_rows": 3, "evaluation_split": 20, "evaluation_every": 2, "save_every": 2}
    tuning, _, whole = opened(f"whole-{mode[:4].lower()}", CHATS, **told)
    assert tuning.run() == "Recipe sft finished at step 6."
    (plan,) = records(whole, "plan")
    assert [plan[name] for name in ("steps", "steps_an_epoch", "rows", "held_out", "left_out", "cut")] == [
        6,
        3,
        10,
        2,
        0,
        0,
    ]
    measured = records(whole, "evaluation")
    assert [each["step"] for each in measured] == [0, 2, 4, 6] and measured[-1]["loss"] < measured[0]["loss"]
    assert {(len(each["samples"]), *each["samples"][0]) for each in measured} == {(3, "prompt", "expected", "answer")}
    assert measured[0]["samples"][0]["prompt"].startswith("What is a")
    assert sorted(path.name for path in tuning.parts.sampler.directory.iterdir()) == ["step-2", "step-4", "step-6"]

    again, _, resumed = opened(whole.job, CHATS, attempt=2, resume_from="step-4", **told)
    again.run()
    expected, found = ({each["step"]: each["loss_per_token"] for each in records(run)} for run in (whole, resumed))
    assert found == {step: pytest.approx(expected[step], abs=1e-5) for step in (5, 6)}
    assert [each["loss"] for each in records(resumed, "evaluation")] == [pytest.approx(measured[-1]["loss"], abs=1e-5)]

    more, _, extended = opened(whole.job, CHATS, attempt=3, resume_from="step-6", extra_steps=2, **told)
    assert more.run() == "Recipe sft finished at step 8."
    assert [each["step"] for each in records(extended)] == [7, 8]


def test_a_death_between_the_two_saves_of_a_step_loses_neither(opened: Any) -> None:
    told = {"epochs": 1, "batch_rows": 5, "evaluation_split": 0, "samples": 0, "save_every": 1}
    tuning, _, config = opened("dies", COMPLETIONS, parameters=told)
    saves: list[str] = []
    call = tuning.driver.call

    def die_at_the_last(operation: str, body: dict[str, Any]) -> dict[str, Any]:
        saves.extend([operation] if operation.startswith("save") else [])
        if len(saves) == 4:
            raise SystemExit
        return call(operation, body)

    tuning.driver = replace(tuning.driver, call=die_at_the_last)
    with pytest.raises(SystemExit):
        tuning.run()
    newest = max(path.name for path in tuning.driver.checkpoints.directory.iterdir())
    again, parts, _ = opened(config.job, COMPLETIONS, attempt=2, resume_from=newest, parameters=told)
    assert again.run() == "Recipe sft finished at step 2."
    for saved in (parts.sampler.directory, again.driver.checkpoints.directory):
        assert {path.name[:6] for path in saved.iterdir()} == {"step-1", "step-2"}


@pytest.mark.parametrize(("recipe", "mode"), [("dpo", "LORA_TRAINER"), ("orpo", "POLICY_TRAINER")])
def test_preferences_are_learned(opened: Any, recipe: str, mode: str) -> None:
    told = {"epochs": 6, "batch_rows": 4, "evaluation_split": 20, "samples": 1, "sample_tokens": 8}
    tuning, _, config = opened(f"learns-{recipe}", PAIRS, recipe=recipe, trainer_mode=mode, parameters=told)
    tuning.run()
    steps, measured = records(config), records(config, "evaluation")
    assert steps[-1]["loss_per_token"] < steps[0]["loss_per_token"] - 0.1
    assert steps[-1]["reward"] > steps[0]["reward"] and measured[-1]["loss"] < measured[0]["loss"]


def test_packed_rows_are_trained_on_together(opened: Any) -> None:
    told = {"packing": "yes", "epochs": 1, "batch_rows": 2, "evaluation_split": 0, "samples": 0}
    tuning, _, config = opened("packed", COMPLETIONS, parameters=told)
    tuning.run()
    (plan,), steps = records(config, "plan"), records(config)
    assert len(steps) == plan["steps"] < 5 and not records(config, "evaluation")
    inputs = sum(step["tokens"] for step in steps)
    assert plan["tokens_an_epoch"] - 8 < inputs < plan["tokens_an_epoch"], "all rows, less one token a sequence"


def test_batches_of_tokens_and_rows_that_are_measured_alone(opened: Any, tmp_path: Path) -> None:
    apart = write_rows(tmp_path / "apart.jsonl", CHATS[:4])
    told: dict[str, Any] = {"trainer_mode": "LORA_TRAINER", "base_model": CHAT_MODEL, "evaluation": str(apart)}
    told["parameters"] = {"epochs": 2, "batch_tokens": 150, "evaluation_split": 50, "seed": 5}
    tuning, _, run = opened("tokens", CHATS, **told)
    tuning.run()
    (plan,) = records(run, "plan")
    assert (plan["rows"], plan["held_out"]) == (len(CHATS), 4), "none of the dataset's rows are held out"
    order = tuning._course().order
    lengths = [len(tuning.formatter.sequence(tuning.rows.read(row), row + 1).tokens) for row in range(len(CHATS))]
    for epoch in range(2):
        steps = [order.at(epoch * plan["steps_an_epoch"] + at) for at in range(plan["steps_an_epoch"])]
        assert sorted(row for units in steps for (row,) in units) == list(range(len(CHATS)))
        sums = [sum(lengths[row] for (row,) in units) for units in steps]
        assert all(total <= 150 or len(units) == 1 for total, units in zip(sums, steps, strict=True))
        assert len(steps) < len(CHATS)
    assert [each["step"] for each in records(run, "evaluation")] == [0, plan["steps"]]


def test_an_adapter_of_experts_is_refused_and_one_of_attention_is_trained(opened: Any, tmp_path: Path) -> None:
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1}
    experts = {"moe_intermediate_size": 16, "num_experts": 4, "num_experts_per_tok": 2}
    tokenizer = AutoTokenizer.from_pretrained(TOKENIZERS / "tiny-qwen3")
    tokenizer.save_pretrained(tmp_path)
    Qwen3MoeForCausalLM(Qwen3MoeConfig(vocab_size=len(tokenizer), **sizes, **experts)).save_pretrained(tmp_path)
    told: dict[str, Any] = {"trainer_mode": "LORA_TRAINER", "lora_rank": 2, "model_directory": str(tmp_path)}
    with pytest.raises(ConfigError, match="parameter adapted to attention"):
        opened("experts", COMPLETIONS, **told)
    once = {"epochs": 1, "samples": 0, "adapted": "attention"}
    tuning, parts, _ = opened("experts-attention", COMPLETIONS, **told, parameters=once)
    assert tuning.run() == "Recipe sft finished at step 1."
    (saved,) = tuning.driver.checkpoints.directory.iterdir()
    with safe_open(saved / "weights.safetensors", framework="pt") as file:
        assert {name.split(".")[-4] for name in file.keys()} == {"self_attn", "model"}, "the head, too"  # noqa: SIM118
    sample = SampleRecipe(tuning.driver, tmp_path, parts.host.facts.experts)
    assert sample.run().startswith("Recipe sft finished at step")


def test_a_trainer_process_runs_a_dataset_and_refuses_another_one(start: Starter, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.jsonl", COMPLETIONS)
    told = {"recipe": "sft", "dataset": str(path), "trainer_mode": "LORA_TRAINER", "parameters": {"epochs": 1}}
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    ran = start("with-data", wait="exit", dataset_sha256=digest, **told)
    assert ran.process.returncode == 0, ran.log.read_text()
    assert ran.exit_reason() == {"reason": "COMPLETED", "message": "Recipe sft finished at step 1."}
    refused = start("with-other-data", wait="exit", dataset_sha256="0" * 64, **told)
    assert refused.exit_reason()["message"].startswith("Recipe sft stopped: The dataset's file is not the one")
    otherwise = told | {
        "parameters": {"epochs": 1, "adapted": "attention"},
        "start_from": "cross_job://with-data/step-1",
    }
    other = start("adapts-otherwise", wait="exit", dataset_sha256=digest, **otherwise)
    assert other.exit_reason()["message"] == (
        "Recipe sft cannot go on: Checkpoint step-1 adapts all linear layers, and the recipe's parameter adapted is "
        "attention: set it to all, or begin anew."
    )
    assert "loading model" not in other.log.read_text()
