"""Launches that measure a version: a validation makes them, through the same verb as everybody's.

What such a launch may do beyond an ordinary launch stands here. No form and no other door can ask for one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from accounts.actors import Actor
from catalog.models import ShapeVersion
from catalog.rights import require_publisher
from catalog.states import VersionState
from connections.providers.recipes import VALIDATION_RECIPE
from connections.providers.spec import TrainerSpec
from launches.models import Launch
from launches.offers import NOBODY, Offer
from launches.placement import Placement, connections_of, offer_for
from launches.resolve import resolve
from launches.subjects import bare_subject
from wire.errors import FailedPrecondition, InvalidArgument

BY_HAND_ONLY = "No validation runs a sampler, so a deployment shape is validated by hand."
MEASURED_ONCE = "It is the launch of a validation, which measures once. Validate the version again instead of resuming."
_MEASURABLE = frozenset({VersionState.VALIDATING, VersionState.VALIDATED})


@dataclass(frozen=True)
class ValidationRun:
    """A sample run of `steps` steps (at least 1) of recipe `validation`, with the version's own defaults."""

    steps: int


def refuse_validation_run(actor: Actor, version: ShapeVersion) -> None:
    """Pass where the actor may have the version measured: a publisher of its account, while it is validated or after.

    Errors: `NotFound`, `PermissionDenied`, `FailedPrecondition`.
    """
    require_publisher(actor, version.shape.account)
    if version.state not in _MEASURABLE:
        raise FailedPrecondition(f"{version.name} is {version.state.lower()}; only its validation can run it.")
    if version.withdrawn_at is not None:
        raise FailedPrecondition(f"{version.name} was withdrawn, so there is nothing left to measure.")


def _measuring(spec: TrainerSpec, version: ShapeVersion, validation_run: ValidationRun) -> TrainerSpec:
    """The resolved spec as a validation runs it."""
    name = f"Validation of {version.version_id}"
    return replace(spec, recipe=VALIDATION_RECIPE, recipe_steps=validation_run.steps, display_name=name)


def is_validation_run(launch: Launch) -> bool:
    """Whether a validation made the launch, whose trainer nobody else may drive: the version may not be validated."""
    return bool(launch.spec["recipe"] == VALIDATION_RECIPE)


def place_validation(version: ShapeVersion, validation_run: ValidationRun) -> Placement:
    """The spec of a validation of the version, and who runs it. Errors: `InvalidArgument` where it has no defaults."""
    account = version.shape.account
    spec = resolve(bare_subject(version), {})
    if not isinstance(spec, TrainerSpec):
        raise InvalidArgument(spec)
    spec = _measuring(spec, version, validation_run)
    return Placement(spec, offer_for(spec, connections_of(account)))


def validation_offer(version: ShapeVersion, validation_run: ValidationRun) -> Offer:
    """Who would run a validation of the version: of a deployment shape nobody. Errors: as in `place_validation`."""
    if version.trainer_mode is None:
        return NOBODY
    return place_validation(version, validation_run).offer
