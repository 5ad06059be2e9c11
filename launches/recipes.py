"""What users set of a recipe: the dataset that it trains on and its parameters, read as every field is. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from catalog.fields.launch_fields import FieldType, LaunchField
from catalog.fields.recipe_fields import RECIPE_PREFIX
from catalog.fields.values import UnfitValue, Value, one_of, read_value, shown
from connections.providers.official import official_module
from connections.providers.recipe_parameters import RecipeParameter
from connections.providers.recipes import Recipe
from connections.providers.spec import DatasetFile, TrainerSpec
from launches.resolve import RECIPE, Subject
from wire.counts import quantity
from wire.errors import Violation

DATASET = "dataset"
ADAPTED, ATTENTION = "adapted", "attention"
"""The parameter of our trainer's recipes that says which layers an adapter changes: all, or those outside of MLPs."""
EVALUATION = "evaluation_dataset"
"""What is measured, where that is no part of the dataset."""
MOST_HELD_OUT = 500
MOST_NAMED = 5


@dataclass(frozen=True)
class RecipeSettings:
    """All parameters of a recipe, None where it has none; the datasets; or what is wrong with them."""

    parameters: dict[str, Value] | None = None
    dataset: DatasetFile | None = None
    evaluation: DatasetFile | None = None
    violations: tuple[Violation, ...] = ()


def is_of_recipe(name: str) -> bool:
    """Whether an input is a recipe's and no field of the shape."""
    return name in (DATASET, EVALUATION) or name.startswith(RECIPE_PREFIX)


def input_of(parameter: RecipeParameter) -> str:
    """The name of its input."""
    return f"{RECIPE_PREFIX}{parameter.name}"


def of_subject(recipe: Recipe, subject: Subject) -> Recipe:
    """The recipe with what its parameters are for launches from the version."""
    ours = subject.mixture and not recipe.beside
    return narrowed(_of_mixture(recipe) if ours else recipe, subject.narrowed)


def narrowed(recipe: Recipe, fields: Sequence[LaunchField]) -> Recipe:
    """The recipe with its parameters as a shape version narrows them, which never widens what the recipe allows."""
    by_name = {field.name: field for field in fields}
    return replace(
        recipe,
        parameters=tuple(
            _narrowed(one, by_name[input_of(one)]) if input_of(one) in by_name else one for one in recipe.parameters
        ),
    )


def _of_mixture(recipe: Recipe) -> Recipe:
    """The recipe of our trainer for an adapter of a mixture of experts: by default it leaves these alone."""
    return replace(
        recipe,
        parameters=tuple(
            replace(one, default=ATTENTION, source="the base model is a mixture of experts.")
            if one.name == ADAPTED
            else one
            for one in recipe.parameters
        ),
    )


def refuse_experts(recipe: Recipe, told: RecipeSettings) -> Iterator[Violation]:
    """That our trainer makes no adapter of experts."""
    if (told.parameters or {}).get(ADAPTED, ATTENTION) != ATTENTION:
        yield Violation(
            f"{RECIPE_PREFIX}{ADAPTED}",
            "The base model is a mixture of experts, which are no linear layers, and the trainer makes adapters of "
            f"these alone. Use {ATTENTION}, or a shape that trains all parameters.",
        )
    elif official_module(recipe.name):
        yield Violation(
            RECIPE,
            f"Recipe {recipe.name} adapts all layers, and the base model is a mixture of experts, of which the trainer "
            f"makes no adapter. Use a recipe with {RECIPE_PREFIX}{ADAPTED}, or a shape that trains all parameters.",
        )


def _narrowed(parameter: RecipeParameter, field: LaunchField) -> RecipeParameter:
    low = max((bound for bound in (parameter.minimum, field.minimum) if bound is not None), default=None)
    high = min((bound for bound in (parameter.maximum, field.maximum) if bound is not None), default=None)
    choices = tuple(each for each in field.choices if not parameter.choices or each in parameter.choices)
    default = parameter.default if field.default is None else field.default
    if choices and default not in choices:
        default = choices[0]
    if not isinstance(default, str):
        default = default if low is None else max(low, default)
        default = default if high is None else min(high, default)
    return replace(
        parameter,
        minimum=low,
        maximum=high,
        choices=choices or parameter.choices,
        default=default,
        help=field.help or parameter.help,
        source=parameter.source if default == parameter.default else "this shape version.",
    )


def field_of(parameter: RecipeParameter) -> LaunchField:
    """The parameter as a field, which is read and refused as all fields are."""
    return LaunchField(
        input_of(parameter),
        parameter.label,
        FieldType(parameter.type),
        parameter.help,
        default=parameter.default,
        minimum=parameter.minimum,
        maximum=parameter.maximum,
        choices=parameter.choices,
    )


def read_settings(
    recipe: Recipe | None, offered: Sequence[Recipe], inputs: Mapping[str, Any], datasets: Sequence[DatasetFile]
) -> RecipeSettings:
    """What the inputs say of the recipe, one of those that are offered; None where it could not be read."""
    if recipe is None:
        return RecipeSettings()
    values: dict[str, Value] = {}
    wrong = [*_foreign(recipe, offered, inputs)]
    for parameter in recipe.parameters:
        given = inputs.get(input_of(parameter))
        try:
            values[parameter.name] = read_value(field_of(parameter), parameter.default if _blank(given) else given)
        except UnfitValue as error:
            wrong.append(Violation(input_of(parameter), str(error)))
    dataset, refused = _read_dataset(recipe, offered, inputs, datasets)
    evaluation, unfit = _read_dataset(recipe, offered, inputs, datasets, name=EVALUATION)
    return RecipeSettings(
        values or None, dataset, evaluation, (*refused, *unfit, *_the_same(dataset, evaluation), *wrong)
    )


def of_recipe(recipe: Recipe | None, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs without those of other recipes: for a form in which the recipe was just changed."""
    own = {input_of(parameter) for parameter in recipe.parameters} if recipe else set()
    own |= {DATASET} if recipe and recipe.formats else set()
    own |= {EVALUATION} if recipe and recipe.measures else set()
    return {name: value for name, value in inputs.items() if not is_of_recipe(name) or name in own}


def label_of(dataset: DatasetFile) -> str:
    """`first-try (chat, 1,200 rows)`."""
    return f"{dataset.name.rpartition('/')[2]} ({dataset.format.lower()}, {quantity(dataset.rows, 'row')})"


@dataclass(frozen=True)
class RunOutlook:
    """What a run will be, as far as its rows tell before they are read.

    `is_exact` where nothing can make it less; where a batch counts tokens, steps are an estimate (`is_estimate`), or as
    many as there are rows. `rows_a_step` is the mean.
    """

    steps: int
    steps_an_epoch: int
    held_out: int
    checkpoints: int
    rows_a_step: float
    is_exact: bool
    is_estimate: bool = False


def outlook_of(spec: TrainerSpec, tokens: int | None = None) -> RunOutlook | None:
    """`tokens` are those of the dataset, where they were counted. None where the spec trains on no dataset."""
    told, dataset = spec.recipe_parameters, spec.dataset
    if told is None or dataset is None:
        return None
    percent, rows = 0 if spec.evaluation else float(told.get("evaluation_split", 0)), dataset.rows
    held_out = min(MOST_HELD_OUT, max(1, round(rows * percent / 100))) if percent and rows > 1 else 0
    most = int(told.get("batch_tokens", 0))  # which launches did not have from the beginning
    rows_a_step = float(told["batch_rows"])
    if most:
        rows_a_step = max(1.0, min(rows, most * rows / tokens)) if tokens else 1.0
    an_epoch = max(1, math.ceil((rows - held_out) / rows_a_step))
    steps = an_epoch * int(told["epochs"])
    steps = min(steps, int(told.get("steps", 0)) or steps) + (spec.extra_steps or 0)
    saves = math.ceil(steps / int(told["save_every"]))
    is_exact = told.get("packing") != "yes" and not most
    return RunOutlook(steps, an_epoch, held_out, saves, rows_a_step, is_exact, is_estimate=bool(most and tokens))


def _foreign(recipe: Recipe, offered: Sequence[Recipe], inputs: Mapping[str, Any]) -> Iterator[Violation]:
    """Parameters that the recipe does not have. As another recipe has them by default they change nothing."""
    own = {input_of(parameter) for parameter in recipe.parameters}
    for name, given in inputs.items():
        if not name.startswith(RECIPE_PREFIX) or name in own or _blank(given):
            continue
        takers = [each for each in offered if name in map(input_of, each.parameters)]
        defaults = {str(one.default) for each in takers for one in each.parameters if input_of(one) == name}
        if str(given) in defaults:
            continue
        has = ", ".join(parameter.name for parameter in recipe.parameters) or "none"
        instead = f", or choose {one_of([each.name for each in takers])}" if takers else ""
        foreign = shown(name.removeprefix(RECIPE_PREFIX))
        sentence = f"{foreign} is no parameter of recipe {recipe.name}, which has: {has}."
        yield Violation(name[:80], f"{sentence} Leave it out{instead}.")


def _read_dataset(
    recipe: Recipe,
    offered: Sequence[Recipe],
    inputs: Mapping[str, Any],
    datasets: Sequence[DatasetFile],
    *,
    name: str = DATASET,
) -> tuple[DatasetFile | None, list[Violation]]:
    """That of the name among the inputs; the one to train on has to be given."""
    given = inputs.get(name)
    fitting = [each for each in datasets if each.format.lower() in recipe.formats]
    use = f"Use {one_of([each.name for each in fitting[:MOST_NAMED]])}" if fitting else "Upload one first (Datasets)"
    formats = " or ".join(recipe.formats)
    if _blank(given):
        needs = f"Recipe {recipe.name} trains on a dataset of {formats} rows, and none was given. {use}."
        return None, [Violation(DATASET, needs)] if recipe.formats and name == DATASET else []
    if not recipe.formats:
        takers = [each.name for each in offered if each.formats]
        instead = f", or choose {one_of(takers)}" if takers else ""
        return None, [Violation(name, f"Recipe {recipe.name} takes no dataset. Leave it out{instead}.")]
    if name == EVALUATION and not recipe.measures:
        return None, [Violation(name, f"Recipe {recipe.name} measures no second dataset. Leave it out.")]
    found = next((each for each in datasets if given in (each.name, each.name.rpartition("/")[2])), None)
    if found is None:
        return None, [Violation(name, f"{shown(given)} is no dataset of this account that is ready. {use}.")]
    if found not in fitting:
        words = f"{found.name} has {found.format.lower()} rows, and recipe {recipe.name} trains on {formats} rows."
        return None, [Violation(name, f"{words} {use}, or choose another recipe.")]
    return found, []


def _the_same(dataset: DatasetFile | None, evaluation: DatasetFile | None) -> Iterator[Violation]:
    """Rows that are trained on measure nothing, under whichever name they are here."""
    if dataset and evaluation and dataset.sha256 == evaluation.sha256:
        is_itself = dataset.name == evaluation.name
        what = (
            "the dataset that is trained on" if is_itself else f"the same file as {dataset.name}, which is trained on"
        )
        instead = "Choose other rows, or none: some of the dataset are then held out, by the evaluation split"
        yield Violation(
            EVALUATION, f"{evaluation.name} is {what}, so it would measure what was learnt by heart. {instead}."
        )


def _blank(given: Any) -> bool:
    return given is None or (isinstance(given, str) and not given.strip())
