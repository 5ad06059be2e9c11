"""Where the shapes of a list may run, said before anybody opens a form: by the connections, without the network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from catalog.fields.launch_fields import PLACES
from catalog.fields.snapshot_fields import spec_of
from catalog.fields.snapshots import Snapshot
from catalog.labels import accelerator_label
from catalog.sync_queries import look_up_offers, not_offered
from connections.capacities import read_capacity
from connections.models import Connection
from connections.opened import open_provider
from connections.providers.errors import ProviderError
from connections.providers.optional import JudgesSizes
from connections.providers.spec import NO_RECIPE, TrainerSpec
from wire.counts import quantity

KEPT_SPECS = 4_096
"""About a kilobyte each; a page of the catalog asks for those of a hundred shapes at each view."""


@dataclass(frozen=True)
class Whereabouts:
    """The connections that may run a shape, by what people call them; where there is none, what it needs.

    `reasons` are those against each connection that was asked.
    """

    runs_on: tuple[str, ...]
    needs: str = ""
    reasons: tuple[tuple[str, tuple[str, ...]], ...] = ()


def whereabouts(snapshots: Iterable[Snapshot], connections: Sequence[Connection]) -> Iterator[Whereabouts]:
    """Of each shape, with nothing set by a user."""
    snapshots = list(snapshots)
    look_up_offers([each for each in connections if not each.closed_because], (each.name for each in snapshots))
    for snapshot in snapshots:
        spec = plain_spec(snapshot)
        refusals = {connection: _refusal(connection, spec) for connection in connections}
        willing = tuple(str(connection) for connection, reasons in refusals.items() if not reasons)
        told = tuple((str(connection), reasons) for connection, reasons in refusals.items())
        yield Whereabouts(willing) if willing else Whereabouts((), _needed(snapshot, spec), told)


@lru_cache(KEPT_SPECS)
def plain_spec(snapshot: Snapshot) -> TrainerSpec:
    """The spec with nothing set by a user."""
    unset: dict[str, Any] = {place.spec: place.unset for place in PLACES.values()}
    owned = spec_of(snapshot) | {"base_model": snapshot.base_model}
    return TrainerSpec(training_shape_version=snapshot.name, recipe=NO_RECIPE, **unset | owned)


def _refusal(connection: Connection, spec: TrainerSpec) -> tuple[str, ...]:
    return (connection.closed_because,) if connection.closed_because else reasons_against(connection, spec)


def reasons_against(connection: Connection, spec: TrainerSpec) -> tuple[str, ...]:
    """Why the spec can never run there, one sentence a reason; empty where it may. Without the network."""
    try:
        provider = open_provider(connection)
        fit = tuple(provider.fits(spec))
    except ProviderError as error:  # its row cannot be used as it stands
        return (str(error),)
    if spec.adapter and not provider.capabilities.brings_models:
        fit = (*fit, f"The adapter {spec.adapter} lies on this machine, and its trainers run elsewhere.")
    if not fit and isinstance(provider, JudgesSizes) and (said := read_capacity(connection.capacity)):
        fit = tuple(provider.too_large(spec, said))
    return fit or not_offered(connection, spec.training_shape_version)


def _needed(snapshot: Snapshot, spec: TrainerSpec) -> str:
    """Which kind of connection it would take."""
    if snapshot.hide_specs:
        return "a connection that offers it"
    if not snapshot.gpus:
        return "a connection that has its base model"
    kind = accelerator_label(spec.accelerator_type) if spec.accelerator_type else "of a type that the shape leaves open"
    nodes = f" on each of {spec.node_count:,} nodes" if spec.node_count > 1 else ""
    several = ", and a trainer there that runs as several processes" if spec.gpus_per_replica > 1 else ""
    return f"a connection with {quantity(spec.accelerator_count, 'GPU')} ({kind}){nodes}{several}"
