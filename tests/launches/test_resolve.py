"""`resolve`: the complete spec, or every violation at once."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.enums import AcceleratorType
from catalog.fields.launch_fields import FieldType, LaunchField, common_fields
from catalog.fields.narrowing import Widened
from catalog.fields.snapshots import Snapshot
from catalog.labels import duration_label
from connections.providers.spec import ShardingScheme, TrainerMode, TrainerSpec
from launches.resolve import OWNED_BY_SHAPE, Subject, resolve
from tests.makers import narrow_field

SHAPE = "accounts/local/trainingShapes/tiny"


def make_subject(mode: TrainerMode = TrainerMode.LORA_TRAINER, **facts: Any) -> Subject:
    snapshot = Snapshot(
        **{
            "name": SHAPE,
            "base_model": "accounts/local/models/tiny",
            "trainer_mode": mode,
            "max_supported_context_length": 2048,
            "accelerator_count": 4,
            "node_count": 2,
            "accelerator_type": AcceleratorType.NVIDIA_B200_180GB,
            "trainer_image_tag": "0.383.0",
            "trainer_sharding_scheme": ShardingScheme(context_parallelism=4),
            **facts,
        }
    )
    models = ("accounts/local/models/tiny", "accounts/team-a/models/tuned-tiny")
    serving = replace(snapshot, trainer_mode=None, trainer_sharding_scheme=None)
    return Subject(f"{SHAPE}/versions/abcd1234", snapshot, common_fields(mode), models, serving=serving)


def violations_of(subject: Subject, inputs: dict[str, Any], **options: Any) -> dict[str, str]:
    found = resolve(subject, inputs, **options)
    assert not isinstance(found, TrainerSpec), f"accepted: {found}"
    return {violation.field: violation.description for violation in found}


def test_defaults_give_a_complete_spec() -> None:
    subject = make_subject()
    spec = resolve(subject, {})
    assert isinstance(spec, TrainerSpec)
    assert spec.base_model == "accounts/local/models/tiny"
    assert (spec.lora_rank, spec.learning_rate, spec.trainer_replica_count) == (16, 1e-5, 1)
    assert (spec.deployment_replica_count, spec.inactivity_timeout_seconds) == (0, 3600)
    assert spec.trainer_gpus == 8


@st.composite
def narrowed_fields(draw: st.DrawFn) -> LaunchField:
    """A field with a change that its publisher may make, as wild as they come."""
    field = draw(st.sampled_from(common_fields(TrainerMode.LORA_TRAINER)))
    values: st.SearchStrategy[Any] = {
        FieldType.TEXT: st.text(max_size=70),
        FieldType.DURATION: st.sampled_from(["30m", "1H", "1 h", "90s", "0s", ""]),
        FieldType.NUMBER: st.floats() | st.integers(0, 2),
    }.get(field.type, st.integers(-1, 200) | st.booleans())
    change = {
        "default": values,
        "choices": st.lists(values, max_size=3).map(tuple),
        "minimum": st.none() | st.integers(-1, 200),
        "maximum": st.none() | st.integers(-1, 20_000) | st.floats(0, 2),
    }
    for part in draw(st.lists(st.sampled_from(sorted(change)), min_size=1, max_size=5)):
        with suppress(Widened):
            field = narrow_field(field, {part: draw(change[part])})
    return field


@given(narrowed_fields())
def test_every_default_and_choice_that_a_publisher_may_set_is_taken(field: LaunchField) -> None:
    subject = replace(make_subject(), fields=(field,))
    assert isinstance(resolve(subject, {}), TrainerSpec)
    for choice in field.choices:
        assert isinstance(resolve(subject, {field.name: choice}), TrainerSpec)


def test_a_text_shorter_than_the_publisher_wants_is_refused() -> None:
    name = next(field for field in common_fields(TrainerMode.LORA_TRAINER) if field.name == "display_name")
    subject = replace(make_subject(), fields=(narrow_field(name, {"minimum": 5, "default": "my run"}),))
    found = violations_of(subject, {"display_name": " abc "})
    assert found == {"display_name": "It has 3 characters; at least 5 are needed. Write a longer one."}
    assert isinstance(resolve(subject, {"display_name": ""}), TrainerSpec), "the default is long enough"


def test_what_the_shape_owns_is_copied_whole() -> None:
    spec = resolve(make_subject(), {"lora_rank": "8"})
    assert isinstance(spec, TrainerSpec)
    assert (spec.accelerator_type, spec.accelerator_count, spec.node_count) == ("NVIDIA_B200_180GB", 4, 2)
    assert (spec.max_context_length, spec.trainer_image_tag) == (2048, "0.383.0")
    assert spec.trainer_sharding_scheme == ShardingScheme(context_parallelism=4)
    assert spec.training_shape_version == f"{SHAPE}/versions/abcd1234"


def test_a_recorded_spec_reads_back_the_same() -> None:
    spec = resolve(make_subject(), {"learning_rate": "3e-4"})
    assert isinstance(spec, TrainerSpec)
    assert TrainerSpec.from_json(spec.as_json()) == spec


@pytest.mark.parametrize(
    ("field", "given", "says"),
    [
        ("lora_rank", "129", "above the limit of 128"),
        ("lora_rank", "-1", "below the limit of 0"),
        ("lora_rank", "8.5", "not a whole number"),
        ("learning_rate", "0", "below the limit of 1e-09"),
        ("learning_rate", "1e9", "above the limit of 1"),
        ("learning_rate", "NaN", "not a number"),
        ("learning_rate", "inf", "not a number"),
        ("learning_rate", "1_0", "not a number"),
        ("display_name", "x" * 64, "has 64 characters; the limit is 63"),
        ("display_name", "a\nb", "control character"),
        ("trainer_replica_count", "0", "below the limit of 1"),
        ("trainer_replica_count", "-3", "below the limit of 1"),
        ("trainer_replica_count", "99999999999999", "above the limit of 64"),
        ("deployment_replica_count", "-1", "below the limit of 0"),
        ("region", "a b", "not a region"),
        ("inactivity_timeout", "3h1s", "above the limit of 3h"),
        ("inactivity_timeout", "59s", "below the limit of 1m"),
        ("inactivity_timeout", "60", "not a duration"),
        ("base_model", "accounts/fireworks/models/qwen3-8b", "does not fit this shape"),
        ("recipe", "nope", "not a recipe here"),
    ],
)
def test_a_bad_value_is_refused_with_its_limit_and_a_remedy(field: str, given: str, says: str) -> None:
    found = violations_of(make_subject(), {field: given})
    assert list(found) == [field]
    assert says in found[field]
    assert any(word in found[field] for word in ("Use ", "use ", "Shorten", "Remove")), "no remedy"


@pytest.mark.parametrize(
    ("field", "given", "says"),
    [
        ("lora_rank", "\u0661\u0666", "not a whole number"),
        ("trainer_replica_count", "\uff11", "not a whole number"),
        ("learning_rate", "\u0661e-5", "not a number"),
        ("inactivity_timeout", "\u0663\u0660m", "not a duration"),
        ("display_name", "a\u202eb", "an invisible one"),
        ("display_name", "a\u0085b", "an invisible one"),
        ("display_name", "a\u200bb", "an invisible one"),
        ("display_name", "a\u2028b", "an invisible one"),
    ],
)
def test_only_plain_figures_and_letters_that_can_be_seen_are_taken(field: str, given: str, says: str) -> None:
    found = violations_of(make_subject(), {field: given})
    assert list(found) == [field]
    assert says in found[field]


def test_letters_of_any_language_make_a_display_name() -> None:
    spec = resolve(make_subject(), {"display_name": "r\u00e9sum\u00e9 \u8a13\u7df4 \U0001f680"})
    assert isinstance(spec, TrainerSpec)
    assert spec.display_name == "r\u00e9sum\u00e9 \u8a13\u7df4 \U0001f680"


LONG = "9" * 5_000
FIELD_NAMES = [field.name for field in common_fields(TrainerMode.LORA_TRAINER)]


@pytest.mark.parametrize("name", [*FIELD_NAMES, "recipe", "x" * 5_000])
@pytest.mark.parametrize("value", [LONG, "0." + LONG, "0" * 5_000 + ".0", "-" + LONG, "x" * 5_000])
def test_a_sentence_repeats_no_more_than_sixty_characters(name: str, value: str) -> None:
    found = resolve(make_subject(), {name: value})
    if isinstance(found, TrainerSpec):
        assert found.learning_rate == pytest.approx(0.9999999)
        return
    assert len(found) == 1
    assert len(found[0].field) <= 60
    assert len(found[0].description) < 400
    assert "9" * 61 not in found[0].description


def test_a_name_is_told_with_what_cannot_be_seen_in_it() -> None:
    assert "a\\u202eb is not a field" in violations_of(make_subject(), {"a\u202eb": "1"})["a\u202eb"]


def test_of_many_foreign_names_twenty_are_told_and_the_rest_counted() -> None:
    found = resolve(make_subject(), {f"extra{number}": "1" for number in range(51)} | {"lora_rank": "x"})
    assert not isinstance(found, TrainerSpec)
    assert [violation.field for violation in found] == [
        *(f"extra{number}" for number in range(20)),
        "inputs",
        "lora_rank",
    ]
    assert found[20].description.startswith("and 31 more")


@pytest.mark.parametrize("name", sorted(OWNED_BY_SHAPE))
def test_what_the_shape_owns_is_refused_by_name(name: str) -> None:
    assert "owned by the shape" in violations_of(make_subject(), {name: "1"})[name]


def test_an_unknown_field_is_refused_and_the_known_ones_are_named() -> None:
    assert "The fields are base_model" in violations_of(make_subject(), {"gradient_steps": "4"})["gradient_steps"]


def test_all_violations_come_at_once() -> None:
    inputs = {"lora_rank": "x", "learning_rate": "0", "node_count": "9", "bogus": "1", "display_name": "y" * 70}
    assert set(violations_of(make_subject(), inputs)) == set(inputs)


def test_a_rank_needs_a_lora_shape_but_zero_is_full_parameter() -> None:
    subject = make_subject(TrainerMode.POLICY_TRAINER)
    assert "needs a LoRA shape" in violations_of(subject, {"lora_rank": "8"})["lora_rank"]
    spec = resolve(subject, {"lora_rank": "0"})
    assert isinstance(spec, TrainerSpec)
    assert spec.lora_rank == 0


def test_a_forward_only_shape_has_no_learning_rate() -> None:
    subject = make_subject(TrainerMode.FORWARD_ONLY)
    assert "no optimizer" in violations_of(subject, {"learning_rate": "1e-5"})["learning_rate"]
    spec = resolve(subject, {})
    assert isinstance(spec, TrainerSpec)
    assert spec.learning_rate is None


def test_another_model_that_the_shape_fits_is_accepted() -> None:
    spec = resolve(make_subject(), {"base_model": "accounts/team-a/models/tuned-tiny"})
    assert isinstance(spec, TrainerSpec)
    assert spec.base_model == "accounts/team-a/models/tuned-tiny"


def test_the_first_recipe_is_the_default() -> None:
    spec = resolve(make_subject(), {}, recipes=("sample-sft", "none"))
    assert isinstance(spec, TrainerSpec)
    assert spec.recipe == "sample-sft"


VALUES = st.one_of(st.none(), st.text(max_size=80), st.integers(), st.floats(), st.booleans(), st.lists(st.integers()))
NAMES = st.one_of(
    st.sampled_from([field.name for field in common_fields(TrainerMode.LORA_TRAINER)] + sorted(OWNED_BY_SHAPE)),
    st.text(max_size=20),
)


@given(mode=st.sampled_from(TrainerMode), inputs=st.dictionaries(NAMES, VALUES, max_size=8))
def test_whatever_is_typed_the_shape_keeps_what_it_owns(mode: TrainerMode, inputs: dict[str, Any]) -> None:
    subject = make_subject(mode)
    found = resolve(subject, inputs)
    if isinstance(found, TrainerSpec):
        assert not OWNED_BY_SHAPE & inputs.keys()
        assert (found.accelerator_count, found.node_count, found.max_context_length) == (4, 2, 2048)
        assert 1 <= found.trainer_replica_count <= 64
        assert 60 <= found.inactivity_timeout_seconds <= 10_800
        assert (found.lora_rank > 0) <= (mode is TrainerMode.LORA_TRAINER)
        assert (found.learning_rate is None) == (mode is TrainerMode.FORWARD_ONLY)
        assert TrainerSpec.from_json(found.as_json()) == found
    else:
        assert found
        assert {violation.field for violation in found} <= inputs.keys()
        assert all(violation.description for violation in found)


@given(st.integers(min_value=60, max_value=10_800))
def test_a_duration_that_is_shown_reads_back(seconds: int) -> None:
    spec = resolve(make_subject(), {"inactivity_timeout": duration_label(seconds)})
    assert isinstance(spec, TrainerSpec)
    assert spec.inactivity_timeout_seconds == seconds
