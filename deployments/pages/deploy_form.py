"""The form that makes a deployment: its fields, and what they come to before anybody accepts it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from accounts.models import Account
from catalog.fields.inputs import Input, options_of
from catalog.models import ShapeVersion
from connections.models import Connection
from connections.providers.spec import TrainerMode
from connections.queries import usable_connections
from deployments.pages.scale_form import MAX, MIN, PREFIX, read_replicas, replica_fields
from deployments.pages.standing import gpus_in_all
from deployments.placement import NO_SAMPLERS, reasons_against
from deployments.replicas import refuse_bounds
from deployments.resolved import spec_of
from deployments.served import find_served
from launches.models import Launch
from launches.queries import of_versions
from wire.errors import InvalidArgument, Violation
from wire.names import is_id, refuse_id

ID, DESCRIPTION, SERVES, TRAINER, CONNECTION = "deployment_id", "description", "base_model", "trainer", "connection"
NAMES = (ID, SERVES, TRAINER, MIN, MAX, CONNECTION, DESCRIPTION)
MOST_TRAINERS = 50
LONGEST_DESCRIPTION = 1000


@dataclass(frozen=True)
class DeployPreview:
    """What the form comes to: `wanted` is the connection that was chosen, `place` the one that takes it, if any does.

    `refusals` are the others with their reasons, told where none takes it.
    """

    fields: tuple[Input, ...]
    violations: tuple[Violation, ...]
    gpus: str
    wanted: Connection | None
    place: Connection | None
    refusals: tuple[tuple[Connection, Sequence[str]], ...]


def default_values(version: ShapeVersion, key: str) -> dict[str, str]:
    """What stands in a new form; the id is one that nobody has."""
    return dict.fromkeys(NAMES, "") | {
        ID: f"{version.shape.shape_id[:55]}-{key[:6]}",
        SERVES: version.shape.base_model.name,
        MIN: "0",
        MAX: "1",
    }


def trainers_for(version: ShapeVersion, account: Account | None, wanted: str = "") -> list[Launch]:
    """The account's launches that make weights of the shape's base model, the newest first; the wanted job, too."""
    training = {"trainer_mode__in": [mode for mode in TrainerMode if mode is not TrainerMode.FORWARD_ONLY]}
    wanted_ones = of_versions(shape__base_model=version.shape.base_model_id, **training)
    made = Launch.objects.filter(wanted_ones, account=account, deleted_at__isnull=True)
    made = made.select_related("connection", "account")
    newest = list(made.order_by("-created_at", "-pk")[:MOST_TRAINERS])
    if is_id(wanted) and all(each.job_id != wanted for each in newest):
        newest += made.filter(job_id=wanted)
    return newest


def preview_deployment(
    version: ShapeVersion, account: Account | None, values: Mapping[str, str], extra: Sequence[Violation] = ()
) -> DeployPreview:
    """The fields as they stand, what is wrong with them, and where it would run; `extra` was found before."""
    found, each = list(extra), version.frozen_snapshot.gpus
    least, most = 0, 1
    try:
        least, most = read_replicas(values)
        found += refuse_bounds(least, most)
    except InvalidArgument as refusal:
        found += refusal.violations
    if sentence := refuse_id(values[ID], what="deployment id"):
        found.append(Violation(ID, f"{sentence}."))
    if len(values[DESCRIPTION]) > LONGEST_DESCRIPTION:
        told = f"It has {len(values[DESCRIPTION]):,} characters. Use {LONGEST_DESCRIPTION:,} at most."
        found.append(Violation(DESCRIPTION, told))
    if "\0" in values[DESCRIPTION]:
        found.append(Violation(DESCRIPTION, "It holds a NUL, a character that no text may hold. Remove it."))
    trainers = trainers_for(version, account, values[TRAINER]) if account else []
    trainer = next((one for one in trainers if one.job_id == values[TRAINER]), None)
    if values[TRAINER] and trainer is None:
        found.append(
            Violation(TRAINER, f"{values[TRAINER][:63]!r} is no trainer to load from. Choose one of the list.")
        )
    places = list(usable_connections(account))
    takes, refusals = _verdicts(version, account, values, trainer, places, most, found)
    wanted = next((place for place in places if place.name == values[CONNECTION]), None)
    if values[CONNECTION] and wanted is None:
        found.append(Violation(CONNECTION, f"There is no connection {values[CONNECTION][:32]!r} to run it on."))
    chosen = [place for place in takes if wanted in (None, place)]
    violations = tuple(sorted(dict.fromkeys(found), key=lambda each: _place(each.field)))
    return DeployPreview(
        fields=_fields(values, violations, trainers, takes),
        violations=violations,
        gpus=gpus_in_all(each, least, most),
        wanted=wanted,
        place=chosen[0] if chosen else None,
        refusals=tuple(refusals),
    )


def _place(field: str) -> int:
    """Where it stands in the form."""
    return NAMES.index(field) if field in NAMES else len(NAMES)


def _verdicts(
    version: ShapeVersion,
    account: Account | None,
    values: Mapping[str, str],
    trainer: Launch | None,
    places: Sequence[Connection],
    replicas: int,
    found: list[Violation],
) -> tuple[list[Connection], list[tuple[Connection, Sequence[str]]]]:
    """The connections that take it, and the others with their reasons; what it cannot serve is added to `found`."""
    if account is None:
        return [], []
    try:
        served = find_served(version, account, values[SERVES])
    except InvalidArgument as refusal:
        found += refusal.violations
        return [], []
    spec = spec_of(version, account, values[ID], trainer, served)
    takes, refusals = [], []
    for place in places:
        reasons, runs = reasons_against(place, spec, replicas)
        if trainer and trainer.connection_id != place.pk:
            reasons = [f"{trainer} runs on {trainer.connection}, and its weights are there."]
        elif served.connection and served.connection.pk != place.pk:
            reasons = [f"{served.name} lies on {served.connection}."]
        if reasons:
            refusals.append((place, reasons if runs else [NO_SAMPLERS]))
        else:
            takes.append(place)
    return takes, refusals


def _fields(
    values: Mapping[str, str],
    violations: Sequence[Violation],
    trainers: Sequence[Launch],
    takes: Sequence[Connection],
) -> tuple[Input, ...]:
    def field(name: str, label: str, text: str, **more: object) -> Input:
        errors = tuple(each.description for each in violations if each.field == name)
        return Input(PREFIX, name, label, text, values[name], errors=errors, **more)  # type: ignore[arg-type]

    loads = [("", "none"), *((one.job_id, f"{one} ({one.state.lower()})") for one in trainers)]
    first = f"the first that takes it: {takes[0]}" if takes else "the first that takes it"
    return (
        field(ID, "Id", "What programs call it, in its account.", wide=True),
        field(SERVES, "Serves", "A base model that fits the shape, or a model or checkpoint that was made from it.",
              wide=True),
        field(TRAINER, "Loads the weights of", "A trainer whose newest weights are loaded while it answers.",
              wide=True, options=options_of(loads, values[TRAINER], odd="not offered")),
        *replica_fields(values, violations),
        field(CONNECTION, "Where it runs", "The connection that it goes to, and stays on.", wide=True,
              options=options_of([("", first), *((each.name, str(each)) for each in takes)], values[CONNECTION],
                                 odd="cannot run it")),
        field(DESCRIPTION, "Description", "", optional=True, long=True, wide=True),
    )  # fmt: skip
