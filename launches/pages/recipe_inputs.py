"""What the launch form shows of a recipe: its datasets and its parameters, field by field. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from catalog.fields.inputs import Input, options_of
from catalog.fields.texts import limits_text
from catalog.labels import value_label
from connections.providers.recipe_parameters import RecipeParameter
from connections.providers.recipes import Recipe
from connections.providers.spec import DatasetFile
from launches.pages.forms import FORM_PREFIX, KEYBOARDS
from launches.recipes import DATASET, EVALUATION, field_of, input_of, label_of
from wire.errors import Violation


def recipe_fields(
    recipe: Recipe | None, datasets: Sequence[DatasetFile], inputs: Mapping[str, Any], violations: Sequence[Violation]
) -> tuple[Input, ...]:
    """What the recipe lets people set: the dataset where it trains on one, and its parameters."""
    errors: dict[str, list[str]] = {}
    for violation in violations:
        errors.setdefault(violation.field, []).append(violation.description)
    if recipe is None:
        return ()
    fields = [_parameter(one, inputs, tuple(errors.get(input_of(one), ()))) for one in recipe.parameters]
    if recipe.formats:
        measured = [_evaluation(recipe, datasets, inputs, errors)] if recipe.measures else []
        fields[:0] = [_dataset(recipe, datasets, inputs, errors), *measured]
    return tuple(fields)


def _dataset(
    recipe: Recipe, datasets: Sequence[DatasetFile], inputs: Mapping[str, Any], errors: Mapping[str, Sequence[str]]
) -> Input:
    formats = " or ".join(recipe.formats)
    fits = any(each.format.lower() in recipe.formats for each in datasets)
    first = "choose one" if fits else f"there is none of {formats} rows: upload one first"
    about = f"A dataset of this account with rows of {formats}."
    return _one_of(DATASET, "Dataset", about, first, recipe, datasets, inputs, errors)


def _evaluation(
    recipe: Recipe, datasets: Sequence[DatasetFile], inputs: Mapping[str, Any], errors: Mapping[str, Sequence[str]]
) -> Input:
    first = "none: rows of the dataset, by the evaluation split"
    about = "A dataset that is measured and never trained on, 500 rows of it at most. The evaluation split is not used."
    return _one_of(EVALUATION, "Evaluation dataset", about, first, recipe, datasets, inputs, errors)


def _one_of(
    name: str,
    label: str,
    about: str,
    first: str,
    recipe: Recipe,
    datasets: Sequence[DatasetFile],
    inputs: Mapping[str, Any],
    errors: Mapping[str, Sequence[str]],
) -> Input:
    """A choice of the datasets that fit the recipe; `first` is what choosing none of them means."""
    fitting = [each for each in datasets if each.format.lower() in recipe.formats]
    named = {each.name.rpartition("/")[2]: each.name for each in fitting}
    given = value_label(inputs.get(name))
    value = named.get(given, given)
    return Input(
        prefix=FORM_PREFIX,
        name=name,
        label=label,
        help=about,
        value=value,
        default="",
        wide=True,
        options=options_of(
            [("", first), *((each.name, label_of(each)) for each in fitting)], value, odd="does not fit"
        ),
        errors=tuple(errors.get(name, ())),
    )


def _parameter(parameter: RecipeParameter, inputs: Mapping[str, Any], errors: tuple[str, ...]) -> Input:
    field = field_of(parameter)
    default = value_label(parameter.default)
    value = value_label(inputs.get(field.name, parameter.default))
    return Input(
        prefix=FORM_PREFIX,
        name=field.name,
        label=field.label,
        help=f"{field.help}\nDefault {default}: {parameter.source}",
        value=value,
        default=default,
        limits="" if field.choices else limits_text(field, parameter.unit),
        placeholder=f"default {default}",
        keyboard=KEYBOARDS.get(field.type, "text"),
        options=options_of(((each, each) for each in map(value_label, field.choices)), value, odd="not offered"),
        errors=errors,
    )
