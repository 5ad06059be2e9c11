"""Where a launch runs: the connections that an account may use, what each says of a spec, and the one that takes it.

One decision for every door: the user's choice where there is one, else the first that may run it in the order of the
connections, those before the others that take launches and answered when they were last asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from accounts.models import Account
from catalog.fields.values import one_of
from catalog.places import reasons_against
from connections.models import Connection
from connections.opened import official_at, open_provider, ours_beside
from connections.providers.official import official_module
from connections.providers.optional import KnowsTemplates
from connections.providers.recipes import Recipe
from connections.providers.recipes_beside import Beside
from connections.providers.spec import NO_RECIPE, TrainerSpec
from connections.queries import usable_connections
from datasets.checking.formats import DatasetFormat
from launches.companions import ALONE, Companions, kind_of, reasons_against_set
from launches.offers import NOBODY, Offer, Verdict, take
from launches.recipes import (
    DATASET,
    EVALUATION,
    RecipeSettings,
    is_of_recipe,
    of_subject,
    read_settings,
    refuse_experts,
)
from launches.resolve import (
    CONNECTION,
    CONTINUE_FROM,
    RECIPE,
    REFERENCE,
    StartingPoint,
    Subject,
    read_recipe,
    reference_inputs,
    resolve,
    settled,
)
from launches.serving import sampler_spec
from wire.errors import Violation
from wire.names import CROSS_JOB


def connections_of(account: Account | None) -> tuple[Connection, ...]:
    """What the account may use, in the order in which launches try them. One query; give it to what follows."""
    return tuple(usable_connections(account))


def offer_for(
    spec: TrainerSpec, connections: Iterable[Connection], *, wanted: str = "", beside: Companions = ALONE
) -> Offer:
    """Ask every connection, without the network; `wanted` is the name of the one that the user chose.

    It takes the spec with all that is beside it, or neither.
    """
    asked = tuple(connections)
    official = official_at(asked, spec)
    ours = cache(lambda: ours_beside(asked, spec))
    verdicts = tuple(_judge(connection, spec, beside, official, ours) for connection in asked)
    return take(verdicts, wanted)


@dataclass(frozen=True)
class Placement:
    """What was asked for as a spec, or all that is wrong with it; who takes it, and what is launched beside it.

    Of what is wrong `offer` is that of the spec with nothing set, alone.
    """

    spec: TrainerSpec | tuple[Violation, ...]
    offer: Offer
    beside: Companions = ALONE


def place(
    subject: Subject, inputs: Mapping[str, Any], connections: Sequence[Connection], *, defaults: Offer | None = None
) -> Placement:
    """Resolve what a user set and ask every connection, each once; the recipe is one of where it goes.

    Where it goes nowhere that is refused, and what would depend on it is not judged. `defaults` is the offer of the
    spec with nothing set, where the caller has asked for it.
    """
    inputs = settled(subject, inputs)
    point = subject.checkpoint(inputs.get(CONTINUE_FROM))
    wanted = str(inputs.get(CONNECTION) or (point.connection if point else ""))
    others = {name: value for name, value in inputs.items() if name != RECIPE and not is_of_recipe(name)}
    spec = resolve(subject, others, connections=names_of(connections))
    if point and point.connection not in ("", wanted) and isinstance(spec, TrainerSpec):
        spec = (Violation(CONTINUE_FROM, f"{point.label} lies on {point.connection}. Let it run there."),)
    beside, unfit = companions_of(subject, spec, inputs) if isinstance(spec, TrainerSpec) else (ALONE, ())
    spec = unfit or spec
    offer = offer_for(spec, connections, wanted=wanted, beside=beside) if isinstance(spec, TrainerSpec) else NOBODY
    usual = offer if offer.connection else defaults or default_offer(subject, connections, wanted=wanted)[1]
    recipe, wrong = _read_recipe(inputs.get(RECIPE), usual)
    if wanted in names_of(connections):
        wrong += _refuse_choice(wanted, offer if isinstance(spec, TrainerSpec) else usual, point, inputs)
    drives_itself = usual.connection is not None and recipe == NO_RECIPE  # without a connection no recipe was read
    if point and not point.is_adapter and drives_itself and isinstance(spec, TrainerSpec) and not wrong:
        wrong = [Violation(CONTINUE_FROM, _load_it_yourself(point))]
    chosen = usual.recipe_of(recipe)
    is_beside = chosen is not None and chosen.beside
    if point and not wrong and (official_module(recipe) or is_beside):
        wrong = [Violation(CONTINUE_FROM, f"Recipe {recipe} begins at the base model there. Leave it out.")]
    told = read_settings(chosen and of_subject(chosen, subject), usual.recipes, inputs, subject.datasets)
    wrong = [*wrong, *told.violations]
    if chosen and subject.mixture and isinstance(spec, TrainerSpec) and spec.lora_rank and _is_ours(usual.connection):
        wrong += refuse_experts(chosen, told)
    if isinstance(spec, TrainerSpec) and usual.connection and not official_module(recipe):  # these have their renderers
        wrong += _refuse_messages(usual.connection, spec.base_model, told)
    if not isinstance(spec, TrainerSpec):
        return Placement((*spec, *wrong), usual)
    spec = replace(
        spec,
        recipe=recipe,
        recipe_parameters=told.parameters,
        dataset=told.dataset,
        evaluation=told.evaluation,
        recipe_beside=is_beside,
    )
    return Placement(tuple(wrong) or spec, usual if wrong else offer, beside)


def _is_ours(connection: Connection | None) -> bool:
    """Whether the trainer there is Slipway's own."""
    return connection is not None and open_provider(connection).capabilities.has_files


def _read_recipe(given: Any, offer: Offer) -> tuple[str, list[Violation]]:
    """The recipe; of one that is not there, who has it, or why it is not."""
    if offer.connection is None:
        return NO_RECIPE, []
    recipe, wrong = read_recipe(given, offer.recipe_names)
    owners = [str(each.connection) for each in offer.choices if given in (one.name for one in each.recipes)]
    why = f"It is a recipe of {one_of(owners)}: let it run there." if owners else offer.limits
    return recipe, [replace(found, description=f"{found.description} {why}".rstrip()) for found in wrong]


def _refuse_choice(
    wanted: str, offer: Offer, point: StartingPoint | None, inputs: Mapping[str, Any]
) -> Iterator[Violation]:
    """That the connection that was chosen does not take what others do, by the name of what chose it."""
    if offer.connection is not None or not offer.choices:
        return
    (chosen,) = (each for each in offer.verdicts if each.connection.name == wanted)
    does_not = f"{chosen.connection} does not take this: {' '.join(chosen.against)}"
    others = one_of([str(each.connection) for each in offer.choices])
    if point and not inputs.get(CONNECTION):
        yield Violation(CONTINUE_FROM, f"{point.label} lies on {chosen.connection}. {does_not} Choose another one.")
    else:
        yield Violation(CONNECTION, f"{does_not} Use {others}, or leave it out.")


def _refuse_messages(connection: Connection, base_model: str, told: RecipeSettings) -> Iterator[Violation]:
    """Of conversations where the base model is known to have no template to write them with."""
    files = ((DATASET, told.dataset), (EVALUATION, told.evaluation))
    chats = [(name, file) for name, file in files if file and file.format == DatasetFormat.CHAT]
    if not chats:
        return
    provider = open_provider(connection)
    if isinstance(provider, KnowsTemplates) and provider.has_chat_template(base_model) is False:
        for name, file in chats:
            words = f"{file.name} has conversations, and {base_model} has no chat template to write them with."
            yield Violation(name, f"{words} Use a base model that has one, or rows with prompt and completion.")


def companions_of(
    subject: Subject, spec: TrainerSpec, inputs: Mapping[str, Any]
) -> tuple[Companions, tuple[Violation, ...]]:
    """What a launch of the spec brings along, as the inputs ask; and why its reference cannot be."""
    beside, reference = ALONE, subject.reference
    if subject.serving and spec.deployment_replica_count:
        link = subject.snapshot.deployment_shape_version or ""
        sampler = sampler_spec(subject.serving, version=link, base_model=spec.base_model)
        beside = Companions(sampler=sampler, replicas=spec.deployment_replica_count)
    if not inputs.get(REFERENCE) or reference is None:
        return beside, ()
    made = resolve(reference, reference_inputs(reference, spec, inputs))
    if isinstance(made, TrainerSpec):
        return replace(beside, reference=made), ()
    return beside, tuple(Violation(REFERENCE, f"{reference.version_name}: {found.description}") for found in made)


def _load_it_yourself(point: StartingPoint) -> str:
    *_, job, _, name = point.name.split("/")
    return f'Without a recipe your own loop loads it: load_state("{CROSS_JOB}{job}/{name}"). Choose a recipe, or none.'


def default_offer(
    subject: Subject, connections: Sequence[Connection], *, wanted: str = ""
) -> tuple[TrainerSpec, Offer]:
    """The spec with nothing set, and which of the connections takes it: the wanted one where one is.

    Without the fields whose default the form would refuse, which versions may have that were frozen before defaults
    were checked: what users have to set instead, `resolve` says.
    """
    spec = resolve(subject, {})
    if isinstance(spec, TrainerSpec):
        return spec, offer_for(spec, connections, wanted=wanted)
    refused = {violation.field for violation in spec}
    allowed = tuple(field for field in subject.fields if field.name not in refused)
    return default_offer(replace(subject, fields=allowed), connections, wanted=wanted)


def _judge(
    connection: Connection,
    spec: TrainerSpec,
    beside: Companions,
    official: tuple[Recipe, ...],
    ours: Callable[[], Beside],
) -> Verdict:
    if reasons := (*reasons_against(connection, spec), *reasons_against_set(connection, spec, beside)):
        return Verdict(connection, reasons)
    provider = open_provider(connection)
    kind = kind_of(provider, spec)
    alike = [trainer for trainer in (spec, beside.reference) if trainer and kind_of(provider, trainer) == kind]
    gpus = sum(trainer.trainer_gpus for trainer in alike)
    own = provider.recipes(spec)
    drivable = any(recipe.name == NO_RECIPE for recipe in own) and not provider.capabilities.has_files
    driven = ours() if drivable else Beside()
    recipes = (*own, *driven.recipes, *official)
    return Verdict(connection, (), recipes, connection.wait_for(kind, gpus), driven.words)


def names_of(connections: Sequence[Connection]) -> tuple[str, ...]:
    """The names by which a user chooses."""
    return tuple(connection.name for connection in connections)
