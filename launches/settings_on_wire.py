"""What a user set, as requests and answers of the API write it. Pure."""

from __future__ import annotations

from typing import Any

from catalog.fields.launch_fields import PLACES, FieldType, every_field
from connections.providers.spec import TrainerSpec


def written_value(spec: TrainerSpec, name: str) -> Any:
    """The field's value: a duration as its seconds, `1800s`."""
    value = getattr(spec, PLACES[name].spec)
    return f"{value}s" if every_field()[name].type is FieldType.DURATION else value


def written_values(spec: TrainerSpec, within: str = "") -> dict[str, Any]:
    """By wire name all that the API has of them, at the top of a job or `within` a part of it."""
    paths = {name: place.wire.rpartition(".") for name, place in PLACES.items() if place.wire}
    return {last: written_value(spec, name) for name, (part, _, last) in paths.items() if part == within}
