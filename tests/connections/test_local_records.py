"""Files that somebody is writing, or that hold what nobody expected."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connections.providers.checkpoints import CheckpointList
from connections.providers.states import AttemptState
from connections.providers.telemetry import LogChunk, MetricPage
from connections.providers.trainer_files import checkpoints, records
from connections.providers.trainer_files.files import ENDPOINT, METRICS, RECORDS, SESSION
from tests.connections.local_rig import LocalRig
from tests.connections.rig import make_reference, make_submission, until, wait_ready


@given(st.text(alphabet=st.sampled_from("aä€🚢\n")), st.integers(1, 7), st.integers(1, 9))
def test_a_log_read_in_pieces_while_it_grows_is_the_log(text: str, grow: int, chunk: int) -> None:
    """Whatever a piece ends in the middle of."""
    content = text.encode()
    with TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "LOG_CHUNK", chunk + 3)  # at least one character of four bytes
        path = Path(directory) / "log"
        read, offset = "", 0
        for end in [*range(0, len(content), grow), len(content)]:
            path.write_bytes(content[:end])
            while (piece := records.read_log(path, offset)).text:
                read, offset = read + piece.text, piece.offset
        assert (read, offset) == (text, len(content))


@pytest.mark.parametrize(
    ("content", "after", "text", "offset"),
    [
        (b"", 0, "", 0),
        (b"ab\ncd", 0, "ab\n", 3),
        (b"ab\ncd", 3, "cd", 5),
        (b"ab", 99, "", 99),
        (b"ab", -5, "ab", 2),
        (b"\x00\xff\n", 0, "\ufffd\ufffd\n", 3),
    ],
)
def test_a_log_is_cut_at_line_ends(tmp_path: Path, content: bytes, after: int, text: str, offset: int) -> None:
    (tmp_path / "log").write_bytes(content)
    assert records.read_log(tmp_path / "log", after) == LogChunk(text, offset)


def test_no_file_yet_is_nothing_yet(tmp_path: Path) -> None:
    path = tmp_path / "none"
    assert records.read_log(path, 7) == LogChunk("", 7)
    assert records.read_metrics(path, 7) == MetricPage((), 7)
    assert (records.read_progress(path), records.log_tail(path)) == (((), ()), "")
    assert checkpoints.read_checkpoints(path) == CheckpointList(())


def metric(number: Any, **changes: Any) -> bytes:
    record = {"number": number, "step": number, "loss_per_token": 0.5, "time": "2026-01-01T00:00:00Z"}
    return json.dumps(record | changes).encode() + b"\n"


@given(st.integers(0, 60), st.integers(1, 12), st.integers(150, 2000), st.integers(1, 99))
def test_records_read_in_pieces_while_they_are_written_are_the_records(
    count: int, limit: int, chunk: int, grow: int
) -> None:
    content = b"".join(metric(number) for number in range(1, count + 1)) + b'{"number": '
    with TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "METRICS_CHUNK", chunk)
        path = Path(directory) / METRICS
        found: list[int] = []
        offset = 0
        for end in [*range(0, len(content), grow * 10), len(content)]:
            path.write_bytes(content[:end])
            while (page := records.read_metrics(path, offset, limit)).offset != offset:
                assert len(page.records) <= limit
                found, offset = found + [record.number for record in page.records], page.offset
        assert found == list(range(1, count + 1))


def test_a_metric_line_that_is_no_record_is_passed_over(tmp_path: Path) -> None:
    lines = [
        metric(1, loss_per_token=float("nan"), grad_norm=float("inf"), tokens=True, learning_rate="x", seconds=10**400),
        b"\n",
        b"[1]\n",
        b"\xff\n",
        metric(2, step=-1),
        metric(2, time="yesterday"),
        metric("2", step=2),
        metric(2**63, step=2),
        b'{"kind": []}\n',
        b'{"kind": {"plan": 1}}\n',
        metric(3, tokens=12, seconds=1, time="2026-01-01T00:00:00"),
        metric(4).rstrip(),
    ]
    (tmp_path / METRICS).write_bytes(b"".join(lines))
    first, third = records.read_metrics(tmp_path / METRICS, 0).records
    assert (first.number, first.loss_per_token, first.grad_norm, first.tokens, first.seconds) == (
        1,
        None,
        None,
        None,
        None,
    )
    assert (third.number, third.tokens, third.seconds, third.recorded_at.isoformat()) == (
        3,
        12,
        1.0,
        "2026-01-01T00:00:00+00:00",
    )


def test_a_samplers_line_that_is_no_record_is_passed_over(tmp_path: Path) -> None:
    served = {"number": 1, "kind": "serving", "identity": None, "requests": 2, "prompt_tokens": 10, "seconds": 0.5}
    served |= {"completion_tokens": 4, "answered": "2026-01-01T00:00:00Z", "time": "2026-01-01T00:00:09Z"}
    loaded = {"number": 9, "kind": "hot_load", "identity": "a\u202eb" * 400, "stage": "error", "message": "x\0y" * 400}
    loaded |= {"seconds": 1.0, "time": "2026-01-01T00:00:10Z"}
    bad = (
        {"kind": "other"}, {"seconds": -1}, {"seconds": None}, {"number": True}, {"answered": "then"}, {"identity": 7},
        {"number": 10**6 + 1},
    )  # fmt: skip
    lines = [served, *({**served, "number": 2} | change for change in bad), loaded, {**loaded, "stage": "ready"}]
    (tmp_path / METRICS).write_text("".join(f"{json.dumps(line)}\n" for line in lines) + "[]\n{", encoding="utf-8")
    page = records.read_sampler_records(tmp_path / METRICS, 0)
    first, last = page.records
    assert (first.is_load, first.identity, first.requests, first.prompt_tokens) == (False, "", 2, 10)
    assert (first.completion_tokens, first.seconds, first.at.second) == (4, 0.5, 0)
    assert (last.is_load, last.number, last.at.second) == (True, 9, 10)
    assert len(last.identity) == 400 and "\u202e" not in last.identity
    assert last.message.startswith("x\ufffdyx") and len(last.message) == 500
    assert records.read_sampler_records(tmp_path / METRICS, page.offset).records == ()
    assert records.read_sampler_records(tmp_path / "none", 7).offset == 7


def test_only_whole_checkpoints_with_names_are_listed(tmp_path: Path) -> None:
    whole = {"name": "other", "step": 3, "size_bytes": 5, "created_at": "2026-01-01T00:00:00Z"}
    for name, content in {
        "good": json.dumps(whole),
        ".part-1": json.dumps(whole),
        "Bad_Name": json.dumps(whole),
        "half": '{"name": "ha',
        "odd": "[]",
        "no-step": "{}",
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "checkpoint.json").write_text(content)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    assert [(record.name, record.step) for record in checkpoints.read_checkpoints(tmp_path).records] == [("good", 3)]


@pytest.mark.parametrize("content", ["", '{"host": "127', "[]", '{"host": "127.0.0.1", "port": 0}', '{"port": 80}'])
def test_an_endpoint_that_is_not_there_yet_is_no_endpoint(local: LocalRig, content: str) -> None:
    reference = make_reference()
    local.provider.submit(make_submission(reference))
    wait_ready(local.provider, reference)
    (local.directory(reference) / RECORDS / ENDPOINT).write_text(content)
    seen = local.provider.observe(reference)
    assert (seen.state, seen.ready, seen.endpoint) == (AttemptState.RUNNING, False, "")


def test_an_endpoint_that_nobody_listens_on_is_not_ready(local: LocalRig) -> None:
    reference = make_reference()
    local.provider.submit(make_submission(reference))
    wait_ready(local.provider, reference)
    (local.directory(reference) / RECORDS / ENDPOINT).write_text('{"host": "127.0.0.1", "port": 1}')
    assert not local.provider.observe(reference).ready
    (local.directory(reference) / "token").write_text("another")
    until(lambda: not local.provider.observe(reference).ready)


@pytest.mark.parametrize("content", [None, '{"opened": true}', "{"])
def test_says_whether_a_session_was_opened(local: LocalRig, content: str | None) -> None:
    reference = make_reference()
    local.provider.submit(make_submission(reference))
    wait_ready(local.provider, reference)
    if content:
        (local.directory(reference) / RECORDS / SESSION).write_text(content)
    assert local.provider.observe(reference).session_opened is (content == '{"opened": true}')
