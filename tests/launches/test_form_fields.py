"""Reading what the launch form posts, and what its fields show. Pure."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from catalog.fields.launch_fields import common_fields
from catalog.fields.snapshots import Snapshot
from connections.providers.recipes import Recipe
from connections.providers.spec import TrainerMode, TrainerSpec
from launches.pages.forms import OWN_NAMES, form_fields, read_inputs
from launches.resolve import Subject, resolve
from tests.makers import narrow_field
from wire.errors import Violation

MODEL = "accounts/local/models/tiny-qwen3"
LABELS = {field.name: field.label for field in common_fields(TrainerMode.LORA_TRAINER)} | {"recipe": "Recipe"}
RECIPES = (Recipe("sample-sft", "Sample"), Recipe("none", "None"))


def subject(mode: TrainerMode = TrainerMode.LORA_TRAINER) -> Subject:
    snapshot = Snapshot("accounts/local/trainingShapes/s", MODEL, mode, 2048, 0, 1)
    return Subject("accounts/local/trainingShapes/s/versions/abcdefgh", snapshot, common_fields(mode), (MODEL,))


def test_the_labels_are_those_of_the_product() -> None:
    fields = form_fields(subject(), RECIPES, {}, ())
    assert {field.name: field.label for field in fields} == LABELS


def test_fields_that_make_no_sense_for_the_mode_are_absent() -> None:
    policy = {field.name for field in form_fields(subject(TrainerMode.POLICY_TRAINER), RECIPES, {}, ())}
    forward = {field.name for field in form_fields(subject(TrainerMode.FORWARD_ONLY), RECIPES, {}, ())}
    assert policy == LABELS.keys() - {"lora_rank"}
    assert forward == LABELS.keys() - {"lora_rank", "learning_rate"}


def test_without_a_provider_there_is_no_recipe_field() -> None:
    assert "recipe" not in {field.name for field in form_fields(subject(), (), {}, ())}


def test_defaults_stand_in_the_fields_and_the_first_recipe_is_chosen() -> None:
    values = {field.name: field.value for field in form_fields(subject(), RECIPES, {}, ())}
    assert values["base_model"] == MODEL
    assert (values["lora_rank"], values["learning_rate"], values["inactivity_timeout"]) == ("16", "1e-05", "60m")
    assert values["recipe"] == "sample-sft"


def test_the_untouched_form_sends_the_exact_default() -> None:
    rate = 1.23456789e-4
    fields = tuple(
        narrow_field(field, {"default": rate, "choices": [rate, 1e-3], "minimum": 1.23456789e-5})
        if field.name == "learning_rate"
        else narrow_field(field, {"minimum": 3, "default": "my run"})
        if field.name == "display_name"
        else field
        for field in common_fields(TrainerMode.LORA_TRAINER)
    )
    narrowed = replace(subject(), fields=fields)
    shown = {field.name: field for field in form_fields(narrowed, RECIPES, {}, ())}
    assert shown["learning_rate"].value == "0.000123456789"
    assert shown["learning_rate"].limits == "1.23456789e-05 to 1"
    assert shown["display_name"].limits == "3 to 63 characters"
    spec = resolve(narrowed, {name: field.value for name, field in shown.items()}, recipes=["sample-sft"])
    assert isinstance(spec, TrainerSpec)
    assert spec.learning_rate == rate


def test_a_value_that_is_no_choice_stays_to_be_seen() -> None:
    field = next(
        field for field in form_fields(subject(), RECIPES, {"base_model": "mine"}, ()) if field.name == "base_model"
    )
    assert field.value == "mine"
    assert [option.value for option in field.options] == ["mine", MODEL]


def test_violations_stand_at_their_fields() -> None:
    violations = (Violation("lora_rank", "too big"), Violation("nonsense", "unknown"))
    errors = {field.name: field.errors for field in form_fields(subject(), RECIPES, {"lora_rank": "999"}, violations)}
    assert errors["lora_rank"] == ("too big",)
    assert not any(errors[name] for name in errors if name != "lora_rank")


NAMES = st.sampled_from([*LABELS, *OWN_NAMES, "accelerator_count", "x"])


@given(st.dictionaries(NAMES, st.lists(st.text(max_size=20), min_size=1, max_size=3)))
def test_every_posted_name_is_an_input_and_every_repetition_is_told(posted: dict[str, list[str]]) -> None:
    inputs, repeated = read_inputs(posted.items())
    assert inputs.keys() == posted.keys() - OWN_NAMES
    assert {violation.field for violation in repeated} == {name for name, values in posted.items() if len(values) > 1}
    assert all(inputs[name] == posted[name][-1] for name in inputs)
