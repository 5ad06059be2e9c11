"""What a sampler reads of a request: good bodies become values, bad ones are refused with field, value and limit."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampler.config import SamplerConfig, parse_config
from sampler.wire import parse_chat, parse_completion, parse_hot_load
from trainer.errors import ConfigError, OperationError

MODEL = "accounts/team-a/deployments/d"
# What the SDK's deployment sampler sends for one completion of a rollout.
ROLLOUT: dict[str, Any] = {
    "model": MODEL, "prompt": [1, 2], "n": 1, "max_tokens": 8, "temperature": 1.0, "stream": True, "top_p": 1.0,
    "top_k": 0, "perf_metrics_in_response": True, "raw_output": True, "logprobs": True, "stop": ["<|im_end|>"],
}  # fmt: skip
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
CHAT: dict[str, Any] = {"messages": [{"role": "user", "content": "hello"}]}


def refusal(parse: Any, body: Any) -> str:
    with pytest.raises(OperationError) as caught:
        parse(body, MODEL) if parse is not parse_hot_load else parse(body)
    assert caught.value.status in (400, 422)
    return caught.value.detail


def test_a_rollout_of_the_sdk_is_read() -> None:
    asked = parse_completion(ROLLOUT, "another")
    assert (asked.model, asked.prompts, asked.echo, asked.logprobs, asked.legacy) == (MODEL, ((1, 2),), 0, True, False)
    assert asked.sampling.is_plain and asked.sampling.stop == ("<|im_end|>",) and asked.sampling.max_tokens == 8
    assert asked.stream and asked.raw_output
    scoring = parse_completion({**ROLLOUT, "echo": True, "top_logprobs": 5, "max_tokens": 0}, "")
    assert (scoring.echo, scoring.top, scoring.sampling.max_tokens) == (None, 5, 0)


def test_what_openais_clients_send_is_read() -> None:
    asked = parse_completion({"prompt": ["a", [3]], "logprobs": 2, "stop": ["x", 7], "user": "me", "seed": -1}, MODEL)
    assert (asked.model, asked.prompts, asked.legacy, asked.top) == (MODEL, ("a", (3,)), True, 2)
    assert (asked.sampling.stop, asked.sampling.stop_token_ids, asked.sampling.seed) == (("x",), (7,), -1)
    assert asked.sampling.max_tokens == 16
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    chat = parse_chat({"messages": [{"role": "user", "content": parts}], "max_completion_tokens": 3}, MODEL)
    assert chat.messages == ({"role": "user", "content": "ab"},) and chat.sampling.max_tokens == 3
    assert parse_chat(CHAT, MODEL).sampling.max_tokens is None


def test_what_cannot_be_is_refused_with_field_value_and_limit() -> None:
    completions: list[tuple[dict[str, Any], str]] = [
        ({"routing_matrix_format": "parquet_v1"}, "Extra inputs are not permitted, field: 'routing_matrix_format'"),
        ({"prompt": []}, "prompt must be a text or a list of token ids, and not empty, not []."),
        ({"prompt": [1, -2]}, "prompt[1] must be a token id, a whole number of at least 0, not -2."),
        ({"prompt": ["a", []]}, "prompt[1] must be a text or a list of token ids"),
        ({"prompt": None}, "prompt is missing."),
        ({"prompt": [[1]] * 65, "n": 2}, "prompt and n ask for 130 choices; the limit is 128."),
        ({"n": 129}, "n must be a whole number from 1 to 128, not 129."),
        ({"n": True}, "n must be a whole number from 1 to 128, not True."),
        ({"temperature": float("nan")}, "temperature must be a number of at least 0 and below 100, not nan."),
        ({"top_p": 0}, "top_p must be a number above 0, 1 at most, not 0."),
        ({"top_k": -2}, "top_k must be a whole number of at least 0, not -2."),
        ({"top_logprobs": 21}, "top_logprobs must be a whole number from 0 to 20, not 21."),
        ({"stop": ["x"] * 17}, "stop and stop_token_ids hold 17 entries; the limit is 16."),
        ({"stop": [""]}, "stop must be texts of 1 to 200 characters or token ids, not ''."),
        ({"stop_token_ids": ["a"]}, "stop_token_ids must be token ids, not 'a'."),
        ({"max_tokens": 0}, "max_tokens is 0, and echo is not asked for"),
        ({"max_tokens": "8"}, "max_tokens must be a whole number of at least 0, not '8'."),
        ({"frequency_penalty": 0.5}, "frequency_penalty 0.5 is not supported; leave it out, or send 0."),
        ({"seed": 2**63}, "seed must be a whole number of 64 bits"),
        ({"stream_options": 3}, "stream_options must be a JSON object, not 3."),
    ]
    for change, words in completions:
        assert words in refusal(parse_completion, {**ROLLOUT, **change}), change
    chats: list[tuple[dict[str, Any], str]] = [
        ({"messages": []}, "messages must be a list of at least one message, not []."),
        ({"messages": [{"role": "user"}]}, "messages[0].content must be a text, not None."),
        ({"messages": [{"content": "a"}]}, "messages[0].role is missing."),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "[0].content[0].type 'image_url'",
        ),
        ({"prompt": "a"}, "Extra inputs are not permitted, field: 'prompt'"),
        ({"tools": [{}]}, "tools [{}] is not supported"),
        ({"max_tokens": 0}, "max_tokens must be at least 1"),
    ]
    for change, words in chats:
        assert words in refusal(parse_chat, {**CHAT, **change}), change


def test_a_hot_load_is_read() -> None:
    metadata = {"previous_snapshot_identity": "one", "compression_format": "arc_v2", "checksum_format": "alder32"}
    whole = parse_hot_load({"identity": "two", "reset_prompt_cache": True})
    delta = parse_hot_load({"identity": "two", "incremental_snapshot_metadata": metadata})
    assert (whole.identity, whole.previous, delta.previous) == ("two", None, "one")
    assert "identity is missing" in refusal(parse_hot_load, {})
    assert "previous_snapshot_identity is missing" in refusal(
        parse_hot_load, {"identity": "a", "incremental_snapshot_metadata": {}}
    )


@given(parse=st.sampled_from([parse_completion, parse_chat, parse_hot_load]), data=st.data())
def test_whatever_comes_is_read_or_refused(parse: Any, data: st.DataObject) -> None:
    base: dict[str, Any] = {parse_completion: ROLLOUT, parse_chat: CHAT, parse_hot_load: {"identity": "a"}}[parse]
    key = data.draw(st.sampled_from([*base, "logprobs", "n", "stop", "echo_last", "logit_bias", "metadata"]))
    body = {**base, key: data.draw(JSON_VALUES)}
    try:
        parse(body, MODEL) if parse is not parse_hot_load else parse(body)
    except OperationError as refused:
        assert refused.detail


def test_a_configuration_is_checked_field_by_field() -> None:
    good: dict[str, Any] = {
        "directory": "/a", "deployment": MODEL, "base_model": "accounts/local/models/tiny", "jobs_root": "/b",
        "model_cache": "/c",
    }  # fmt: skip
    assert isinstance(parse_config(good), SamplerConfig)
    bad: list[tuple[dict[str, Any], str]] = [
        ({"jobs_root": "relative"}, "jobs_root must be an absolute path, not 'relative'."),
        ({"engine": "other"}, "engine must be one of transformers, vllm, not 'other'."),
        ({"colour": 1}, "Unknown field colour"),
        ({"max_batch_size": 0}, "max_batch_size must be a whole number from 1 to 1024, not 0."),
        ({"cache_tokens": 8}, "cache_tokens 8 must be at least max_context_length 2048"),
        ({"inactivity_timeout_s": 0}, "inactivity_timeout_s must be a number above 0, not 0."),
        ({"vllm_command": []}, "vllm_command must be a list of texts that is not empty, not []."),
    ]
    for change, words in bad:
        with pytest.raises(ConfigError) as caught:
            parse_config({**good, **change})
        assert words in str(caught.value)
    with pytest.raises(ConfigError, match="Missing field deployment"):
        parse_config({name: value for name, value in good.items() if name != "deployment"})
