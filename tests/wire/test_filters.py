"""The filter of lists: what it reads, what it refuses and where, and that it takes anything without breaking."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.filter_text import write_filter
from wire.filters import (
    FREE_TEXT,
    OPERATORS,
    Comparison,
    FilterError,
    FilterField,
    FilterKind,
    parse_filter,
)

FIELDS = {
    "latest_validated": FilterField(FilterKind.BOOLEAN),
    "snapshot.base_model": FilterField(FilterKind.TEXT),
    "snapshot.parameter_count": FilterField(FilterKind.WHOLE),
    "snapshot.trainer_mode": FilterField(FilterKind.CHOICE, ("POLICY_TRAINER", "LORA_TRAINER")),
    "create_time": FilterField(FilterKind.TIME),
}
VALUES = {
    FilterKind.BOOLEAN: st.booleans(),
    FilterKind.TEXT: st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60),
    FilterKind.WHOLE: st.integers(-(2**63) + 1, 2**63 - 1),
    FilterKind.CHOICE: st.sampled_from(["POLICY_TRAINER", "LORA_TRAINER"]),
    FilterKind.TIME: st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)),
}
COMPARISONS = st.sampled_from(sorted(FIELDS)).flatmap(
    lambda name: st.builds(
        Comparison, st.just(name), st.sampled_from(OPERATORS[FIELDS[name].kind]), VALUES[FIELDS[name].kind]
    )
)


@given(st.lists(COMPARISONS, min_size=1, max_size=6).map(tuple))
def test_what_is_written_reads_the_same(comparisons: tuple[Comparison, ...]) -> None:
    assert parse_filter(write_filter(comparisons), FIELDS) == comparisons


@given(VALUES[FilterKind.TEXT], st.lists(COMPARISONS, max_size=2))
def test_a_text_by_itself_reads_the_same_where_the_list_has_it(text: str, others: list[Comparison]) -> None:
    asked = (*others, Comparison(FREE_TEXT, ":", text), *others)
    assert parse_filter(write_filter(asked), {**FIELDS, FREE_TEXT: FilterField(FilterKind.TEXT)}) == asked
    with pytest.raises(FilterError, match="cannot be searched for here"):
        parse_filter(write_filter(asked), FIELDS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        ("latest_validated=true", (("latest_validated", "=", True),)),
        (
            "snapshot.parameter_count>=7 AND snapshot.parameter_count<=9",
            (("snapshot.parameter_count", ">=", 7), ("snapshot.parameter_count", "<=", 9)),
        ),
        ('snapshot.trainer_mode = "LORA_TRAINER"', (("snapshot.trainer_mode", "=", "LORA_TRAINER"),)),
        ("snapshot.trainer_mode!=LORA_TRAINER", (("snapshot.trainer_mode", "!=", "LORA_TRAINER"),)),
        (
            "snapshot.base_model:'qwen' AND latest_validated=\"true\"",
            (("snapshot.base_model", ":", "qwen"), ("latest_validated", "=", True)),
        ),
        (r'snapshot.base_model="a\"b\\"', (("snapshot.base_model", "=", 'a"b\\'),)),
    ],
)
def test_what_clients_send(text: str, expected: tuple[tuple[str, str, object], ...]) -> None:
    assert tuple((c.field, c.operator, c.value) for c in parse_filter(text, FIELDS)) == expected


@pytest.mark.parametrize(
    ("text", "column", "sentence"),
    [
        ("latest_validated", 17, "Expected an operator, found the end"),
        ("latest_validated=", 18, "Expected a value, found the end"),
        ("latest_validated=true OR latest_validated=false", 23, "Expected AND, found 'OR'"),
        ("latest_validated=yes", 18, "'yes' is not true or false"),
        ("latest_validated>true", 17, "cannot be compared by >; use = !="),
        ("state=DRAFT", 1, "'state' is no field to filter by; use create_time, latest_validated"),
        ("snapshot.trainer_mode=X", 23, "'X' is not one of POLICY_TRAINER, LORA_TRAINER"),
        ("snapshot.parameter_count>=7.5", 27, "'7.5' is not a whole number"),
        ("snapshot.parameter_count=99999999999999999999", 26, "is not a whole number"),
        ("create_time>yesterday", 13, "is not an RFC 3339 time"),
        ('create_time>"2026-01-01T00:00:00"', 13, "is not an RFC 3339 time"),
        (r'snapshot.base_model="a\n"', 21, "is no escape"),
        ("(latest_validated=true)", 1, "'(' cannot stand here"),
        ('snapshot.base_model="open', 21, "cannot stand here"),
        ("latest_validated=true AND", 26, "Expected a field, found the end"),
        ("a" * 2001, 2001, "the limit is 2000"),
        (" AND ".join(["latest_validated=true"] * 21), 521, "There are 21 comparisons; the limit is 20"),
    ],
)
def test_what_is_wrong_and_where(text: str, column: int, sentence: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse_filter(text, FIELDS)
    assert (caught.value.column, sentence in str(caught.value)) == (column, True), str(caught.value)
    assert f"(at character {column})" in str(caught.value)


@given(
    st.text(max_size=80)
    | st.lists(
        st.sampled_from([*FIELDS, "AND", "=", ":", ">=", '"', "'", "\\", "(", "true", "7", " ", "\0", "\ud800"])
    ).map("".join)
)
def test_anything_else_is_refused_with_a_place(text: str) -> None:
    try:
        parse_filter(text, FIELDS)
    except FilterError as error:
        assert 1 <= error.column <= len(text) + 1
