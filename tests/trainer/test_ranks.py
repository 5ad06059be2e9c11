"""Trainers of two and four processes against those of one: the same losses, steps and checkpoints; and their end."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import ranks_program
import torch
from bodies import forward_body, make_datum, step_body
from processes import RunningTrainer, Starter, make_config
from safetensors.torch import load_file
from starting import run_module
from transformers import (
    AutoModelForCausalLM,
    CohereConfig,
    Gemma4TextConfig,
    Glm4MoeConfig,
    LongcatFlashConfig,
    MambaConfig,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3MoeConfig,
    Qwen3MoeForCausalLM,
)

from trainer import loading
from trainer.config import parse_config
from trainer.errors import ConfigError, OperationError
from trainer.models import ModelHost
from trainer.ranks import follow, group
from trainer.ranks.mesh import Mesh, Scheme
from trainer.ranks.places import NODE_VARIABLE, RANK_VARIABLE, RankPlace, find_place
from trainer.ranks.roll import Roll, is_lost_connection
from trainer.ranks.schemes import forgotten_norms, why_not
from trainer.sessions import Sessions
from trainer.wire import parse_create_model

FLOAT32 = {"rel": 1e-5, "abs": 1e-6}
BFLOAT16 = {"rel": 1e-2, "abs": 1e-6}
SIZES = {
    "vocab_size": 512, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 4096,
}  # fmt: skip
PER_LAYER = {"vocab_size_per_layer_input": 512, "hidden_size_per_layer_input": 16}


@pytest.fixture(scope="module")
def starter_of_two(session_root: Path) -> Iterator[Starter]:
    starter = Starter(session_root)
    yield starter
    for each in starter.started:
        each.stop()


@pytest.fixture
def of_two(starter_of_two: Starter) -> RunningTrainer:
    """A trainer of two processes that share their layers: that of the test before, unless it has ended."""
    started = starter_of_two.started
    if not started or started[-1].process.poll() is not None:
        # Where no demo model lies yet, for the ranks to make one.
        cache = str(starter_of_two.root / "models-of-two")
        told = {"processes": 2, "tensor_parallelism": 2, "model_cache": cache}
        starter_of_two("of-two", attempt=len(started) + 1, seconds=120, **told)
    return started[-1]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the program finds with one rank, then with two, with four, and with one again, by how many and kind."""
    folder = tmp_path_factory.mktemp("ranks")
    experts = {"moe_intermediate_size": 32, "num_experts": 8, "num_experts_per_tok": 2, "tie_word_embeddings": True}
    torch.manual_seed(0)
    Qwen3ForCausalLM(Qwen3Config(**SIZES, tie_word_embeddings=False)).save_pretrained(folder / "dense")
    Qwen3MoeForCausalLM(Qwen3MoeConfig(**SIZES, **experts)).save_pretrained(folder / "experts")
    windows = {"sliding_window": 9, "use_sliding_window": True, "layer_types": ["sliding_attention", "full_attention"]}
    Qwen3MoeForCausalLM(Qwen3MoeConfig(**SIZES, **experts, **windows)).save_pretrained(folder / "windows")
    one = ranks_program.main(0, 1, folder)
    two, four = (of_several(size, folder) for size in (2, 4))
    return {"folder": folder, 1: one, 2: two, 4: four, "again": ranks_program.main(0, 1, folder)}


def of_several(size: int, folder: Path) -> dict[str, Any]:
    log = folder / f"log-{size}"
    with log.open("wb") as output:
        ranks = [
            run_module("ranks_program", [str(rank), str(size), str(folder)], output.fileno(), {})
            for rank in range(size)
        ]
    try:
        assert [rank.wait(timeout=600) for rank in ranks] == [0] * size, log.read_text()
    finally:
        for each in ranks:
            each.kill()
    return ranks_program.read(folder, size)


@pytest.mark.parametrize(
    ("kind", "near"),
    [
        ("lora", FLOAT32),
        ("experts", FLOAT32),
        ("windows", FLOAT32),
        ("bfloat16", BFLOAT16),
        ("layers", FLOAT32),
        ("adapter", FLOAT32),
        ("mixture", FLOAT32),
        ("dealt", FLOAT32),
    ],
)
def test_several_ranks_do_as_one(found: dict[str, Any], kind: str, near: dict[str, float]) -> None:
    """Three steps, a fourth, and the fourth once more after what as many ranks or fewer saved, and one after four."""
    one, again = found[1][kind], found["again"][kind]
    assert one["steps"][2][0] < one["steps"][0][0], "it learns"
    _, *sizes = ranks_program.sizes_of(kind)
    for size in sizes:
        several = found[size][kind]
        for first, second in zip(one["steps"], several["steps"], strict=True):
            assert second == pytest.approx(first, **near)
        after = [several[f"after {kind}-{saved}"] for saved in (1, *sizes) if saved <= size]
        for each in (several["fourth"], *after, again[f"after {kind}-{size}"]):
            assert each == pytest.approx(one["fourth"], **near)
        if near is FLOAT32:
            for vector, other in zip(one["vectors"], several["vectors"], strict=True):
                assert other == pytest.approx(vector, rel=1e-5, abs=1e-5)
            assert several["said"] == one["said"]


def test_each_rank_has_the_part_that_the_scheme_says(found: dict[str, Any]) -> None:
    """Of 64 rows of the queries, and of 8 experts."""
    queries, experts = ranks_program.QUERIES, ranks_program.EXPERTS
    assert [found[2][kind]["held"][queries] for kind in ("experts", "layers")] == [
        [["fsdp"], [32, 64]],
        [["tp"], [32, 64]],
    ]
    assert [found[4][kind]["held"][queries] for kind in ("experts", "mixture")] == [
        [["fsdp"], [16, 64]],
        [["fsdp", "tp"], [16, 64]],
    ]
    assert [found[2][kind]["held"][experts] for kind in ("experts", "mixture", "dealt")] == [
        [["fsdp"], [4, 64, 32]],
        [["ep"], [4, 64, 32]],
        [["efsdp", "ep"], [4, 64, 32]],
    ]
    assert found[4]["dealt"]["held"][experts] == [["efsdp", "ep"], [2, 64, 32]]


def test_where_ranks_have_gradients_of_their_own_of_what_each_has_whole_none_trains(found: dict[str, Any]) -> None:
    assert re.fullmatch(
        r"Tensor parallelism 2 would train this qwen3 wrongly: .+q_norm\.weight\. Use.+", found[2]["forgotten"]
    )


def test_norms_of_heads_that_a_plan_forgets_are_found() -> None:
    experts = {"n_routed_experts": 4, "n_group": 1, "topk_group": 1, "moe_intermediate_size": 8}
    kinds = (
        Glm4MoeConfig(**SIZES, **experts, use_qk_norm=True),
        Glm4MoeConfig(**SIZES, **experts),
        Qwen3Config(**SIZES),
    )
    with torch.device("meta"):
        some, *none = (AutoModelForCausalLM.from_config(config) for config in kinds)
    places = [f"model.layers.{layer}.self_attn.{norm}" for layer in (0, 1) for norm in ("q_norm", "k_norm")]
    assert [name for name, _ in forgotten_norms(some)] == places
    assert not any([*forgotten_norms(each)] for each in none)


def test_bfloat16_is_near_float32(found: dict[str, Any], policy: RunningTrainer) -> None:
    ranks = found[2]["bfloat16"]["steps"]
    folder = found["folder"] / "jobs"
    exact = ranks_program.plain_steps(found["folder"] / "dense", 3)
    for step, reference in zip(ranks, exact, strict=True):
        assert step != pytest.approx(reference, rel=1e-7), "it is not computed in float32"
        assert step == pytest.approx(reference, **BFLOAT16)
    saved = load_file(folder / "bfloat16-2" / "sampler" / "third" / "model.safetensors")
    assert {tensor.dtype for tensor in saved.values()} == {torch.float32}, "what is trained is not rounded"


def test_what_several_ranks_export_is_what_one_does(found: dict[str, Any]) -> None:
    for kind in ("lora", "experts", "layers", "adapter", "mixture", "dealt"):
        name = "adapter_model" if kind in ("lora", "adapter") else "model"
        one, *several = (
            load_file(found["folder"] / "jobs" / f"{kind}-{n}" / "sampler" / "third" / f"{name}.safetensors")
            for n in ranks_program.sizes_of(kind)
        )
        for each in several:
            assert each.keys() - one.keys() <= {"lm_head.weight"}, "which is the embedding of that model once more"
            for key, tensor in one.items():
                torch.testing.assert_close(each[key], tensor, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", ["experts", "bfloat16"])
def test_where_rank_0_cannot_write_a_model_all_go_on(found: dict[str, Any], kind: str) -> None:
    assert re.fullmatch(r"Checkpoint none could not be saved to .+File too large.*", found[2][kind]["refused"])


def test_an_adapter_of_experts_is_refused_and_one_of_the_rest_is_not(found: dict[str, Any], tmp_path: Path) -> None:
    places = dict.fromkeys(("directory", "checkpoints", "jobs_root", "model_cache"), str(tmp_path))
    told = {"job": "j", "base_model": ranks_program.BASE, "trainer_mode": "LORA_TRAINER", "lora_rank": 8}
    host = ModelHost(parse_config(places | told), Sessions(), torch.device("cpu"))
    host.load(found["folder"] / "experts")
    asked = {"session_id": "s", "base_model": ranks_program.BASE}
    with pytest.raises(OperationError, match=r"experts of this model \(98,304 parameters\).*train_mlp to false"):
        host.create(parse_create_model(asked | {"lora_config": {"rank": 8}}))
    rest = {"rank": 8, "train_mlp": False, "train_unembed": False}
    model = host.create(parse_create_model(asked | {"lora_config": rest}))
    assert len(model.parameters) == 2 * 4 * SIZES["num_hidden_layers"]


def test_over_http_every_loss_is_that_of_one_process(of_two: RunningTrainer, policy: RunningTrainer) -> None:
    sequences = ranks_program.SEQUENCES
    sampled = [make_datum(each, logprobs=[-6.0] * len(each), advantages=[0.5] * len(each)) for each in sequences]
    answers = []
    for trainer in (policy, of_two):
        model = trainer.create()
        calls = [
            *(forward_body(model, sampled, loss) for loss in ("ppo", "gspo")),
            forward_body(model, [make_datum(sequences[0])]),
            forward_body(
                model,
                [make_datum(each) for each in sequences],
                output="contrastive_loss",
                num_queries=2,
                num_extra_negatives=1,
                temperature=0.1,
            ),
        ]
        told = [trainer.call("forward_backward", call) for call in calls]
        told += [trainer.call("optim_step", step_body(model, "num_loss_tokens")), trainer.call("forward", calls[2])]
        refused = trainer.answer("forward", forward_body(model, [make_datum([9999])]))
        trainer.call("save_weights_for_sampler", {"model_id": model, "path": "exported"})
        answers.append((told, refused.status_code))
        trainer.call("unload_model", {"model_id": model})
    (one, refused), (two, refused_too) = answers
    assert refused == refused_too == 400
    for first, second in zip(one, two, strict=True):
        assert second["metrics"] == pytest.approx(first["metrics"], **FLOAT32)
        logprobs = [[each["logprobs"]["data"] for each in told.get("loss_fn_outputs", ())] for told in (first, second)]
        assert [len(each) for each in logprobs[1]] == [len(each) for each in logprobs[0]]
        for row, other in zip(*logprobs, strict=True):
            assert other == pytest.approx(row, **FLOAT32)
    one_file, two_file = (load_file(trainer.sampler / "exported" / "model.safetensors") for trainer in (policy, of_two))
    assert one_file.keys() == two_file.keys()


def test_a_rank_that_is_killed_ends_all_with_its_reason(of_two: RunningTrainer) -> None:
    """In the midst of an operation, of which the other learns that it lost a connection."""
    model = of_two.create()
    (other,) = psutil.Process(of_two.process.pid).children()
    other.send_signal(signal.SIGSTOP)
    of_two.submit("forward", forward_body(model, [make_datum(each) for each in ranks_program.SEQUENCES]))
    other.send_signal(signal.SIGKILL)
    assert of_two.process.wait(timeout=60) == 1
    reason = of_two.exit_reason()
    assert reason["reason"] == "ERROR"
    assert re.fullmatch(rf"Rank 1 of 2 \(process {other.pid} on .+\) was killed, perhaps.*", reason["message"])


def test_the_others_end_with_rank_0(session_root: Path) -> None:
    """Rank 0 is there for as long as its lock is held, and what is held by a process goes with it."""
    first, second = Roll(session_root / "roll", 0, 2), Roll(session_root / "roll", 1, 2)
    first.call()
    second.call()
    assert not second.has_ended(0) and first.lost() == ""
    assert first.meeting == second.meeting
    first.hang_up()
    assert second.has_ended(0)
    second.leave_reason("No memory.")
    second.hang_up()
    assert re.fullmatch(r"Rank 1 of 2 \(process \d+ on .+\) failed: No memory\.", first.lost())


def test_a_rank_whose_memory_runs_out_as_it_loads_ends_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others may have had enough, and wait for it."""

    def load_parts(*_: Any) -> None:
        raise OperationError("The memory does not suffice for the parameters of the model.")

    monkeypatch.setattr(loading, "load_parts", load_parts)
    monkeypatch.setattr(group, "Ranks", lambda *_: None)
    monkeypatch.setattr(follow, "LOST_S", 0)
    config = parse_config(make_config(tmp_path, "ranks", tmp_path) | {"processes": 2})
    first = Roll(config.directory, 0, 2)
    first.call()
    follower = follow.Follower(config, RankPlace(1, 1, 2), lambda _: None)
    follower._roll.call()
    assert first.lost() == ""
    follower._follow()
    follower._roll.hang_up()
    assert first.lost().endswith(" failed: The memory does not suffice for the parameters of the model.")


@pytest.mark.parametrize(
    ("said", "is_lost"),
    [
        ("[gloo] writev [127.0.0.1]:7: Broken pipe", True),
        ("[gloo] Connection reset by peer", True),
        ("NCCL error in: x.cpp:7, remote process exited or there was a network error, ncclRemoteError", True),
        ("NCCL communicator was aborted on rank 1.", True),
        ("The size of tensor a (7) must match the size of tensor b (8)", False),
    ],
)
def test_what_says_no_more_than_that_another_rank_is_gone(said: str, is_lost: bool) -> None:
    assert is_lost_connection(RuntimeError(said)) is is_lost
    assert not is_lost_connection(ValueError(said))


def test_ranks_that_share_sequences_are_neighbours() -> None:
    ranks = [Mesh(rank, 8, Scheme(tensor=2, context=2)) for rank in range(8)]
    assert [(each.data, each.context, each.tensor) for each in ranks[:5]] == [
        (0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1), (1, 0, 0),
    ]  # fmt: skip
    assert ranks[0].shape == (2, 2, 2) and ranks[0].fsdp_size == 4
    assert [list(each.sharers) for each in ranks[3:5]] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert [each.rank for each in ranks if each.speaks] == [0, 4]
    assert Mesh(3, 4) == Mesh(3, 4, Scheme()) and Mesh(3, 4).data == 3 and Mesh(3, 4).speaks


@pytest.mark.parametrize(
    ("config", "scheme", "words"),
    [
        (Qwen3Config(**SIZES), Scheme(tensor=2), ""),
        (Qwen3Config(**SIZES), Scheme(tensor=4), "has 2 num_key_value_heads, which do not divide by tensor"),
        (Qwen3Config(**SIZES), Scheme(expert=2), "This qwen3 has no experts, or the library no plan of how"),
        (Gemma4TextConfig(**SIZES, **PER_LAYER), Scheme(expert=2), "This gemma4_text has no experts, or the library"),
        (Gemma4TextConfig(**SIZES, **PER_LAYER), Scheme(tensor=2), ""),
        (MambaConfig(hidden_size=8, num_hidden_layers=1), Scheme(tensor=2), "no plan of how layers of mamba"),
        (Qwen3MoeConfig(**SIZES, num_experts=6), Scheme(tensor=2), ""),
        (Qwen3MoeConfig(**SIZES, num_experts=6), Scheme(expert=4), "The 6 experts of a layer of this qwen3_moe do not"),
        (CohereConfig(**SIZES, use_qk_norm=True), Scheme(tensor=2), "q_norm whole, which has numbers of its own for"),
        (LongcatFlashConfig(hidden_size=8, num_layers=1, n_routed_experts=2), Scheme(tensor=2), "have several pieces"),
    ],
)  # fmt: skip
def test_how_a_model_cannot_be_divided_is_said_before_its_weights_are_read(
    config: Any, scheme: Scheme, words: str
) -> None:
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    why = why_not(model, scheme)
    assert words in why and bool(why) == bool(words)


def test_each_process_knows_its_place() -> None:
    place = find_place(2, 4, {NODE_VARIABLE: "1"})
    assert (place.rank, place.size, place.begins_node, list(place.others_of_node)) == (4, 8, True, [5, 6, 7])
    assert find_place(2, 4, {NODE_VARIABLE: "1", RANK_VARIABLE: "6"}).on_node == 2
    assert find_place(1, 1, {NODE_VARIABLE: "3"}).rank == 0, "a node of another trainer's"
    with pytest.raises(ConfigError, match="2 nodes and is started on one of number 2"):
        find_place(2, 4, {NODE_VARIABLE: "2"})
