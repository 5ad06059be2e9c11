"""The editor's form: what is written into it reads back, and what is wrong is said beside its input."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.enums import AcceleratorType, WeightPrecision
from catalog.fields.launch_fields import FieldType, LaunchField, common_fields
from catalog.fields.narrowing import NARROWED
from catalog.fields.recipe_fields import recipe_fields
from catalog.fields.snapshots import Snapshot
from catalog.labels import duration_label
from connections.providers.spec import ShardingScheme, TrainerMode
from publishing.content import Content, read_content, write_content
from publishing.pages.forms import label_of, narrowings, sections
from tests.makers import narrow_field

NAME, MODEL = "accounts/team-a/trainingShapes/own", "accounts/team-a/models/own-8b"
PLAIN = Snapshot(NAME, MODEL, TrainerMode.LORA_TRAINER, 32_768, 1, 1)

odd = st.text("a ,\"\\'", max_size=8)
UNSEEN: list[Literal["Cc", "Cf", "Cs", "Zl", "Zp"]] = ["Cc", "Cf", "Cs", "Zl", "Zp"]
words = (odd | st.text(st.characters(exclude_categories=UNSEEN), max_size=40)).map(str.strip)
known_words = words.filter(bool)
lines = st.text(st.characters(exclude_categories=UNSEEN, include_characters="\n\t"), max_size=40).map(str.strip)
tags = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", fullmatch=True)
counts = st.integers(1, 1024)
schemes = st.builds(ShardingScheme, counts, counts, counts, counts, st.booleans())
snapshots = st.builds(
    Snapshot,
    name=st.just(NAME),
    base_model=st.just(MODEL),
    trainer_mode=st.sampled_from(TrainerMode),
    max_supported_context_length=st.integers(1, 10**8),
    accelerator_count=st.integers(0, 1024),
    node_count=counts,
    display_name=words,
    description=lines,
    model_type=st.none() | known_words,
    parameter_count=st.none() | st.integers(1, 10**15),
    accelerator_type=st.none() | st.sampled_from(AcceleratorType),
    trainer_sharding_scheme=st.none() | schemes,
    base_model_weight_precision=st.none() | st.sampled_from(WeightPrecision),
    trainer_image_tag=st.none() | tags,
    deployment_shape_version=st.none() | known_words,
    deployment_image_tag=st.none() | tags,
)


@st.composite
def narrowed(draw: st.DrawFn, field: LaunchField) -> LaunchField:
    """The field as a publisher may have narrowed it."""
    change: dict[str, Any] = {"help": draw(lines.filter(bool))}
    if field.type in {FieldType.INTEGER, FieldType.DURATION, FieldType.NUMBER}:
        bounds = st.integers(int(field.minimum or 0), int(field.maximum or 0))
        if field.type is FieldType.NUMBER:
            bounds = st.floats(float(field.minimum or 0), float(field.maximum or 0))  # type: ignore[assignment]
        low, high = sorted((draw(bounds), draw(bounds)))
        written = duration_label if field.type is FieldType.DURATION else lambda value: value
        inside = st.sampled_from([low, high]).map(written)
        change |= {"minimum": low, "maximum": high, "default": draw(inside)}
        change["suggestions"] = tuple(dict.fromkeys(draw(st.lists(inside, max_size=3))))
        if draw(st.booleans()):
            change["choices"] = (change["default"],)
    elif field.type is FieldType.TEXT:
        allowed = st.from_regex(r"[A-Za-z0-9_-]{1,40}", fullmatch=True) if field.name == "region" else known_words
        change["choices"] = tuple(dict.fromkeys(["", *draw(st.lists(allowed, max_size=3))]))[1:]
        change["default"] = change["choices"][0] if change["choices"] else ""
    return narrow_field(field, change)


@st.composite
def versions(draw: st.DrawFn) -> tuple[Snapshot, tuple[LaunchField, ...]]:
    snapshot = draw(snapshots)
    offered = [field for field in common_fields(snapshot.trainer_mode) if draw(st.booleans())]
    return snapshot, tuple(draw(narrowed(field)) if draw(st.booleans()) else field for field in offered)


patient = settings(suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no bug


def read(values: dict[str, str]) -> Content:
    return read_content(values, name=NAME, base_model=MODEL)


def typed(**values: str) -> dict[str, str]:
    """The form of a plain version with other values; `__` stands for the dot."""
    given = {name.replace("__", "."): value for name, value in values.items()}
    return write_content(PLAIN, common_fields(PLAIN.trainer_mode)) | given


@patient
@given(versions(), lines)
def test_what_is_written_into_the_form_reads_back(version: tuple[Snapshot, tuple[LaunchField, ...]], note: str) -> None:
    snapshot, fields = version
    assert read(write_content(snapshot, fields, note)) == Content(snapshot, fields, note, ())


@patient
@given(st.dictionaries(st.sampled_from(sorted(typed())), st.text(max_size=30)))
def test_whatever_is_typed_is_read_or_refused_beside_its_input(values: dict[str, str]) -> None:
    given_values = typed() | values
    content = read(given_values)
    assert bool(content.violations) or content.snapshot is not None
    shown = [
        each.errors
        for section in sections(given_values, content.violations, base_model=MODEL)
        for each in section.inputs
    ]
    shown += [each.errors for field in narrowings(given_values, content.violations) for each in field.inputs]
    said = {sentence for errors in shown for sentence in errors}
    assert {violation.description for violation in content.violations} <= said


@pytest.mark.parametrize(
    ("context", "tokens"),
    [("256k", 262_144), ("200K", 204_800), ("125k", 125_000), ("262144", 262_144), ("262,144", 262_144), ("512", 512)],
)
def test_a_context_is_typed_as_it_is_shown(context: str, tokens: int) -> None:
    content = read(typed(max_supported_context_length=context))
    assert (content.violations, content.snapshot and content.snapshot.max_supported_context_length) == ((), tokens)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("trainer_mode", "NONSENSE", "'NONSENSE' is not known. Use one of POLICY_TRAINER"),
        (
            "max_supported_context_length",
            "128M",
            "'128M' is not a whole number. Use a size such as 256k, or a number of tokens: 1 to 100,000,000.",
        ),
        ("max_supported_context_length", "", "Context is missing. Fill it in."),
        ("node_count", "2000", "2000 is out of range. Use 1 to 1,024."),
        ("node_count", "-3", "-3 is out of range. Use 1 to 1,024."),
        ("node_count", "9" * 400, "is not a whole number"),
        ("trainer_image_tag", "bad tag:x", "'bad tag:x' cannot be used. Use letters, digits, _, . and -"),
        ("trainer_image_tag", "x" * 129, "It has 129 characters; the limit is 128. Shorten it by 1."),
        ("deployment_image_tag", ".5", "'.5' cannot be used. Use letters, digits, _, . and -"),
        ("display_name", "x" * 64, "It has 64 characters; the limit is 63. Shorten it by 1."),
        ("display_name", "a\0b", "It holds a control character"),
        ("display_name", "Good\u202egnp.exe", "an invisible one or a line break. Remove it."),
        ("model_type", "a\nb", "an invisible one or a line break. Remove it."),
        ("description", "a\u200bb", "It holds a control character or an invisible one. Remove it."),
        ("launch_fields.region.help", "a\u200bb", "It holds a control character or an invisible one. Remove it."),
        ("accelerator_type", "NVIDIA_X", "is not known"),
        ("launch_fields.lora_rank.maximum", "129", "Maximum 129 is above the common maximum 128. Use 0 to 128."),
        ("launch_fields.lora_rank.default", "big", "'big' is not a whole number"),
        ("launch_fields.lora_rank.default", "1000", "Default 1000 is above the common maximum 128. Use 0 to 128."),
        ("launch_fields.lora_rank.minimum", "-3", "Minimum -3 is below the common minimum 0. Use 0 to 128."),
        ("launch_fields.lora_rank.minimum", "17", "Default 16 is below the minimum 17."),
        ("launch_fields.learning_rate.default", "nan", "'nan' is not a number"),
        ("launch_fields.learning_rate.choices", "1e-3, x", "'x' is not a number"),
        ("launch_fields.inactivity_timeout.maximum", "4h", "Maximum 4h is above the common maximum 3h. Use 1m to 3h."),
        ("launch_fields.inactivity_timeout.default", "soon", "'soon' is not a duration"),
        ("launch_fields.region.help", "x" * 501, "the limit is 500. Shorten it by 1."),
        ("launch_fields.lora_rank.suggestions", ",".join(map(str, range(65))), "65 values are too many"),
        ("launch_fields.region.default", "far away!", "'far away!' is not a region. Use letters, digits, _ and -"),
        (
            "launch_fields.display_name.choices",
            "a, a\u200bb",
            "Choices: It holds a control character, an invisible one",
        ),
        ("launch_fields.display_name.minimum", "3", "Default: It has 0 characters; at least 3 are needed."),
    ],
)
def test_each_refusal_names_value_limit_and_remedy(name: str, value: str, sentence: str) -> None:
    violations = read(typed() | {name: value}).violations
    assert len(violations) == 1
    assert sentence in violations[0].description


def test_everything_wrong_is_told_at_once() -> None:
    content = read(
        typed(
            node_count="-3",
            display_name="x" * 64,
            deployment_shape_version="foo",
            trainer_sharding_scheme__context_parallelism="3",
            launch_fields__lora_rank__suggestions="x",
            launch_fields__lora_rank__maximum="500",
            launch_fields__lora_rank__default="1000",
        )
    )
    assert {found.field for found in content.violations} == {
        "node_count",
        "display_name",
        "launch_fields.lora_rank.suggestions",
        "launch_fields.lora_rank.maximum",
        "launch_fields.lora_rank.default",
    }
    told = {found.field: found.description for found in content.problems}
    assert set(told) == {"max_supported_context_length", "deployment_shape_version"}, "nodes are not known"
    assert "context parallelism 3" in told["max_supported_context_length"]


def test_a_default_that_cannot_be_read_is_not_taken_for_the_common_one() -> None:
    values = typed(launch_fields__lora_rank__minimum="17", launch_fields__lora_rank__default="big")
    assert [found.field for found in read(values).violations] == ["launch_fields.lora_rank.default"]


def test_the_mode_decides_which_fields_are_read() -> None:
    fields = read(typed(trainer_mode="FORWARD_ONLY")).fields
    assert [field.name for field in fields] == [field.name for field in common_fields(TrainerMode.FORWARD_ONLY)]
    hidden = {field.name: field.absent for field in narrowings(typed(), ()) if field.absent}
    assert set(hidden) == {"lora_rank", "learning_rate", *recipe_fields()}
    assert set(hidden["lora_rank"]) == {TrainerMode.POLICY_TRAINER, TrainerMode.FORWARD_ONLY}


def test_a_box_that_is_not_ticked_drops_the_field_and_blank_is_the_common_value() -> None:
    values = typed(launch_fields__lora_rank__maximum="", launch_fields__lora_rank__suggestions="")
    del values["launch_fields.region"]
    content = read(values)
    common = {field.name: field for field in common_fields(TrainerMode.LORA_TRAINER)}
    rank = next(field for field in content.fields if field.name == "lora_rank")
    assert rank == replace(common["lora_rank"], suggestions=())
    assert "region" not in {field.name for field in content.fields}


def test_parameters_of_recipes_are_narrowed_and_nothing_is_kept_of_the_others() -> None:
    content = read(
        typed(**{"launch_fields__recipe__epochs__maximum": "4", "launch_fields__recipe__epochs__default": "2"})
    )
    epochs = replace(recipe_fields()["recipe.epochs"], maximum=4, default=2)
    assert content.fields == (*common_fields(TrainerMode.LORA_TRAINER), epochs)
    assert read(write_content(PLAIN, content.fields)) == content
    wide = read(typed(launch_fields__recipe__epochs__maximum="101", launch_fields__recipe__seed__default="a lot"))
    assert [found.field for found in wide.violations] == [
        "launch_fields.recipe.epochs.maximum", "launch_fields.recipe.seed.default",
    ]  # fmt: skip
    assert wide.fields == common_fields(TrainerMode.LORA_TRAINER)
    assert label_of("launch_fields.recipe.epochs.maximum") == "Epochs (recipe), at most"


def test_suggestions_that_the_limits_exclude_are_left_out() -> None:
    rank = next(f for f in read(typed(launch_fields__lora_rank__maximum="32")).fields if f.name == "lora_rank")
    assert rank.suggestions == (8, 16, 32)


def test_a_version_at_every_limit_can_be_revised_and_keeps_the_lines_of_its_help() -> None:
    rank = replace(common_fields(PLAIN.trainer_mode)[1], help="line\n" * 99 + "four", suggestions=tuple(range(64)))
    written = write_content(PLAIN, [rank])
    assert read(written) == Content(PLAIN, (rank,), "", ())
    sent = {name: value.replace("\n", "\r\n") for name, value in written.items()}  # as browsers do
    assert read(sent).fields == (rank,)


def test_figures_may_have_separators_and_degrees_may_be_left_out() -> None:
    content = read(typed(max_supported_context_length="131,072", trainer_sharding_scheme__context_parallelism="4"))
    assert content.snapshot
    assert content.snapshot.max_supported_context_length == 131_072
    assert content.snapshot.trainer_sharding_scheme == ShardingScheme(context_parallelism=4)


def test_every_part_that_may_be_narrowed_has_an_input() -> None:
    rank = next(field for field in narrowings(typed(), ()) if field.name == "lora_rank")
    assert {each.name.rpartition(".")[2] for each in rank.inputs} == set(NARROWED)
