"""Promotions that another control plane makes: what is asked for, and what its answers mean."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connections.providers.control_plane.account import AccountThere
from connections.providers.control_plane.client import ControlPlaneClient
from connections.providers.control_plane.jobs import Catalogs
from connections.providers.control_plane.names import remote_id
from connections.providers.control_plane.promoting import _read
from connections.providers.control_plane.provider import ControlPlaneProvider
from connections.providers.errors import Gone, Rejected, Retryable
from connections.providers.promotions import PromotesThere, PromotionThere
from tests.connections.test_control_plane_client import LOOPBACK, Play, answering, server
from wire.status import Code, status_body

INSTANCE = "k7m2qx9ab1"
NAME = f"accounts/north/models/{remote_id(INSTANCE, 'team-a', 'mine')}"
JOB = f"accounts/north/rlorTrainerJobs/{remote_id(INSTANCE, 'team-a', 'sft-1')}"
OPERATION = "accounts/north/operations/promote-0a1b"
RUNNING = {"operation": {"name": OPERATION, "done": False}}
ADAPTER = {"name": NAME, "state": "READY", "peftDetails": {"r": 8, "targetModules": ["q_proj", 7]}}
BEGUN = PromotionThere(NAME, OPERATION)


def answers(*said: Any) -> Play:
    """One after another: bodies, or a code that refuses."""
    left = list(said)

    def play(connection: socket.socket, head: str) -> None:
        body = left.pop(0)
        if isinstance(body, Code):
            refused = json.dumps(status_body(body, "Not so.")).encode()
            answering(refused, f"{body.http_status} No")(connection, head)
        else:
            answering(json.dumps(body).encode())(connection, head)

    return play


def provider_at(url: str) -> ControlPlaneProvider:
    there = AccountThere(ControlPlaneClient(url, "key", LOOPBACK, patience=5), INSTANCE, "north")
    return ControlPlaneProvider(there, Catalogs({"local": "public"}))


def promoted(*said: Any) -> tuple[PromotionThere, list[str]]:
    """What `promote` finds where it is answered so, and the requests."""
    with server(answers(*said)) as (url, heads):
        base = "accounts/local/models/tiny-qwen3"
        return provider_at(url).promote("team-a", "sft-1", "final", model="mine", base_model=base), heads


def looked(*said: Any, operation: str = OPERATION) -> PromotionThere | None:
    with server(answers(*said)) as (url, _):
        return provider_at(url).promotion("team-a", "mine", operation)


def test_asks_as_the_sdk_does_under_an_id_that_is_ours() -> None:
    found, [asked] = promoted(RUNNING)
    head, _, body = asked.partition("\r\n\r\n")
    assert head.startswith("POST /v1/accounts/north/checkpoints/final:promote ")
    assert json.loads(body) == {
        "output_model": NAME,
        "trainer_job_id": JOB,
        "base_model": "accounts/public/models/tiny-qwen3",
        "async_promotion": True,
    }
    assert found == BEGUN
    assert isinstance(provider_at("http://127.0.0.1:1"), PromotesThere)


def test_where_operations_are_not_known_the_model_is_waited_for() -> None:
    found, heads = promoted(Code.INVALID_ARGUMENT, {"model": ADAPTER})
    assert "async_promotion" not in heads[1]
    assert found == PromotionThere(NAME, done=True, lora_rank=8, target_modules=("q_proj",))


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ({"name": OPERATION, "done": False}, BEGUN),
        (
            {"name": OPERATION, "done": True, "response": ADAPTER},
            PromotionThere(NAME, done=True, lora_rank=8, target_modules=("q_proj",)),
        ),
        ({"name": OPERATION, "done": True}, PromotionThere(NAME, done=True)),
        (
            {"name": OPERATION, "done": True, "error": {"code": 9, "message": "Full."}},
            PromotionThere(NAME, done=True, failure="Full."),
        ),
        (
            {"name": OPERATION, "done": True, "response": {"state": "FAILED"}},
            PromotionThere(NAME, done=True, failure="It failed there."),
        ),
        (Code.NOT_FOUND, None),
    ],
)
def test_what_an_operation_means(said: Any, found: PromotionThere | None) -> None:
    assert looked(said) == found


def test_an_operation_that_is_none_is_not_asked_for() -> None:
    assert looked(operation="../../secrets") is None


@pytest.mark.parametrize("code", [Code.ALREADY_EXISTS, Code.NOT_FOUND, Code.PERMISSION_DENIED])
def test_what_waiting_does_not_change_is_the_end(code: Code) -> None:
    with pytest.raises(Rejected, match="Not so"):
        promoted(code)


def test_what_may_pass_is_tried_again() -> None:
    for said in (Code.UNAVAILABLE, {"operation": {"done": False}}, {}):
        with pytest.raises(Retryable):
            promoted(said)
    with pytest.raises(Retryable):
        looked(Code.UNAVAILABLE)


def test_what_is_no_job_is_gone() -> None:
    with pytest.raises(Gone):
        provider_at("http://127.0.0.1:1").promote("team-a", "../jobs", "final", model="mine", base_model="")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "r", "message"]), inner),
    max_leaves=6,
)
FIELDS = st.sampled_from(["operation", "model", "done", "error", "response", "name", "state", "peftDetails"])


@settings(max_examples=60)
@given(st.dictionaries(FIELDS, ANYTHING | st.dictionaries(FIELDS, ANYTHING, max_size=4), max_size=4))
def test_a_hostile_answer_is_an_answer_or_tried_again(said: dict[str, Any]) -> None:
    try:
        found = _read(NAME, said)
    except Retryable:
        return
    assert found.name == NAME
    assert found.done or found.operation
