"""What a publisher may make of a launch field: never what its users' form would refuse, and written exactly."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.fields.launch_fields import LaunchField, common_fields
from catalog.fields.narrowing import Widened, problems_of_fields
from catalog.fields.texts import limits_text, part_text
from catalog.fields.values import UnfitValue, read_value
from catalog.files.problems import DocumentError
from catalog.files.reader import read_document
from catalog.labels import value_label
from connections.providers.spec import TrainerMode
from tests.makers import narrow_field

LORA = {field.name: field for field in common_fields(TrainerMode.LORA_TRAINER)}
FILE = """
account: team-a
models:
  - model: accounts/team-a/models/small
    title: Small
    family: Own
    shapes:
      - id: own
        trainer_mode: LORA_TRAINER
        max_supported_context_length: 8192
        gpus: 2
        launch_fields: {launch_fields}
"""


def narrowed(name: str, **change: Any) -> LaunchField:
    return narrow_field(LORA[name], change)


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("region", {"default": "far away!"}, "default: 'far away!' is not a region. Use letters, digits, _ and -"),
    ("region", {"choices": ["here", "far away!"], "default": "here"}, "choices: 'far away!' is not a region"),
    ("display_name", {"default": "a\nb"}, "default: It holds a control character, an invisible one or a line break"),
    ("display_name", {"default": "x" * 64}, "default: It has 64 characters; the limit is 63. Shorten it by 1"),
    ("display_name", {"default": " ab ", "minimum": 3}, "default: It has 2 characters; at least 3 are needed"),
    ("display_name", {"default": 7}, "default: '7' is not a text"),
    ("lora_rank", {"maximum": 32, "choices": [16, 64]}, "choices: 64 is above the maximum 32"),
    ("lora_rank", {"minimum": 17}, "default 16 is below the minimum 17"),
]


@pytest.mark.parametrize(("name", "change", "sentence"), REFUSED)
def test_what_the_launch_form_would_refuse_is_no_default_and_no_choice(
    name: str, change: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(Widened) as refusal:
        narrowed(name, **change)
    assert refusal.value.sentence.startswith(sentence)


def test_the_checks_of_a_version_and_a_file_refuse_it_too() -> None:
    bad = LaunchField.from_json(LORA["region"].as_json() | {"default": "far away!"})
    (found,) = problems_of_fields(TrainerMode.LORA_TRAINER, [LORA["display_name"], bad])
    assert found.field == "launch_fields.region.default"
    assert "'far away!' is not a region" in found.description
    with pytest.raises(DocumentError, match=r"launch_fields\.region\.default: .*'far away!' is not a region"):
        read_document(FILE.replace("{launch_fields}", '{region: {default: "far away!"}}'), source="own.yaml")


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers())
def test_a_figure_reads_back_to_itself(figure: float) -> None:
    assert type(figure)(value_label(figure)) == figure


def test_figures_are_as_short_as_they_may_be() -> None:
    assert [value_label(figure) for figure in (1e-5, 1.0, 1.23456789e-4, 2_000_000, 0)] == [
        "1e-05",
        "1",
        "0.000123456789",
        "2000000",
        "0",
    ]


def test_lists_and_limits_are_told_apart() -> None:
    assert part_text(narrowed("display_name", choices=["a, b"], default="a, b"), "choices") == '"a, b"'
    assert part_text(narrowed("display_name", choices=["a", "b"], default="a"), "choices") == "a, b"
    assert limits_text(narrowed("display_name", minimum=3, default="abc")) == "3 to 63 characters"
    assert limits_text(LORA["display_name"]) == "up to 63 characters"
    assert limits_text(narrowed("lora_rank", minimum=16, maximum=16)) == "only 16"
    assert limits_text(LORA["inactivity_timeout"]) == "1m to 3h"


def test_a_limit_can_be_typed_as_it_is_shown() -> None:
    large = replace(LORA["lora_rank"], maximum=1_000_000)
    assert limits_text(large, "steps") == "0 to 1,000,000 steps"
    assert read_value(large, "1,000,000") == 1_000_000
    with pytest.raises(UnfitValue, match=r"'1,00' is not a whole number\. Use 0 to 1,000,000;"):
        read_value(large, "1,00")
