"""What was filled in on one launch form, carried to another one in its address. Pure.

Only what differs from the form's own defaults is carried, so that the other form's defaults stay its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from catalog.fields.inputs import Input
from catalog.fields.launch_fields import every_field
from launches.pages.forms import read_inputs
from launches.recipes import DATASET, EVALUATION, is_of_recipe
from launches.resolve import CONNECTION, CONTINUE_FROM, RECIPE, REFERENCE, WHEN_INTERRUPTED
from wire.errors import Violation

LONGEST = 300
"""Characters of a value that an address takes; no field takes as many. static/js/launch-form.js knows it, too."""
LEFT = "left"
"""The parameter that names what was left behind because it was longer."""
LABELS = {
    RECIPE: "Recipe",
    DATASET: "Dataset",
    EVALUATION: "Evaluation dataset",
    CONNECTION: "Where it runs",
    CONTINUE_FROM: "Continue from",
    WHEN_INTERRUPTED: "When interrupted",
    REFERENCE: "Reference",
    **{name: field.label for name, field in every_field().items()},
}
"""Names that are carried, with the labels of their fields, which the other form may not have."""


def carrying(address: str, fields: Iterable[Input]) -> str:
    """The address of a form with what stands in the fields."""
    changed = [(field.name, field.value) for field in fields if field.value != field.default]
    query = urlencode([(name, value) if len(value) <= LONGEST else (LEFT, name) for name, value in changed])
    return f"{address}{'&' if '?' in address else '?'}{query}" if query else address


def read_carried(query: Iterable[tuple[str, Sequence[Any]]]) -> tuple[dict[str, str], tuple[Violation, ...]]:
    """The inputs that an address carries, and a violation for each that it could not or carries twice."""
    given = dict(query)
    inputs, wrong = read_inputs((name, values) for name, values in given.items() if _is_known(name))
    left = [name for name in given.get(LEFT, ()) if _is_known(name)]
    sentence = f"What stood there has more than {LONGEST} characters, which is too long to be carried over."
    return inputs, (*(Violation(name, sentence) for name in left), *wrong)


def _is_known(name: str) -> bool:
    return name in LABELS or is_of_recipe(name)


def homeless(inputs: Mapping[str, Any], fields: Iterable[Input]) -> frozenset[str]:
    """Names of the inputs for which the form has no field."""
    return frozenset(inputs) - {field.name for field in fields}
