"""What a connection says of shapes and models, read: hostile, half said, newer than we are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from catalog.enums import Architecture, Engine
from catalog.fields.checks import problems
from catalog.fields.facts import shape_facts
from catalog.fields.launch_fields import common_fields
from catalog.fields.snapshots import Snapshot
from catalog.labels import accelerator_label
from catalog.sync.reading import LeftOut, read_facts, read_listed, read_version
from catalog.sync.titles import spell
from connections.providers.catalogs import RemoteCatalog, RemoteModel
from connections.providers.spec import ShardingScheme, TrainerMode
from tests.catalog.offered import ACCOUNT, remote

MOE = Architecture.MOE


@pytest.mark.parametrize(
    ("model_id", "title", "family", "section"),
    [
        ("qwen3p8-27b", "Qwen 3.8 27B", "Qwen", "Qwen 3.8"),
        ("qwen3p6-35b-a3b", "Qwen 3.6 35B A3B", "Qwen", "Qwen 3.6 (Mixture-of-Experts)"),
        ("qwen3-vl-8b-instruct", "Qwen 3 VL 8B Instruct", "Qwen", "Qwen 3"),
        ("llama-v3p3-70b-instruct", "Llama V3.3 70B Instruct", "Llama", "Llama V3.3"),
        ("kimi-k2p5", "Kimi K2.5", "Kimi", "Kimi K2.5"),
        ("glm-5p1", "GLM 5.1", "GLM", "GLM 5.1"),
        ("gemma-4-31b-it", "Gemma 4 31B IT", "Gemma", "Gemma 4"),
        ("gpt-oss-120b", "GPT OSS 120B", "GPT", "GPT"),
        ("deepseek-v3p1", "DeepSeek V3.1", "DeepSeek", "DeepSeek V3.1"),
        (
            "nvidia-nemotron-3-super-120b-a12b-bf16",
            "NVIDIA Nemotron 3 Super 120B A12B BF16",
            "Nemotron",
            "Nemotron 3 (Mixture-of-Experts)",
        ),
        ("x", "X", "X", "X"),
        ("a--b", "A  B", "A", "A"),
    ],
)
def test_an_id_is_made_readable(model_id: str, title: str, family: str, section: str) -> None:
    found = spell(model_id)
    assert (found.title, found.family, found.section) == (title, family, section)


def test_what_is_said_of_a_model_wins_over_what_its_id_spells() -> None:
    name = f"accounts/{ACCOUNT}/models/qwen3p8-27b"
    unsaid = read_facts(name, None)
    assert (unsaid.title, unsaid.named_here, unsaid.architecture) == ("Qwen 3.8 27B", True, None)
    details = {"modelType": "qwen3_8", "parameterCount": "27000000000", "moe": True}
    said = read_facts(name, RemoteModel(name, {"displayName": "Qwen3.8 27B", "baseModelDetails": details}))
    assert (said.title, said.named_here, said.architecture, said.section) == (
        "Qwen3.8 27B",
        False,
        MOE,
        "Qwen 3.8 (Mixture-of-Experts)",
    )
    assert (said.model_type, said.parameter_count) == ("qwen3_8", 27_000_000_000)


@pytest.mark.parametrize(
    "said",
    [
        {"displayName": "x" * 121, "baseModelDetails": []},
        {"displayName": ["x"], "baseModelDetails": {"parameterCount": -5, "modelType": 7, "moe": "yes"}},
        {"displayName": "a\u202eb", "baseModelDetails": {"parameterCount": 10**18}},
        {"displayName": "qwen3p8-27b"},
    ],
)
def test_nonsense_about_a_model_is_as_if_nothing_was_said(said: dict[str, Any]) -> None:
    name = f"accounts/{ACCOUNT}/models/qwen3p8-27b"
    assert read_facts(name, RemoteModel(name, said)) == read_facts(name, None)


def test_a_version_is_read_whole() -> None:
    scheme = {"tensorParallelism": 2, "contextParallelism": 4, "expertParallelism": 0, "sequenceParallelism": True}
    found = read_version(remote("s", "vnuk8fdq", trainerShardingScheme=scheme, displayName="Short", modelType="qwen"))
    assert (found.account, found.shape_id, found.version_id) == (ACCOUNT, "s", "vnuk8fdq")
    assert found.snapshot == Snapshot(
        name=f"accounts/{ACCOUNT}/trainingShapes/s",
        base_model=f"accounts/{ACCOUNT}/models/qwen3p8-27b",
        trainer_mode=TrainerMode.LORA_TRAINER,
        max_supported_context_length=65536,
        accelerator_count=8,
        node_count=1,
        display_name="Short",
        model_type="qwen",
        accelerator_type="NVIDIA_B200_180GB",
        trainer_sharding_scheme=ShardingScheme(2, 1, 4, 1, sequence_parallelism=True),
        base_model_weight_precision="BFLOAT16",
        trainer_image_tag="0.383.0",
    )


def test_a_deployment_shape_is_read_without_what_is_a_trainers() -> None:
    of_trainers = remote("s", "vnuk8fdq", engine="VLLM", deploymentImageTag="1.2", trainerShardingScheme="nonsense")
    name = f"accounts/{ACCOUNT}/deploymentShapes/s"
    found = read_version(replace(of_trainers, name=f"{name}/versions/vnuk8fdq"))
    assert (found.shape_id, found.version_id) == ("s", "vnuk8fdq")
    assert found.snapshot == Snapshot(
        name=name,
        base_model=f"accounts/{ACCOUNT}/models/qwen3p8-27b",
        trainer_mode=None,
        max_supported_context_length=65536,
        accelerator_count=8,
        node_count=1,
        accelerator_type="NVIDIA_B200_180GB",
        base_model_weight_precision="BFLOAT16",
        deployment_image_tag="1.2",
        engine=Engine.VLLM,
    )
    offered = read_listed(RemoteCatalog((ACCOUNT,), (replace(of_trainers, name=f"{name}/versions/vnuk8fdq"),), ()))
    assert (offered.count, offered.listed, offered.refused) == (1, {ACCOUNT: {"s"}}, ())


def test_what_is_newer_than_this_release_stays_as_text() -> None:
    said = read_version(remote("s", acceleratorType="NVIDIA_RUBIN_288GB", baseModelWeightPrecision="FP6")).snapshot
    assert (said.accelerator_type, said.base_model_weight_precision) == ("NVIDIA_RUBIN_288GB", "FP6")
    assert Snapshot.from_json(said.as_json()) == said
    assert accelerator_label("NVIDIA_RUBIN_288GB") == "RUBIN 288 GB"
    assert accelerator_label("TPU_V9") == "TPU V9"
    assert accelerator_label("TRAINIUM3") == "TRAINIUM3"


def test_what_is_not_said_is_unknown() -> None:
    bare = remote(
        "s",
        acceleratorType="ACCELERATOR_TYPE_UNSPECIFIED",
        baseModelWeightPrecision="WEIGHT_PRECISION_UNSPECIFIED",
        trainerImageTag="",
        nodeCount=None,
        parameterCount=None,
    )
    found = read_version(bare).snapshot
    unknown = (found.accelerator_type, found.base_model_weight_precision, found.trainer_image_tag)
    assert (*unknown, found.parameter_count) == (None, None, None, None)
    assert found.node_count == 1


def test_hidden_gpus_say_so_and_those_for_rl_stand_beside_the_trainers() -> None:
    scheme = {"tensorParallelism": 8}
    hidden = read_version(
        remote("s", hideSpecs=True, acceleratorType=None, acceleratorCount=None, trainerShardingScheme=scheme)
    ).snapshot
    assert hidden.hide_specs and problems(hidden, common_fields(TrainerMode.LORA_TRAINER)) == ()
    facts = {fact.key: fact for fact in shape_facts(hidden)}
    told = {facts[key].value for key in ("gpus", "accelerator_count", "node_count", "accelerator_type")}
    assert (told, facts["gpus"].note) == ({"not told by who runs it"}, "")
    with_rl = read_version(remote("s", rlAcceleratorCount=12)).snapshot
    gpus = next(fact for fact in shape_facts(with_rl) if fact.key == "gpus")
    assert (gpus.value, gpus.note) == ("8", "for each trainer replica; 12 with the rollouts of RL")
    assert "hideSpecs" not in with_rl.as_json() and Snapshot.from_json(with_rl.as_json()) == with_rl


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"trainerMode": "DREAMER"}, "knows no trainer mode DREAMER"),
        ({"trainerMode": None}, "does not say its trainer mode"),
        ({"maxSupportedContextLength": None}, "does not say its context"),
        ({"maxSupportedContextLength": "long"}, "'long' is no whole number"),
        ({"acceleratorCount": [8]}, "is no whole number"),
        ({"acceleratorType": "x" * 40}, "is no value of the wire"),
        ({"description": {"a": 1}}, "is no text"),
        ({"trainerShardingScheme": "wide"}, "no object"),
    ],
)
def test_a_line_that_cannot_be_read_says_why(said: dict[str, Any], reason: str) -> None:
    with pytest.raises(LeftOut, match=reason):
        read_version(remote("s", **said))


def test_names_and_publicity_are_looked_at() -> None:
    good = remote("s")
    for bad, reason in [
        (replace(good, name=f"accounts/{ACCOUNT}/trainingShapes/s"), "no name of a version"),
        (replace(good, name="/etc/passwd"), "no name of a version"),
        (replace(good, base_model="qwen"), "no name of a model"),
        (replace(good, public=False), "not public"),
    ]:
        with pytest.raises(LeftOut, match=reason):
            read_version(bad)
