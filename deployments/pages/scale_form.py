"""The bounds of a deployment's replicas, as forms show and read them. Pure but for reading its row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from catalog.fields.inputs import Input
from deployments.models import Deployment
from deployments.replicas import MOST_REPLICAS
from wire.errors import InvalidArgument, Violation
from wire.numbers import read_whole

MIN, MAX = "min_replicas", "max_replicas"
PREFIX = "id_"
LABELS = {
    MIN: ("Least replicas", "0: it is scaled to 0 while nobody asks, and holds nothing then."),
    MAX: ("Most replicas", "0: no sampler runs, and no request starts one."),
}


def replica_fields(values: Mapping[str, str], violations: Sequence[Violation]) -> tuple[Input, ...]:
    """The fields of the bounds, with what stands in them and what is wrong with it."""
    return tuple(
        Input(
            prefix=PREFIX,
            name=name,
            label=label,
            help=text,
            value=values[name],
            limits=f"0 to {MOST_REPLICAS}",
            keyboard="numeric",
            errors=tuple(found.description for found in violations if found.field == name),
        )
        for name, (label, text) in LABELS.items()
    )


def scale_fields(row: Deployment, typed: Mapping[str, str], violations: Sequence[Violation]) -> tuple[Input, ...]:
    """Those of the deployment, as they stand or as they were typed."""
    return replica_fields({MIN: str(row.min_replicas), MAX: str(row.max_replicas), **typed}, violations)


def read_replicas(typed: Mapping[str, str]) -> tuple[int, int]:
    """The bounds that were typed. Errors: `InvalidArgument`."""
    numbers = {name: read_whole(typed.get(name, "")) for name in LABELS}
    least, most = numbers[MIN], numbers[MAX]
    if least is None or most is None:
        raise InvalidArgument(
            [
                Violation(name, f"{typed.get(name, '')[:40]!r} is no whole number. Use 0 to {MOST_REPLICAS}.")
                for name, number in numbers.items()
                if number is None
            ]
        )
    return least, most
