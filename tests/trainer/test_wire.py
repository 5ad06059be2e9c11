"""Request bodies: good ones become values, bad ones are refused with the path of the field."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
from bodies import forward_body, make_datum, step_body
from hypothesis import given
from hypothesis import strategies as st

from trainer import passes, wire
from trainer.errors import OperationError
from trainer.service import PARSERS

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
GOOD: dict[str, dict[str, Any]] = {
    "create_model": {
        "session_id": "s",
        "base_model": "b",
        "lora_config": {"rank": 4, "alpha": None, "train_mlp": False},
    },
    "forward": forward_body("m", [make_datum([1, 2], weights=[1.0, -1.0])]),
    "forward_backward": forward_body(
        "m", [make_datum([1, 2], logprobs=[-1.0, -2], advantages=[1, 0])], "ppo", clip_low_threshold=0.9
    ),
    "optim_step": step_body("m", "num_sequences", beta1=0.8, grad_clip_norm=1),
    "save_weights": {"model_id": "m", "path": "step-1", "overwrite": False},
    "save_weights_for_sampler": {"model_id": "m", "path": "step-1", "checkpoint_type": "base"},
    "load_weights": {"model_id": "m", "path": "step-1", "optimizer": True},
    "load_adapter": {"model_id": "m", "adapter_path": "accounts/a/models/b"},
    "unload_model": {"model_id": "m"},
}


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The place of every value inside a body."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, inner in items for place in paths(inner, (*path, key)))]


@pytest.mark.parametrize("operation", PARSERS)
def test_a_good_body_is_taken(operation: str) -> None:
    assert PARSERS[operation](GOOD[operation])


@pytest.mark.parametrize("operation", PARSERS)
@given(data=st.data())
def test_any_other_body_is_taken_or_refused_in_words(operation: str, data: st.DataObject) -> None:
    """A body with something else somewhere never breaks the parser."""
    body: Any = {"body": copy.deepcopy(GOOD[operation])}
    *way, last = data.draw(st.sampled_from(paths(body)[1:]))
    holder = body
    for key in way:
        holder = holder[key]
    holder[last] = data.draw(JSON_VALUES)
    try:
        PARSERS[operation](body["body"])
    except OperationError as error:
        assert error.status in (400, 422) and error.detail.endswith(".")


def test_values_and_defaults_are_read() -> None:
    created = wire.parse_create_model(GOOD["create_model"])
    assert (created.rank, created.alpha, created.train_attn, created.train_mlp) == (4, 8, True, False)
    passed = passes.parse_forward_backward(GOOD["forward_backward"])
    assert (passed.loss_fn, passed.backward) == ("ppo", True)
    assert passed.settings == {"clip_low_threshold": 0.9, "clip_high_threshold": 1.2, "ratio_log_cap": math.inf}
    assert passed.data[0].inputs["advantages"] == [1, 0]
    step = wire.parse_optim_step({"model_id": "m", "adam_params": {}})
    assert (step.learning_rate, step.beta1, step.beta2, step.eps, step.weight_decay) == (1e-4, 0.9, 0.95, 1e-12, 0.0)
    assert (step.grad_clip_norm, step.normalization) == (0.0, "none")


def test_what_recipes_of_reinforcement_learning_send_is_read() -> None:
    """A mask beside targets that are only scored, and a cap of the logarithm of ratios."""
    masked, both = make_datum([1, 2], loss_mask=[0, 1]), make_datum([1, 2], loss_mask=[0, 1], weights=[2.0, 3.0])
    read = [datum.inputs["weights"] for datum in passes.parse_forward(forward_body("m", [masked, both])).data]
    assert read == [[0, 1], [2.0, 3.0]]
    datum = make_datum([1], logprobs=[-1.0], advantages=[1.0])
    for loss_fn, config, cap in (("importance_sampling", {"ratio_log_cap": 20.0}, 20.0), ("ppo", {}, math.inf)):
        assert passes.parse_forward(forward_body("m", [datum], loss_fn, **config)).settings["ratio_log_cap"] == cap
    for told, read in ((-2, -2.0), (None, None)):
        config = {"reward": told}
        assert passes.parse_forward_backward(forward_body("m", [make_datum([1])], **config)).reward == read
    with pytest.raises(OperationError, match="ratio_log_cap must be a number above 0"):
        passes.parse_forward(forward_body("m", [datum], "ppo", ratio_log_cap=0))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"loss_fn_inputs": {"target_tokens": {"data": [1, 2]}, "loss_mask": {"data": [1]}}}, "loss_mask.data"),
        ({"model_input": {"chunks": [{"type": "image", "data": "x"}]}}, "data[0].model_input.chunks[0].type"),
        ({"model_input": {"chunks": []}}, "data[0].model_input.chunks"),
        ({"model_input": {"chunks": [{"tokens": [1, -2]}]}}, "data[0].model_input.chunks[0].tokens"),
        ({"loss_fn_inputs": {}}, "data[0].loss_fn_inputs.target_tokens"),
        ({"loss_fn_inputs": {"target_tokens": {"data": [1, 2, 3]}}}, "data[0].loss_fn_inputs.target_tokens.data"),
        ({"loss_fn_inputs": {"target_tokens": {"data": [1, 2], "shape": [1, 2]}}}, "target_tokens.shape"),
        ({"loss_fn_inputs": {"target_tokens": {"data": [1, 2, 3], "shape": [2, 2]}}}, "2 tokens of 2 targets each"),
        (
            {"loss_fn_inputs": {"target_tokens": {"data": [1] * 4, "shape": [2, 2]}, "weights": {"data": [1] * 2}}},
            "weights.shape",
        ),
        ({"loss_fn_inputs": {"target_tokens": {"data": [1, 2]}, "weights": {"data": [1, None]}}}, "weights.data"),
        ({"loss_fn_inputs": {"target_tokens": {"data": [1, 2]}, "advantages": {"data": [1, 1]}}}, "advantages"),
    ],
)
def test_a_bad_datum_is_named(change: dict[str, Any], field: str) -> None:
    body = forward_body("m", [make_datum([1, 2]) | change])
    with pytest.raises(OperationError, match=field.replace("[", r"\[").replace("]", r"\]")):
        passes.parse_forward(body)


@pytest.mark.parametrize(
    ("operation", "change", "message"),
    [
        (
            "optim_step",
            {"adam_params": {"learning_rate": -1}},
            "adam_params.learning_rate must be a number of at least 0",
        ),
        ("optim_step", {"adam_params": {"beta1": 1.0}}, "adam_params.beta1 must be a number of at least 0 and below 1"),
        ("optim_step", {"grad_accumulation_normalization": "mean"}, "one of none, num_loss_tokens, num_sequences"),
        ("optim_step", {"model_id": None}, "model_id is missing"),
        ("save_weights", {"overwrite": True}, "Save under a new name"),
        ("create_model", {"lora_config": {"rank": -1}}, "lora_config.rank must be a whole number of at least 0"),
        ("create_model", {"projection_head_dim": 8}, "projection_head_dim is not supported"),
    ],
)
def test_a_bad_field_is_named(operation: str, change: dict[str, Any], message: str) -> None:
    with pytest.raises(OperationError, match=message):
        PARSERS[operation](GOOD[operation] | change)


def test_a_mask_multiplies_the_weights_and_says_what_the_sequence_of_gspo_is() -> None:
    data = [
        make_datum([1, 2, 3], mask=[0, 1, 1]),
        make_datum([1, 2, 3], mask=[0, 1, 1], weights=[1, 2, 0]),
        make_datum([1, 2, 3]),
    ]
    read = [datum.inputs.get("weights") for datum in passes.parse_forward(forward_body("m", data)).data]
    assert read == [[0, 1, 1], [0, 2, 0], None]
    policy = {"logprobs": [-1.0] * 3, "advantages": [0, 1, 1]}
    data = [
        make_datum([1, 2, 3], **policy),
        make_datum([1, 2, 3], **policy, mask=[1, 1, 0]),
        make_datum([1, 2, 3], **policy, response_mask=[1, 1, 0]),
    ]
    read = [datum.inputs["response_mask"] for datum in passes.parse_forward(forward_body("m", data, "gspo")).data]
    assert read == [[0, 1, 1], [0, 1, 0], [1, 1, 0]]


def test_a_loss_without_a_public_formula_is_refused_by_name() -> None:
    for loss_fn in ("dppo", "reinforce"):
        with pytest.raises(OperationError, match=f"loss_fn {loss_fn} is not supported: no public source"):
            passes.parse_forward(forward_body("m", [make_datum([1])], loss_fn))


def test_unknown_losses_and_their_settings_are_refused() -> None:
    with pytest.raises(OperationError, match="cross_entropy, importance_sampling, ppo, cispo, dro, dapo, gspo"):
        passes.parse_forward(forward_body("m", [make_datum([1])], "dpo"))
    dapo = make_datum([1], logprobs=[-1.0], advantages=[1.0])
    with pytest.raises(OperationError, match="eps_clip_c must be a number above 1"):
        passes.parse_forward(forward_body("m", [dapo], "dapo", eps_clip_c=1.0))
    with pytest.raises(OperationError, match=r"loss_fn_config\.clip_low_threshold is not known for loss cross_entropy"):
        passes.parse_forward(forward_body("m", [make_datum([1])], clip_low_threshold=0.9))
    with pytest.raises(OperationError, match="above clip_high_threshold"):
        datum = make_datum([1], logprobs=[-1.0], advantages=[1.0])
        passes.parse_forward(forward_body("m", [datum], "ppo", clip_low_threshold=2.0))
