"""What is launched beside a trainer, and whether a connection can ever hold the whole: without the network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from catalog.places import reasons_against
from connections.capacities import read_capacity, too_many_gpus
from connections.models import Connection
from connections.opened import open_provider, samplers_at
from connections.providers.base import Provider
from connections.providers.capabilities import Capabilities
from connections.providers.errors import Retryable
from connections.providers.samplers import SamplerProvider, SamplerSpec
from connections.providers.spec import TrainerSpec
from connections.providers.unnamed import GivesTypes
from wire.counts import quantity


@dataclass(frozen=True)
class Companions:
    """On the same connection as the trainer: its reference, and so many samplers."""

    reference: TrainerSpec | None = None
    sampler: SamplerSpec | None = None
    replicas: int = 0


ALONE = Companions()


def reasons_against_set(connection: Connection, spec: TrainerSpec, beside: Companions) -> tuple[str, ...]:
    """Why what is beside the spec can never run there with it, one sentence a reason."""
    if beside == ALONE:
        return ()
    try:
        provider = open_provider(connection)
        capabilities, samplers = provider.capabilities, samplers_at(connection)
    except Retryable:  # which is told of the spec itself
        return ()
    reasons = [*_of_reference(connection, spec, beside, capabilities), *_of_samplers(beside, capabilities, samplers)]
    return (*reasons, *too_many_gpus(read_capacity(connection.capacity), _gpus_by_type(provider, spec, beside)))


def kind_of(provider: Provider, spec: TrainerSpec) -> str:
    """The type of its GPUs there, "" where nobody says."""
    return provider.type_for(spec) if isinstance(provider, GivesTypes) else spec.accelerator_type or ""


def _of_reference(
    connection: Connection, spec: TrainerSpec, beside: Companions, capabilities: Capabilities
) -> Iterator[str]:
    if beside.reference is None:
        return
    for reason in reasons_against(connection, beside.reference):
        yield f"Its reference: {reason}"
    if capabilities.trainer_slots == 1:
        yield (
            "Policy and reference are two trainers, and one runs there at a time: leave the reference out, or let two "
            "run there (SLIPWAY_LOCAL_SLOTS)."
        )
        return
    slots, taken = capabilities.trainer_slots, spec.trainer_nodes + beside.reference.trainer_nodes
    if slots is not None and taken > slots:
        yield (
            f"Policy and reference take {taken} slots, and there are {slots}: ask for fewer trainer replicas, leave "
            "the reference out, or let more run there (SLIPWAY_LOCAL_SLOTS)."
        )


def _of_samplers(beside: Companions, capabilities: Capabilities, samplers: SamplerProvider | None) -> Iterator[str]:
    if beside.sampler is None:
        return
    if samplers is None:
        yield "It runs no samplers: ask for 0 deployment replicas."
        return
    reasons = samplers.fits(beside.sampler, beside.replicas)
    for reason in reasons:
        yield f"Its sampler: {reason}"
    most = capabilities.sampler_slots
    if most is not None and beside.replicas > most and not reasons:
        yield (
            f"{beside.replicas} deployment replicas are asked for, and {quantity(most, 'sampler')} can run there at a "
            f"time: ask for {most}."
        )


def _gpus_by_type(provider: Provider, spec: TrainerSpec, beside: Companions) -> dict[str, int]:
    """What has to be there at once."""
    members = [(kind_of(provider, trainer), trainer.trainer_gpus) for trainer in (spec, beside.reference) if trainer]
    if sampler := beside.sampler:
        members.append((sampler.accelerator_type or "", sampler.gpus * beside.replicas))
    wanted: dict[str, int] = {}
    for accelerator_type, gpus in members:
        wanted[accelerator_type] = wanted.get(accelerator_type, 0) + gpus
    return wanted
