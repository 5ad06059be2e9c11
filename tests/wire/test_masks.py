"""Read masks and orders."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.masks import MaskError, OrderBy, apply_mask, parse_mask, parse_order

FIELDS: dict[str, Any] = {"name": {}, "createTime": {}, "snapshot": {"baseModel": {}, "scheme": {"pipeline": {}}}}
BODY = {"name": "n", "createTime": "t", "snapshot": {"baseModel": "b", "scheme": {"pipeline": 1}}}


@pytest.mark.parametrize(
    ("mask", "kept"),
    [
        ("", BODY),
        ("*", BODY),
        ("name", {"name": "n"}),
        ("name, createTime", {"name": "n", "createTime": "t"}),
        ("create_time", {"createTime": "t"}),
        ("snapshot.base_model", {"snapshot": {"baseModel": "b"}}),
        ("snapshot.baseModel,snapshot", {"snapshot": BODY["snapshot"]}),
        ("snapshot.scheme.pipeline", {"snapshot": {"scheme": {"pipeline": 1}}}),
    ],
)
def test_what_a_mask_keeps(mask: str, kept: dict[str, Any]) -> None:
    assert apply_mask(BODY, parse_mask(mask, FIELDS)) == kept


def test_what_is_null_stays_null_under_a_mask() -> None:
    assert apply_mask({"snapshot": None}, parse_mask("snapshot.baseModel", FIELDS)) == {"snapshot": None}


@pytest.mark.parametrize("mask", ["nme", "snapshot.nope", "name.first", ".", "name,,x", ",".join(["name"] * 51)])
def test_a_path_to_nowhere_is_refused(mask: str) -> None:
    with pytest.raises(MaskError):
        parse_mask(mask, FIELDS)


@given(st.text(max_size=60))
def test_hostile_masks_and_orders_are_refused_or_read(text: str) -> None:
    for read in (lambda: parse_mask(text, FIELDS), lambda: parse_order(text, ["name"])):
        try:
            read()
        except MaskError as error:
            assert str(error)


def test_orders() -> None:
    fields = ["create_time", "name"]
    assert parse_order("", fields) == ()
    assert parse_order("create_time desc, name", fields) == (OrderBy("create_time", True), OrderBy("name", False))
    assert parse_order("name asc", fields) == (OrderBy("name", False),)
    for wrong in ("size", "name down", "name desc extra", "name,", "name, name desc"):
        with pytest.raises(MaskError):
            parse_order(wrong, fields)
