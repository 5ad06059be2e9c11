"""The check as a pure function: what each broken file is told, and what holds for any bytes at all."""

from __future__ import annotations

import hashlib
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.checking.check import CheckedRows, check_rows
from datasets.checking.formats import DatasetFormat
from datasets.checking.lengths import read_lengths
from datasets.checking.lines import LONGEST_LINE, read_lines
from datasets.checking.problems import MOST_EXAMPLES, WORDINGS, RowProblem
from tests.datasets.makers import CHAT, lines

BOT = {"role": "bot", "content": "a"}
NOTHING = {"role": "assistant", "content": ""}
TOOL = {"role": "tool", "content": "1"}
CALL: dict[str, Any] = {"role": "assistant", "content": None, "tool_calls": [{}]}
USER = {"role": "user", "content": "Why?"}
BECAUSE = {"role": "assistant", "content": "Because."}
NO = {"role": "assistant", "content": "No."}
PAIR = {"prompt": "Why?", "chosen": "Because.", "rejected": "No."}


def check(data: bytes) -> CheckedRows:
    return check_rows(io.BytesIO(data))


def found(data: bytes) -> dict[RowProblem, tuple[int, int, str, str]]:
    """By problem: how often, and the first line, field and value."""
    return {
        each.problem: (each.count, *(each.examples[0][name] for name in ("line", "field", "value")))
        for each in check(data).findings
    }


@pytest.mark.parametrize(
    ("row", "kind", "length"),
    [
        (CHAT[0], DatasetFormat.CHAT, 11),
        ({"messages": [USER, {"role": "assistant", "content": [{"type": "text", "text": "Ah"}]}]}, "CHAT", 6),
        ({"messages": [USER, CALL, TOOL, BECAUSE]}, "CHAT", 13),
        ({"prompt": "2+2", "completion": "4"}, DatasetFormat.COMPLETION, 4),
        (PAIR, DatasetFormat.PREFERENCE, 12),
        ({"prompt": [USER], "chosen": [BECAUSE], "rejected": [NO]}, DatasetFormat.PREFERENCE, 12),
        ({"chosen": {"messages": [USER, BECAUSE]}, "rejected": {"messages": [USER, NO]}}, DatasetFormat.PREFERENCE, 12),
        ({"text": "Once upon a time"}, DatasetFormat.TEXT, 16),
    ],
)  # fmt: skip
def test_each_format_is_found(row: Any, kind: str, length: int) -> None:
    result = check(lines(row))
    assert (result.format, result.rows, result.is_refused, result.findings) == (kind, 1, False, [])
    assert result.lengths.longest == length and result.lengths.bars()[0][2] == 1
    assert any(turn["learnt"] for turn in result.samples[0]["turns"])


@pytest.mark.parametrize(
    ("data", "problem", "told"),
    [
        (b'{"text": "a"}\n{"text": "b",}\n', RowProblem.NOT_JSON, (1, 2, "column 13", '{"text": "b",}')),
        (b'{"text": "a", "n": NaN}\n', RowProblem.NOT_A_NUMBER, (1, 1, "column 20", '{"text": "a", "n": NaN}')),
        (b'{"text": "a"}\n{"text": "\xff"}\n', RowProblem.NOT_UTF8, (1, 2, "byte 11 (ff)", '{"text": "�"}')),
        (b'[{"text": "a"}]\n', RowProblem.NOT_AN_OBJECT, (1, 1, "", '[{"text": "a"}]')),
        (b"\x1f\x8b\x08 and more", RowProblem.COMPRESSED, (1, 1, "", "��� and more")),
        (b"", RowProblem.NO_ROWS, (1, 1, "", "")),
        (b"\n\n", RowProblem.NO_ROWS, (1, 1, "", "")),
        (lines({"question": "a", "answer": "b"}), RowProblem.NO_FORMAT, (1, 1, "", "{question, answer}")),
        (lines({"text": "a"}, PAIR), RowProblem.OTHER_FORMAT, (1, 2, "", "{prompt, chosen, rejected}")),
        (lines({"text": "a"}, {"txt": "b"}), RowProblem.MISSING_FIELD, (1, 2, "text", "{txt}")),
        (lines({"text": 3}), RowProblem.WRONG_TYPE, (1, 1, "text", "3")),
        (lines({"messages": []}), RowProblem.NO_MESSAGES, (1, 1, "messages", "[]")),
        (lines({"messages": [USER, BOT]}), RowProblem.UNKNOWN_ROLE, (1, 1, "messages[1].role", "bot")),
        (lines({"messages": [BECAUSE, USER]}), RowProblem.NO_ANSWER, (1, 1, "messages[1].role", "user")),
        (lines({"prompt": "a", "completion": " "}), RowProblem.EMPTY_ANSWER, (1, 1, "completion", '" "')),
        (lines({"messages": [USER, NOTHING]}), RowProblem.EMPTY_ANSWER, (1, 1, "messages[1].content", '""')),
        (lines({"chosen": "a", "rejected": "b"}), RowProblem.MISSING_FIELD, (1, 1, "prompt", "{chosen, rejected}")),
        (lines(PAIR | {"rejected": [NO]}), RowProblem.WRONG_TYPE, (1, 1, "rejected", "[1 value]")),
    ],
)  # fmt: skip
def test_what_refuses(data: bytes, problem: RowProblem, told: Any) -> None:
    assert check(data).is_refused and WORDINGS[problem].refuses
    assert found(data)[problem] == told


@pytest.mark.parametrize(
    ("data", "problem", "told"),
    [
        (b"\xef\xbb\xbf" + lines(CHAT[0]), RowProblem.BYTE_ORDER_MARK, (1, 1, "", "")),
        (lines(CHAT[0], CHAT[1]).replace(b"\n", b"\r\n"), RowProblem.CARRIAGE_RETURN, (2, 1, "", "")),
        (b"\n" + lines(CHAT[0]), RowProblem.BLANK_LINE, (1, 1, "", "")),
        (lines({"text": "a"}, {"text": "b"}, {"text": "a"}), RowProblem.DUPLICATE, (1, 3, "", '{"text": "a"}')),
        (lines(PAIR | {"rejected": "Because."}), RowProblem.EQUAL_PAIR, (1, 1, "rejected", "Because.")),
        (lines({"prompt": "", "completion": "a"}), RowProblem.EMPTY_MESSAGE, (1, 1, "prompt", '""')),
        (lines({"messages": [USER, USER, BECAUSE]}), RowProblem.ROLE_ORDER, (1, 1, "messages[1].role", "user")),
    ],
)
def test_what_is_warned_of(data: bytes, problem: RowProblem, told: Any) -> None:
    result = check(data)
    assert not result.is_refused and not WORDINGS[problem].refuses and result.rows
    assert found(data)[problem] == told


def test_of_a_packed_file_nothing_else_is_said() -> None:
    assert set(found(b"\x1f\x8b\x08\n\xff\n{}\n")) == {RowProblem.COMPRESSED}


def test_problems_are_counted_and_the_first_are_kept() -> None:
    result = check(lines(*[{"text": n} for n in range(100)]))
    assert [(each.count, len(each.examples)) for each in result.findings] == [(100, MOST_EXAMPLES)]


def test_a_line_without_end_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    data = lines({"text": "a"}) + b'{"text": "' + b"x" * (3 * LONGEST_LINE) + b'"}\n' + lines({"text": "b"})
    assert found(data)[RowProblem.LINE_TOO_LONG][:2] == (1, 2)
    assert check(data).rows == 2 and max(len(line.text) for line in read_lines(io.BytesIO(data), seen=len)) < 300


def test_a_value_is_shown_as_text_whatever_it_is() -> None:
    hostile = "<script>alert(1)</script>\u202e\x00"
    shown = found(lines({"messages": [{"role": hostile, "content": ""}]}))[RowProblem.UNKNOWN_ROLE][3]
    assert shown == "<script>alert(1)</script>��"
    sample = check(lines({"text": f"a{hostile}"})).samples[0]["turns"][0]["text"]
    assert "\x00" not in sample, "Postgres keeps no such text"


names = st.sampled_from(["role", "content", "messages", "type", "text"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=8,
)
fields = st.sampled_from(["messages", "prompt", "completion", "chosen", "rejected", "text", "role"])
rows = st.dictionaries(fields, values | st.just([USER, BECAUSE]), max_size=4).map(lambda row: json.dumps(row).encode())
files = st.lists(rows | st.binary(max_size=30), max_size=8).map(b"\n".join)


@given(data=files)
def test_any_bytes_are_checked_to_their_end(data: bytes) -> None:
    result = check(data)
    assert result.sha256 == hashlib.sha256(data).hexdigest() and result.size_bytes == len(data)
    assert result.is_refused or result.rows > 0
    assert result.lengths.rows == result.rows <= data.count(b"\n") + 1
    kept = json.loads(json.dumps([each.as_json() for each in result.findings] + result.samples))
    assert "\\u0000" not in json.dumps(kept)
    assert read_lengths(json.loads(json.dumps(result.lengths.as_json()))) == result.lengths
    for each in result.findings:
        assert each.count >= len(each.examples) > 0
