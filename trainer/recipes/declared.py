"""The parameters of the recipes, as declared.json has them, read and checked. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainer.errors import ConfigError

DECLARED: dict[str, Any] = json.loads((Path(__file__).parent / "declared.json").read_text(encoding="utf-8"))
NAMES = tuple(recipe["name"] for recipe in DECLARED["recipes"])
ADAPTED, ALL, ATTENTION = "adapted", "all", "attention"
"""The parameter that says which layers an adapter changes, and its word for those outside of MLPs alone."""
Value = str | int | float


def parameters_of(recipe: str) -> dict[str, dict[str, Any]]:
    """By name what the recipe declares of each of its parameters."""
    found = next(each for each in DECLARED["recipes"] if each["name"] == recipe)
    changes = found.get("changes", {})
    return {name: DECLARED["parameters"][name] | changes.get(name, {}) for name in found["parameters"]}


def formats_of(recipe: str) -> tuple[str, ...]:
    """The formats of rows that it trains on."""
    return tuple(next(each for each in DECLARED["recipes"] if each["name"] == recipe)["formats"])


def read_parameters(recipe: str, given: Mapping[str, Any]) -> dict[str, Value]:
    """All parameters of the recipe: what was given, else the default. Raises ConfigError naming the first wrong one."""
    declared = parameters_of(recipe)
    if unknown := sorted(set(given) - set(declared)):
        raise ConfigError(f"parameters.{unknown[0]} is none of {recipe}'s; it has {', '.join(declared)}.")
    return {name: _read(name, facts, given.get(name, facts["default"])) for name, facts in declared.items()}


def _read(name: str, facts: Mapping[str, Any], value: Any) -> Value:
    if facts["type"] == "text":
        if value not in facts["choices"]:
            raise ConfigError(f"parameters.{name} must be one of {', '.join(facts['choices'])}, not {value!r}.")
        return str(value)
    whole = facts["type"] == "integer"
    low, high = facts["minimum"], facts["maximum"]
    fits = type(value) is int or (type(value) is float and math.isfinite(value) and not whole)
    if not fits or not low <= value <= high:
        noun = "a whole number" if whole else "a number"
        raise ConfigError(f"parameters.{name} must be {noun} from {low} to {high}, not {value!r}.")
    return int(value) if whole else float(value)
