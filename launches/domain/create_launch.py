"""Accept a launch: everything that makes it one, in one transaction."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Mapping
from typing import Any, cast

from django.db import IntegrityError, transaction
from django.db.models import BigIntegerField, Exists, QuerySet, TextField

from accounts.actors import SYSTEM, Actor, require
from accounts.domain.record import entry_of
from accounts.models import Account
from accounts.roles import Right
from catalog.model_queries import find_model
from catalog.models import ShapeVersion, TrainedModel
from catalog.states import VersionState
from catalog.version_queries import successor_of
from connections.domain.held import require_open, stays_open
from connections.providers.spec import TrainerSpec
from launches.domain.append_event import TimelineLine, next_events
from launches.domain.plan_run import plan_run
from launches.labels import Labels
from launches.live.hints import ADVANCE
from launches.live.wake import wake
from launches.models import Attempt, Launch
from launches.offers import refusal_sentence
from launches.placement import connections_of, place
from launches.resolve import REFERENCE, goes_on
from launches.search import launch_search_text
from launches.space import require_space
from launches.subjects import asked_subject
from launches.validation_runs import ValidationRun, place_validation, refuse_validation_run
from lists.prepared import Given, Prepared
from lists.together import write_together
from queues.hints import hint_on_commit
from wire.errors import (
    AlreadyExists,
    Conflict,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Violation,
)
from wire.names import parse_model_name, refuse_id

MAX_KEY = 64
NO_LABELS = Labels()
NOT_VALIDATED = "TRAINING_SHAPE_NOT_VALIDATED"
"""A program's word for why a version may not be launched."""


def create_launch(
    *,
    actor: Actor,
    account: Account,
    version: ShapeVersion,
    inputs: Mapping[str, Any],
    idempotency_key: str | None,
    job_id: str | None = None,
    validation_run: ValidationRun | None = None,
    as_latest: bool = False,
    labels: Labels = NO_LABELS,
    reference_of: Launch | None = None,
    beside: Callable[[Launch], None] | None = None,
) -> Launch:
    """Accept a launch of `version` in `account`, or answer the one that the same key made before.

    `version` must be visible to the actor (the caller looked it up so). No key is one that nobody used before. `job_id`
    is ours where it is None. With a
    `validation_run`, which only a validation gives, the version need not be validated yet, and the actor must be a
    publisher. With `as_latest` it still has to be the latest validated one when the launch is written. `beside` makes
    what is launched with it, in the transaction that writes it, and is asked for nothing where it was made before.
    Errors: `InvalidArgument` with every violation, `PermissionDenied`, `NotFound`, `FailedPrecondition` where the
    version may not be launched or no connection takes it, `AlreadyExists` where the key or the job id means something
    else already, `Conflict` where the version is the latest one no more, `ResourceExhausted` where the disk is nearly
    full.
    """
    require(actor, account, Right.LAUNCH)
    if actor.user is None:
        raise PermissionDenied("A launch has an owner: only a signed-in user can make one.")
    _permit(actor, version, validation_run)
    key = uuid.uuid4().hex if idempotency_key is None else idempotency_key
    job = job_id or job_id_from(actor.user.pk, key)
    if validation_run:
        placement = place_validation(version, validation_run)
    else:
        placement = place(asked_subject(version, account, inputs), inputs, connections_of(account))
    spec, offer = _complete(placement.spec, job=job, key=key, labels=labels), placement.offer
    if idempotency_key is not None and (found := _made_before(actor, account, key, spec, version, inputs)):
        return found
    if offer.connection is None:
        raise FailedPrecondition(refusal_sentence(offer))
    require_space()
    launch = Launch(
        account=account,
        job_id=job,
        owner=actor.user,
        made_by_program=actor.scope is not None,
        shape_version=version,
        display_name=spec.display_name,
        spec=spec.as_json(),
        inputs={name: value for name, value in inputs.items() if value not in (None, "")},
        search_text=launch_search_text(
            display_name=spec.display_name, job_id=job, base_model=spec.base_model, shape=version.shape
        ),
        purpose=labels.purpose,
        managed_by=labels.managed_by,
        connection=offer.connection,
        goes_on=validation_run is None and goes_on(inputs, spec),
        idempotency_key=key,
        reference_of=reference_of,
    )
    try:
        return _write(actor, launch, validation_run=validation_run, as_latest=as_latest, beside=beside)
    except IntegrityError:
        # Someone was faster: the same key in another request, or the same job id.
        if found := _made_before(actor, account, key, spec, version, inputs):
            return found
        if not Launch.objects.filter(account=account, job_id=job).exists():
            raise
        raise AlreadyExists(_taken(account, job)) from None


def check_launchable(version: ShapeVersion) -> None:
    """Pass where the version may be launched. Errors: `FailedPrecondition`."""
    if version.trainer_mode is None:
        raise FailedPrecondition(f"{version.name} is of samplers. Launch a training shape that links it.")
    if version.state != VersionState.VALIDATED:
        raise FailedPrecondition(f"{version.name} is not validated, so it cannot be launched.", reason=NOT_VALIDATED)
    if version.withdrawn_at is not None:
        raise FailedPrecondition(
            f"{version.name} was withdrawn by its publisher. Choose another version or shape.", reason=NOT_VALIDATED
        )
    if version.unreadable:
        raise FailedPrecondition(f"{version.name}: {version.unreadable}")


def _permit(actor: Actor, version: ShapeVersion, validation_run: ValidationRun | None) -> None:
    if validation_run is None:
        check_launchable(version)
    else:
        refuse_validation_run(actor, version)


def _hold(actor: Actor, launch: Launch, validation_run: ValidationRun | None, as_latest: bool) -> ShapeVersion:
    """The version as it is now, without what never changes. Until the launch is written it stays so, and stays there.

    The connection stays open as long. Errors: as above; `AlreadyExists` where it runs an adopted launch under the name
    of this one.
    """
    version, account = launch.shape_version, launch.account
    found = _HELD.first(
        version=version.pk, connection=launch.connection_id, account=account.account_id, job=launch.job_id
    )
    if found is None:
        raise NotFound(f"{version.name} was deleted. Choose another version or shape.")
    if found.is_taken:
        raise AlreadyExists(_taken(account, launch.job_id))
    if not found.has_open_connection:
        require_open(launch.connection)
    found.shape = version.shape  # it never becomes another shape's, and no shape changes its name
    _permit(actor, found, validation_run)
    if as_latest and not found.is_latest_validated:
        raise Conflict(f"{version.name} is not the latest version any more. Look at what changed, and choose one.")
    return cast(ShapeVersion, found)


def _held() -> QuerySet[ShapeVersion, Any]:
    """The version, whether the connection takes launches, and whether it runs an adopted one under the name.

    That no name is empty says what the index of the adopted ones is of, which a plan for any values does not know.
    """
    connection = Given("connection", BigIntegerField())
    adopted = Launch.objects.filter(
        connection_id=connection,
        adopted_account=Given("account", TextField()),
        adopted_job=Given("job", TextField()),
    ).exclude(adopted_job="")
    held = ShapeVersion.objects.select_for_update(no_key=True, of=("self",)).defer("snapshot", "launch_fields", "note")
    held = held.annotate(is_taken=Exists(adopted), has_open_connection=stays_open(connection))
    return held.filter(pk=Given("version", BigIntegerField()))


_HELD: Prepared[Any] = Prepared(_held)


def _hold_base(launch: Launch) -> None:
    """Where it starts from models that people made, nobody deletes one before the launch is written.

    Errors: `FailedPrecondition` where somebody just did.
    """
    spec = TrainerSpec.from_json(launch.spec)
    base = spec.base_model
    is_known = base == launch.shape_version.frozen_snapshot.base_model or find_model([launch.account_id], base)
    for name in filter(None, ("" if is_known else base, spec.adapter)):
        _, model_id = parse_model_name(name) or ("", "")
        held = TrainedModel.objects.select_for_update(no_key=True).filter(account=launch.account, model_id=model_id)
        if held.first() is None:
            raise FailedPrecondition(f"{name} was deleted. Choose another model.")


def _complete(spec: TrainerSpec | tuple[Violation, ...], *, job: str, key: str, labels: Labels) -> TrainerSpec:
    """The spec where nothing is wrong with it, nor with what stands beside it. Errors: `InvalidArgument`."""
    violations = [*(spec if not isinstance(spec, TrainerSpec) else ()), *labels.problems()]
    if sentence := refuse_id(job, what="job id"):
        violations.append(Violation("job_id", f"{sentence}."))
    if not 1 <= len(key) <= MAX_KEY or not key.isprintable():
        violations.append(Violation("idempotency_key", f"Use 1 to {MAX_KEY} printable characters."))
    if violations or not isinstance(spec, TrainerSpec):
        raise InvalidArgument(violations)
    return spec


def _taken(account: Account, job: str) -> str:
    return f"The job id {job} is taken in {account.account_id}. Choose another."


def job_id_from(owner_pk: int | None, key: str) -> str:
    """The same user's same key gives the same id, so that a form sent twice names one job, and nobody else's does."""
    return "launch-" + hashlib.sha256(f"{owner_pk}:{key}".encode()).hexdigest()[:12]


def _made_before(
    actor: Actor,
    account: Account,
    key: str,
    spec: TrainerSpec,
    version: ShapeVersion,
    inputs: Mapping[str, Any],
) -> Launch | None:
    found = (
        Launch.objects.filter(owner=actor.user, idempotency_key=key).select_related("account", "shape_version").first()
    )
    if found is None:
        return None
    if found.account_id != account.pk:
        raise AlreadyExists(
            f"This form was sent before in account {found.account.account_id} and became {found.job_id}. "
            f"Open a new form to launch in {account.account_id}."
        )
    same = (found.inputs.get(REFERENCE) or "") == (inputs.get(REFERENCE) or "")
    accepted = {name: value for name, value in found.spec.items() if name != "extra_steps"}  # asked for since
    if accepted != spec.as_json() or found.shape_version_id != version.pk or not same:
        raise AlreadyExists(
            f"This form was sent before with other values and became {found.job_id}. "
            "Open a new form to launch again with these."
        )
    return found


@transaction.atomic
def _write(
    actor: Actor,
    launch: Launch,
    *,
    validation_run: ValidationRun | None,
    as_latest: bool,
    beside: Callable[[Launch], None] | None,
) -> Launch:
    version = _hold(actor, launch, validation_run, as_latest)
    _hold_base(launch)
    events = next_events(launch, [TimelineLine("state", "Accepted", {"state": launch.state})], actor=actor)
    if version.deprecated_at is not None:
        warning = TimelineLine("warning", _deprecation(version, launch.account))
        events += next_events(launch, [warning], actor=SYSTEM)
    if validation_run:
        message = f"For the validation of {version.name}: {validation_run.steps} steps, one of them at the full context"
        events += next_events(launch, [TimelineLine("probe", message)], actor=actor)
    attempt = Attempt(launch=launch, number=1)
    entry = entry_of(
        actor=actor, verb="create_launch", target=launch.name, account=launch.account, after={"spec": launch.spec}
    )
    write_together(launch, attempt, *events, entry)
    launch.every_attempt = [attempt]
    plan_run(launch, attempt)
    if beside:
        beside(launch)
    wake(launch)
    hint_on_commit(ADVANCE, attempt.pk)
    return launch


def _deprecation(version: ShapeVersion, account: Account) -> str:
    said = f": {version.deprecation_message}" if version.deprecation_message else "."
    successor = successor_of([account.pk], version)
    instead = f" Use {successor.name} instead." if successor else ""
    return f"{version.name} is deprecated{said}{instead}"
