"""Resource names: what is written reads back as it was, and whatever else is read is no name."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wire import names
from wire.names import (
    ID_PATTERN,
    is_id,
    is_version_id,
    job_name,
    model_name,
    new_version_id,
    parse_model_name,
    parse_shape_name,
    parse_version_name,
    shape_name,
    version_name,
)

IDS = st.from_regex(ID_PATTERN, fullmatch=True) | st.sampled_from(["accounts", "versions", "models", "latest"])
"""Words that names are made of are ids, too."""
VERSION_IDS = st.from_regex("[a-z0-9]{8}", fullmatch=True)
PIECES = ["accounts", "trainingShapes", "models", "versions", "rlorTrainerJobs", "latest", "-", "", "a"]
HOSTILE = st.sampled_from(
    [*PIECES, "A", "a_b", "-a", "a-", "a" * 64, "..", "a\n", "a\0", "é", "٣", "\uff41", " a", "%2f"]
)
TEXTS = st.text(max_size=80) | st.lists(HOSTILE | IDS, max_size=8).map("/".join)
"""Anything, and what is nearly a name."""
HOLES = ("\n", "\0", "/", " ", "%", "A", "_", "é", "٣", "\uff41", "\u200b", "\ud800")
"""What no id holds, at whatever place."""


@given(IDS)
@example("a")
@example("0")
@example("a" * 63)
def test_an_id_is_1_to_63_characters_of_its_alphabet(text: str) -> None:
    assert is_id(text)
    assert 1 <= len(text) <= 63
    assert set(text) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert "-" not in (text[0], text[-1])


@given(IDS, st.sampled_from(HOLES), st.data())
def test_nothing_else_is_an_id(text: str, hole: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(text)))
    assert not is_id(text[:place] + hole + text[place:])
    assert not is_id(text.ljust(64, "a"))
    assert not is_id(f"-{text}")
    assert not is_id(f"{text}-")
    assert not is_id("")


@given(VERSION_IDS, st.sampled_from((*HOLES, "-", "a")), st.data())
def test_a_version_id_is_eight_letters_and_digits(text: str, hole: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(text)))
    assert is_version_id(text)
    assert is_version_id(new_version_id())
    assert not is_version_id(text[:place] + hole + text[place:])
    assert not is_version_id(text[:place] + text[place + 1 :] + ("-" if place < 8 else "a"))


@given(IDS, IDS, VERSION_IDS)
def test_what_is_written_reads_back(account: str, other: str, version: str) -> None:
    assert parse_model_name(model_name(account, other)) == (account, other)
    assert parse_shape_name(shape_name(account, other)) == (account, other)
    assert parse_shape_name(f"{account}/{other}") == (account, other)
    assert parse_version_name(version_name(account, other, version)) == (account, other, version)
    assert parse_version_name(version_name(account, other, "latest")) == (account, other, "")
    assert parse_version_name(shape_name(account, other)) == (account, other, "")


@given(IDS, IDS, VERSION_IDS)
def test_a_name_is_of_one_kind_only(account: str, other: str, version: str) -> None:
    model, shape = model_name(account, other), shape_name(account, other)
    pinned, job = version_name(account, other, version), job_name(account, other)
    assert {parse_model_name(name) for name in (shape, pinned, job)} == {None}
    assert {parse_shape_name(name) for name in (model, pinned, job)} == {None}
    assert {parse_version_name(name) for name in (model, job)} == {None}


@given(IDS, IDS, VERSION_IDS, st.sampled_from(HOLES), st.data())
def test_a_hole_anywhere_makes_it_no_name(
    account: str, other: str, version: str, hole: str, data: st.DataObject
) -> None:
    for parse, name in (
        (parse_model_name, model_name(account, other)),
        (parse_shape_name, shape_name(account, other)),
        (parse_version_name, version_name(account, other, version)),
    ):
        place = data.draw(st.integers(0, len(name)))
        assert parse(name[:place] + hole + name[place:]) is None


@pytest.mark.parametrize(
    ("parse", "forms"),
    [
        (parse_model_name, ["accounts/ID/models/ID"]),
        (parse_shape_name, ["accounts/ID/trainingShapes/ID", "ID/ID"]),
        (
            parse_version_name,
            [
                shape + version
                for shape in ("accounts/ID/trainingShapes/ID", "ID/ID")
                for version in ("", "/versions/V")
            ],
        ),
    ],
)
def test_what_is_read_has_the_form_of_a_name(parse: Callable[[str], tuple[str, ...] | None], forms: list[str]) -> None:
    patterns = [form.replace("ID", f"({ID_PATTERN})").replace("V", "([a-z0-9]{8}|latest)") for form in forms]

    @given(TEXTS)
    @example("accounts/a/trainingShapes/a/versions/")
    @example("accounts/a/trainingShapes/a/versions/latest/versions/latest")
    @example("accounts/a/trainingShapes/a/versions/LATEST")
    @example("accounts/-/trainingShapes/-")
    @example("accounts/a/models/a\n")
    @example("/a/a")
    @example("")
    def has_the_form(text: str) -> None:
        found = parse(text)
        fitting = next((match for pattern in patterns if (match := re.fullmatch(pattern, text))), None)
        assert (found is not None) == (fitting is not None)
        if found and fitting:
            said = [part for place, part in enumerate(fitting.groups()) if (place, part) != (2, "latest")]
            assert [part for part in found if part] == said

    has_the_form()


RULE = "use 1 to 63 characters of a-z, 0-9 and hyphen, starting and ending with a letter or digit"


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("Qwen3.5-9B", "qwen3p5-9b"),
        ("Llama 3.3 70B", "llama-3p3-70b"),
        ("a_b", "a-b"),
        ("-x-", "x"),
        ("a" * 64, "a" * 63),
        ("v1.", "v1"),
        ("...", ""),
        ("", ""),
        ("\u0430dmin", "dmin"),
    ],
)
def test_a_refused_id_is_told_the_rule_and_an_id_that_is_near(text: str, near: str) -> None:
    told = names.refuse_id(text, what="model id")
    assert told == f"{text[:70]!r} is no model id; {RULE}" + (f", such as {near}" if near else "")
    assert not near or names.is_id(near)


@given(st.text() | st.from_regex(r"[a-zA-Z0-9._-]{1,80}", fullmatch=True))
def test_what_is_suggested_is_always_an_id_and_not_what_was_refused(text: str) -> None:
    near = names.near_id(text)
    assert near == "" or names.is_id(near)
    assert (names.refuse_id(text) == "") == names.is_id(text)
    assert names.is_id(text) or near != text or not text


@pytest.mark.parametrize(
    ("name", "form", "told"),
    [
        ("accounts/a/models/m", names.MODEL_FORM, ""),
        (
            "accounts/a/models/Qwen3.5-9B",
            names.MODEL_FORM,
            "'accounts/a/models/Qwen3.5-9B' is no resource name: 'Qwen3.5-9B' is no model id; "
            f"{RULE}, such as qwen3p5-9b",
        ),
        (
            "accounts/Team_A/models/m",
            names.MODEL_FORM,
            f"'accounts/Team_A/models/m' is no resource name: 'Team_A' is no account id; {RULE}, such as team-a",
        ),
        (
            "Qwen/Qwen3.5-9B",
            names.MODEL_FORM,
            "'Qwen/Qwen3.5-9B' is no resource name; use accounts/ACCOUNT/models/MODEL, in which for each id " + RULE,
        ),
        (
            "accounts/a/trainingShapes/s/versions/LATEST",
            names.VERSION_FORM,
            "'accounts/a/trainingShapes/s/versions/LATEST' is no resource name: 'LATEST' is no version id; use its 8 "
            "characters of a-z and 0-9",
        ),
        ("accounts/a/deploymentShapes/s/versions/abcd1234", names.DEPLOYMENT_VERSION_FORM, ""),
    ],
)
def test_a_refused_name_says_which_of_its_ids_is_to_blame(name: str, form: str, told: str) -> None:
    assert names.refuse_name(name, form) == told
