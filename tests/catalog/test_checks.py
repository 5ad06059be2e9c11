"""What is wrong with a version before anybody runs it: walls, and warnings that may be overruled."""

from __future__ import annotations

from typing import Any

import pytest

from catalog.enums import AcceleratorType, WeightPrecision
from catalog.fields.checks import estimate_memory, problems, warnings
from catalog.fields.snapshots import Snapshot
from connections.providers.spec import ShardingScheme, TrainerMode

FACTS: dict[str, Any] = {
    "parameter_count": 8 * 10**9,
    "accelerator_type": AcceleratorType.NVIDIA_H100_80GB,
    "base_model_weight_precision": WeightPrecision.BFLOAT16,
    "trainer_image_tag": "0.383.0",
}


def make_snapshot(mode: TrainerMode = TrainerMode.LORA_TRAINER, **facts: Any) -> Snapshot:
    counts = {"max_supported_context_length": 8192, "accelerator_count": 1, "node_count": 1}
    name, model = "accounts/team-a/trainingShapes/own", "accounts/team-a/models/own-8b"
    return Snapshot(**{"name": name, "base_model": model, "trainer_mode": mode} | counts | FACTS | facts)


def sentences(found: Any) -> dict[str, str]:
    return {violation.field: violation.description for violation in found}


def memory(snapshot: Snapshot) -> tuple[float, str]:
    """Gigabytes on each GPU, and the sentence."""
    estimate = estimate_memory(snapshot)
    assert estimate is not None
    return estimate.per_gpu / 1e9, estimate.sentence


def test_a_policy_trainer_keeps_gradients_and_optimizer_state_of_every_parameter() -> None:
    per_gpu, sentence = memory(make_snapshot(TrainerMode.POLICY_TRAINER, accelerator_count=4, node_count=2))
    assert per_gpu == 8 * (2 + 14) / 8
    assert sentence == (
        "8B parameters x (2 B of BFLOAT16 weight + 14 B of gradient, master weight and Adam moments) / 8 GPUs = "
        "16.0 GB on each if all of it is divided evenly over them, before activations; H100 80 GB has 80 GB."
    )


def test_the_arithmetic_says_what_it_leaves_out() -> None:
    per_gpu, sentence = memory(make_snapshot(base_model_weight_precision=WeightPrecision.NF4))
    assert per_gpu == 8 * 0.5
    assert sentence == (
        "8B parameters x (0.5 B of NF4 weight) / 1 GPU = 4.0 GB on each, before activations, the adapter and its "
        "optimizer state; H100 80 GB has 80 GB."
    )
    assert "adapter" not in memory(make_snapshot(TrainerMode.FORWARD_ONLY))[1]


def test_memory_that_does_not_fit_is_a_warning_and_no_wall() -> None:
    tight = make_snapshot(TrainerMode.POLICY_TRAINER)
    assert "= 128.0 GB on each" in sentences(warnings(tight, model_parameters=None))["accelerator_type"]
    assert problems(tight, ()) == ()
    assert warnings(make_snapshot(TrainerMode.POLICY_TRAINER, accelerator_count=2), model_parameters=None) == ()


def test_another_parameter_count_than_the_base_models_is_a_warning() -> None:
    (found,) = warnings(make_snapshot(), model_parameters=9 * 10**9)
    assert found.field == "parameter_count"
    assert "8,000,000,000 differs from the 9,000,000,000 parameters of the base model" in found.description
    assert warnings(make_snapshot(), model_parameters=8 * 10**9) == ()
    assert warnings(make_snapshot(parameter_count=None), model_parameters=8 * 10**9) == ()


@pytest.mark.parametrize("fact", ["base_model_weight_precision", "accelerator_type", "trainer_image_tag"])
def test_a_fact_that_nobody_gave_is_a_warning(fact: str) -> None:
    facts: dict[str, Any] = {fact: None}
    unknown = make_snapshot(**facts)
    assert sentences(warnings(unknown, model_parameters=None))[fact].startswith("It is unknown. Say ")
    assert problems(unknown, ()) == ()
    assert (estimate_memory(unknown) is None) == (fact != "trainer_image_tag")


@pytest.mark.parametrize(
    ("facts", "field", "sentence"),
    [
        (
            {"accelerator_count": 1, "node_count": 6, "trainer_sharding_scheme": ShardingScheme(4)},
            "trainer_sharding_scheme",
            "1 GPU x 6 nodes = 6 GPUs, but tensor 4 x pipeline 1 x context 1 x expert 1 = 4, and 6 is not a multiple",
        ),
        (
            {"accelerator_count": 0, "trainer_sharding_scheme": ShardingScheme(2)},
            "trainer_sharding_scheme",
            "= 2, but there is no GPU to divide anything over. Set them to 1, or add GPUs.",
        ),
        (
            {
                "accelerator_count": 8,
                "max_supported_context_length": 5,
                "trainer_sharding_scheme": ShardingScheme(1, 1, 8),
            },
            "max_supported_context_length",
            "5 tokens do not divide by context parallelism 8. Use 8, or another degree.",
        ),
        (
            {"deployment_shape_version": "rft-qwen3-8b/versions/gyiqbrd6"},
            "deployment_shape_version",
            "'rft-qwen3-8b/versions/gyiqbrd6' is no version of a deployment shape; use accounts/ACCOUNT/deployment",
        ),
        (
            {"trainer_image_tag": "bad tag:x"},
            "trainer_image_tag",
            "'bad tag:x' cannot be used. Use letters, digits, _, . and -, of which . and - do not come first.",
        ),
    ],
)
def test_a_problem_says_figures_and_a_remedy_that_works(facts: dict[str, Any], field: str, sentence: str) -> None:
    found = sentences(problems(make_snapshot(**facts), ()))
    assert list(found) == [field]
    assert sentence in found[field]


def test_what_divides_is_no_problem() -> None:
    link = "accounts/fireworks/deploymentShapes/rft-qwen3-8b/versions/gyiqbrd6"
    scheme = ShardingScheme(2, 1, 2, 1)
    assert problems(make_snapshot(accelerator_count=8, trainer_sharding_scheme=scheme), ()) == ()
    assert problems(make_snapshot(accelerator_count=0, trainer_sharding_scheme=ShardingScheme()), ()) == ()
    assert problems(make_snapshot(deployment_shape_version=link), ()) == ()
