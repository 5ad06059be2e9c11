"""Curves of launches whose records are read from what passes through the gateway."""

from __future__ import annotations

import asyncio
import gzip
import json
import struct
import zlib
from typing import Any

import pytest
from django.db import connections
from hypothesis import given
from hypothesis import strategies as st

from launches.domain.note_exchange import note_loss, note_step, note_unread
from launches.gateway import answers, curves
from launches.gateway.answers import AnswerForm, form_of, read_metrics
from launches.gateway.curves import ANSWERS, FORWARD_BACKWARD, KIND, OPTIM_STEP, AnswerCopy, Curves
from launches.models import Attempt, Launch
from tests.launches.makers import attempt_of, make_launch

ANSWER = {"metrics": {"loss:sum": 12.0, "loss_tokens:sum": 4.0}, "loss_fn_outputs": []}


def records(launch: Launch) -> list[tuple[int, int, float | None, float | None, int | None]]:
    rows = attempt_of(launch).metrics.order_by("number")
    return [(row.number, row.step, row.loss_per_token, row.learning_rate, row.tokens) for row in rows]


@pytest.mark.django_db
def test_losses_count_for_the_step_that_follows_them() -> None:
    launch = make_launch()
    pk = attempt_of(launch).pk
    note_loss(pk, loss=12.0, tokens=4)
    note_loss(pk, loss=6.0, tokens=2)  # gradients that add up
    note_step(pk, learning_rate=1e-3, grad_norm=0.5, step=1)
    note_loss(pk, loss=4.0, tokens=4)
    note_step(pk, learning_rate=1e-3, grad_norm=0.5, step=2)
    note_step(pk, learning_rate=1e-3, grad_norm=0.5, step=2)  # its answer got lost, and was asked for again
    assert records(launch) == [(1, 1, 3.0, 1e-3, 6), (2, 2, 1.0, 1e-3, 4)]
    launch.refresh_from_db()
    assert (launch.last_loss, launch.last_step) == (1.0, 2)


@pytest.mark.django_db
def test_a_second_model_begins_its_steps_anew_and_the_series_goes_on() -> None:
    launch = make_launch()
    pk = attempt_of(launch).pk
    for step in (1, 2, 1):
        note_loss(pk, loss=1.0, tokens=1)
        note_step(pk, learning_rate=None, grad_norm=None, step=step)
    assert [row[:2] for row in records(launch)] == [(1, 1), (2, 2), (3, 1)]


@pytest.mark.django_db
def test_what_comes_after_the_end_is_not_noted_and_a_gap_is_said_once() -> None:
    launch = make_launch()
    pk = attempt_of(launch).pk
    for _ in range(2):
        note_unread(pk)
    assert launch.events.filter(kind="limit").count() == 1
    Attempt.objects.filter(pk=pk).update(state="COMPLETED", finished_at=launch.created_at)
    note_loss(pk, loss=1.0, tokens=1)
    note_step(pk, learning_rate=None, grad_norm=None, step=1)
    assert records(launch) == []


@pytest.mark.parametrize(
    ("target", "kind", "attempt", "copied"),
    [
        (ANSWERS, FORWARD_BACKWARD, 1, True),
        (ANSWERS + b"?x=1", OPTIM_STEP, 1, True),
        (ANSWERS, b"Forward", 1, False),  # an evaluation is no step
        (ANSWERS, b"SaveWeights", 1, False),
        (b"/api/v1/forward_backward", FORWARD_BACKWARD, 1, False),  # of the request itself nothing is copied
        (ANSWERS, FORWARD_BACKWARD, None, False),  # a trainer of ours writes its own records
    ],
)
def test_only_answers_of_training_are_copied(target: bytes, kind: bytes, attempt: int | None, copied: bool) -> None:
    found = Curves().copy_for(attempt, target, [(b"accept", b"*/*"), (KIND.upper(), kind)])
    assert (found is not None) == copied


def test_figures_are_read_and_everything_else_is_none() -> None:
    assert read_metrics(json.dumps(ANSWER).encode()) == {"loss:sum": 12.0, "loss_tokens:sum": 4.0}
    outputs = [{"logprobs": {"data": [-1, -2]}}, {"logprobs": {"data": [-1]}}, None, {"logprobs": 3}]
    counted = {"metrics": {"loss:sum": 6}, "loss_fn_outputs": outputs}
    assert read_metrics(json.dumps(counted).encode()) == {"loss:sum": 6, "loss_tokens:sum": 3.0}
    hostile = [
        "",
        "[]",
        "null",
        '{"metrics": 3}',
        "[" * 100_000,
        '{"metrics": {"loss:sum": NaN}}',
        '{"metrics": {"x": "1"}}',
    ]
    assert [read_metrics(text.encode()) for text in hostile] == [{}] * len(hostile)
    assert read_metrics(f'{{"metrics": {{"a": true, "b": {10**400}}}}}'.encode()) == {}


def part(number: int, kind: int, content: bytes) -> bytes:
    """A field of protobuf, below 128 bytes."""
    return bytes([number << 3 | kind, *([len(content)] if kind == 2 else [])]) + content


def figure(name: str, value: float) -> bytes:
    return part(3, 2, part(1, 2, name.encode()) + part(2, 1, struct.pack("<d", value)))


def logprobs(name: str, data: bytes, dtype: int) -> bytes:
    tensor = part(1, 2, data) + part(3, 0, bytes([dtype]))
    return part(2, 2, part(2, 2, part(1, 2, name.encode()) + part(2, 2, tensor)) + part(3, 0, b"\x01"))


PROTOBUF = part(1, 2, b"Record") + figure("loss:sum", 6.0) + logprobs("logprobs", bytes(12), 1)


def test_protobuf_is_read_as_json_is() -> None:
    """As the official SDK's own classes write it: tinker_public.ForwardBackwardOutput."""
    form = form_of([(b"Content-Type", b"application/x-protobuf; v=1")])
    assert form == AnswerForm(is_protobuf=True)
    assert read_metrics(PROTOBUF, form) == {"loss:sum": 6.0, "loss_tokens:sum": 3.0}
    two = PROTOBUF + logprobs("logprobs", bytes(6), 4) + logprobs("entropy", bytes(40), 1)
    assert read_metrics(two, form)["loss_tokens:sum"] == 6.0
    assert read_metrics(two + figure("loss_tokens:sum", 4.0) + figure("x", float("nan")), form) == {
        "loss:sum": 6.0,
        "loss_tokens:sum": 4.0,
    }
    assert read_metrics(PROTOBUF[:-3], form) == read_metrics(b"{}", form) == {}


def test_what_has_too_many_fields_is_not_gone_through(monkeypatch: pytest.MonkeyPatch) -> None:
    form = AnswerForm(is_protobuf=True)
    monkeypatch.setattr(answers, "MOST_FIELDS", 14)
    assert "loss:sum" in read_metrics(PROTOBUF, form)
    for more in (part(9, 0, b"\x01") * 14, logprobs("logprobs", bytes(12), 1) * 2):
        with pytest.raises(OverflowError, match="More than 14 fields"):
            read_metrics(PROTOBUF + more, form)


def test_packed_answers_are_unpacked_and_what_bursts_is_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = json.dumps(ANSWER).encode()
    bare = zlib.compressobj(wbits=-15)
    packed = {
        b"gzip": gzip.compress(plain),
        b"deflate": zlib.compress(plain),
        b"Deflate": bare.compress(plain) + bare.flush(),
    }
    for packing, body in packed.items():
        form = form_of([(b"content-encoding", packing)])
        assert read_metrics(body, form) == read_metrics(plain)
        assert read_metrics(body[:9], form) == {}
    assert form_of([(b"content-encoding", b"br")]) is None
    said = written(monkeypatch)
    monkeypatch.setattr(answers, "LARGEST", 100)

    async def pass_some() -> None:
        made = Curves()
        for fields, body in (
            ([(b"content-encoding", b"br")], b"x"),
            ([(b"content-encoding", b"gzip")], gzip.compress(b" " * 101)),
            ([], plain),
        ):
            copy = AnswerCopy(7, FORWARD_BACKWARD, made)
            copy.begin(200, fields)
            copy.add(body)
            copy.finish()
        await until_read(made)

    asyncio.run(pass_some())
    assert said == [("gap", 7), ("gap", 7), ("loss", 7, 4)]


@given(st.binary(max_size=200), st.booleans(), st.booleans())
def test_no_answer_breaks_the_reader(body: bytes, is_protobuf: bool, is_packed: bool) -> None:
    body = gzip.compress(body) if is_packed and is_protobuf else body
    figures = read_metrics(body, AnswerForm(is_protobuf, is_packed))
    assert all(abs(value) < 2**53 for value in figures.values())


def written(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    said: list[tuple[Any, ...]] = []
    monkeypatch.setattr(curves, "note_loss", lambda pk, **facts: said.append(("loss", pk, facts["tokens"])))
    monkeypatch.setattr(curves, "note_step", lambda pk, **facts: said.append(("step", pk, facts["step"])))
    monkeypatch.setattr(curves, "note_unread", lambda pk: said.append(("gap", pk)))
    monkeypatch.setattr(connections, "close_all", lambda: None)
    return said


def answered(made: Curves, kind: bytes, body: Any, status: int = 200) -> None:
    copy = AnswerCopy(7, kind, made)
    copy.begin(status)
    for piece in json.dumps(body):
        copy.add(piece.encode())
    copy.finish()


async def until_read(made: Curves) -> None:
    assert made._reader is not None
    await made._reader


def test_answers_are_read_in_the_order_in_which_they_came(monkeypatch: pytest.MonkeyPatch) -> None:
    said = written(monkeypatch)

    async def pass_some() -> None:
        made = Curves()
        answered(made, FORWARD_BACKWARD, ANSWER)
        answered(made, FORWARD_BACKWARD, {"queue_state": "active"}, status=408)
        answered(made, OPTIM_STEP, {"metrics": {"step:max": 1.0}})
        await until_read(made)

    asyncio.run(pass_some())
    assert said == [("loss", 7, 4), ("step", 7, 1)]


def test_under_load_answers_are_left_out_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    said = written(monkeypatch)
    monkeypatch.setattr(curves, "MOST_WAITING", 2)

    async def pass_many() -> None:
        made = Curves()
        for _ in range(5):
            answered(made, FORWARD_BACKWARD, ANSWER)
        await until_read(made)

    asyncio.run(pass_many())
    assert said == [("gap", 7), ("loss", 7, 4), ("loss", 7, 4)]


def test_an_answer_that_is_too_long_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curves, "LARGEST", 10)
    copy = AnswerCopy(7, OPTIM_STEP, Curves())
    copy.add(b"x" * 11)
    assert copy.body is None
    copy.finish()
