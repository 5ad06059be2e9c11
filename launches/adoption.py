"""What a trainer that nobody here knows becomes when it is adopted, or why it cannot be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from accounts.models import Account, Membership
from accounts.roles import Right, Role, allows
from catalog.fields.launch_fields import PLACES, FieldType, every_field
from catalog.fields.recipe_fields import of_shape
from catalog.models import ShapeVersion
from catalog.version_queries import find_launched
from connections.providers.recipes import VALIDATION_RECIPE
from connections.providers.spec import TrainerSpec
from connections.providers.submissions import KeptSubmission
from launches.models import Launch, UnknownTrainer
from launches.resolve import resolve
from launches.settings_on_wire import written_value
from launches.subjects import subject_of
from wire.errors import FailedPrecondition
from wire.names import parse_version_name

MOST_OWNERS = 500


@dataclass(frozen=True)
class Adoption:
    """What was asked for; whose it is where that account exists here; and of which launch it is the next attempt."""

    kept: KeptSubmission
    account: Account | None
    launch: Launch | None


def adoption_of(trainer: UnknownTrainer) -> Adoption:
    """What it would become. Errors: `FailedPrecondition` with why it cannot be adopted."""
    if trainer.end_requested_at is not None:
        raise FailedPrecondition("Its end was asked for already.")
    if trainer.kept is None:
        raise FailedPrecondition(
            f"{trainer.connection} does not tell which shape version it was asked for, so there is nothing to make a "
            "launch of. End it, or let it run."
        )
    kept = KeptSubmission.from_json(trainer.kept)
    if kept.spec is not None and kept.spec.recipe == VALIDATION_RECIPE:
        raise FailedPrecondition("It measures a version for a validation that nobody waits for any more. End it.")
    launch = _launch_of(trainer)
    if launch is not None:
        _refuse(launch, trainer)
    return Adoption(kept, Account.objects.filter(account_id=trainer.account_name).first(), launch)


def resolved(kept: KeptSubmission, account: Account | None) -> tuple[ShapeVersion, TrainerSpec]:
    """The version and the spec of what was asked for, for that account. Errors: `FailedPrecondition`."""
    parsed = parse_version_name(kept.version)
    version = find_launched([account.pk] if account else [], *parsed) if parsed and parsed[2] else None
    if version is None:
        whose = f"the catalog of {account.account_id}" if account else "the catalog"
        raise FailedPrecondition(
            f"It was started from {kept.version}, which {whose} does not have (any more). Bring it back, by a sync or "
            "a catalog file, and adopt it then."
        )
    if kept.spec is not None:
        return version, kept.spec
    subject = subject_of(version, account)
    told = {field.name: _given(kept, field.name) for field in subject.fields}
    spec = resolve(subject, told)
    if not isinstance(spec, TrainerSpec):
        wrong = " ".join(violation.description for violation in spec)
        raise FailedPrecondition(f"What it was asked for is nothing that {kept.version} takes here: {wrong}")
    return version, spec


def known_gpus(trainer: UnknownTrainer) -> int | None:
    """How many GPUs its trainers have, where the connection tells what it was asked for and the version is known."""
    if trainer.kept is None:
        return None
    account = Account.objects.filter(account_id=trainer.account_name).first()
    try:
        _, spec = resolved(KeptSubmission.from_json(trainer.kept), account)
    except FailedPrecondition:
        return None
    return None if spec.hide_specs else spec.trainer_gpus


def inputs_of(version: ShapeVersion, spec: TrainerSpec) -> dict[str, Any]:
    """What a clone starts from: the settings of the spec that this version lets users set."""
    written = {field.name: written_value(spec, field.name) for field in of_shape(version.fields)}
    return {name: value for name, value in written.items() if value not in (None, "")}


def possible_owners(account: Account | None) -> list[Membership]:
    """Who may own the launch: members who may launch, of that account, or of any where none is given."""
    enough = [role for role in Role if allows(role, Right.LAUNCH)]
    found = Membership.objects.filter(role__in=enough, user__is_active=True).select_related("account", "user")
    found = found if account is None else found.filter(account=account)
    return list(found.order_by("account__account_id", "user__username")[:MOST_OWNERS])


def _given(kept: KeptSubmission, name: str) -> Any:
    value = kept.settings.get(PLACES[name].spec)
    return f"{value}s" if value is not None and every_field()[name].type is FieldType.DURATION else value


def _launch_of(trainer: UnknownTrainer) -> Launch | None:
    """The launch here that the connection knows by the same name, where it ever took that one."""
    found = Launch.objects.filter(connection=trainer.connection, attempts__submitted_at__isnull=False)
    adopted = found.filter(adopted_account=trainer.account_name, adopted_job=trainer.job_id)
    own = found.filter(account__account_id=trainer.account_name, job_id=trainer.job_id, adopted_job="")
    return (adopted or own).first()


def _refuse(launch: Launch, trainer: UnknownTrainer) -> None:
    if launch.deleted_at is not None:
        raise FailedPrecondition(f"{launch.job_id} was deleted here. End its trainer.")
    if trainer.attempt_number <= launch.attempt_count:
        raise FailedPrecondition(
            f"It belongs to {launch.job_id}, which counts as {launch.state} here. Resume that launch: it goes on from "
            "what is there."
        )
    if launch.attempts.filter(finished_at=None).exists():
        raise FailedPrecondition(f"An earlier attempt of {launch.job_id} is not over here yet. Adopt it once it is.")
