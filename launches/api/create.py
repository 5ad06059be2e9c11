"""Create a trainer job: the request's three modes, brought to the one verb that the form calls, too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.db.models import BigIntegerField, QuerySet, TextField

from accounts.actors import Actor, require
from accounts.models import Account
from accounts.roles import Right
from api.refusals import invalid
from catalog.enums import ShapeKind
from catalog.models import ShapeVersion
from catalog.version_queries import find_launched
from catalog.visibility import may_see, of_kind
from launches.api.bodies import WIRE, labels_in, launch_inputs, refuse_unavailable
from launches.api.choice import choose_version
from launches.domain.check_launch import CheckedLaunch, check_launch
from launches.domain.create_launch import NOT_VALIDATED, create_launch
from launches.models import Launch
from launches.offers import refusal_sentence
from launches.placement import connections_of, default_offer
from launches.resolve import CONNECTION, WHEN_INTERRUPTED
from launches.subjects import subject_of
from lists.prepared import Given, Prepared
from wire.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Refusal,
    Violation,
)
from wire.names import SHAPE_FORM, VERSION_FORM, is_id, parse_version_name, refuse_name

MANUAL = (
    "Training shapes own the hardware here, so a job without one cannot be created (skipValidations). Name a shape by "
    "trainingShape, or leave out skipValidations and let the server choose one."
)


def create_job(
    *, actor: Actor, account: Account, mine: list[int], query: Mapping[str, str], body: Mapping[str, Any]
) -> Launch | CheckedLaunch:
    """Accept the job that the request describes; or, where it says `validateOnly`, say what would become of it.

    Errors: as `create_launch`, with the request's own field names; `PermissionDenied` for the manual mode; `NotFound`
    for a shape that the key may not see; `FailedPrecondition` with the near misses where no shape could be chosen.
    """
    only_checked = only_checks(query)
    require(actor, account, Right.LAUNCH)
    if query["skipValidations"].lower() not in ("", "false", "0"):
        raise PermissionDenied(MANUAL, reason="TRAINING_SHAPE_NEEDED")
    refuse_unavailable(body)
    try:
        return _create(actor, account, mine, query, body, only_checked=only_checked)
    except Refusal:
        refuse_taken(account, query["rlorTrainerJobId"])
        raise


def _create(
    actor: Actor,
    account: Account,
    mine: list[int],
    query: Mapping[str, str],
    body: Mapping[str, Any],
    *,
    only_checked: bool,
) -> Launch | CheckedLaunch:
    named, job = query["trainingShape"], query["rlorTrainerJobId"]
    version = _named(mine, named) if named else choose_version(account, mine, body)
    inputs = launch_inputs(version.frozen_snapshot, body, named=bool(named))
    inputs |= {CONNECTION: query["connection"], WHEN_INTERRUPTED: query["whenInterrupted"]}
    verb: Callable[..., Launch | CheckedLaunch] = check_launch if only_checked else create_launch
    try:
        return verb(
            actor=actor,
            account=account,
            version=version,
            inputs=inputs,
            idempotency_key=None,
            job_id=job or None,
            labels=labels_in(body),
        )
    except InvalidArgument as refusal:
        violations = [Violation(WIRE.get(v.field, v.field), v.description) for v in refusal.violations]
        nowhere = _unplaced(version, account, inputs) if only_checked else []
        raise InvalidArgument([*violations, *nowhere]) from None


def refuse_taken(account: Account, job: str) -> None:
    """Errors: `AlreadyExists` where the account has a job of that id.

    Also of what is refused for another reason: a request that is repeated finds its job, whatever became of the shape.
    """
    if _OF_ID.rows(account=account.pk, job=job if is_id(job) else ""):
        raise AlreadyExists(f"The job id {job} is taken in {account.account_id}. Choose another.")


def _of_id() -> QuerySet[Launch, int]:
    of_id = Launch.objects.filter(account_id=Given("account", BigIntegerField()), job_id=Given("job", TextField()))
    return of_id.values_list("pk", flat=True)


_OF_ID = Prepared(_of_id)


def only_checks(query: Mapping[str, str]) -> bool:
    """Whether nothing is to be created. Errors: `InvalidArgument`."""
    return _read_flag("validateOnly", query["validateOnly"])


def _read_flag(name: str, written: str) -> bool:
    """Errors: `InvalidArgument` where it is neither: what was meant as a question must launch nothing."""
    if written.lower() in ("true", "1"):
        return True
    if written.lower() in ("", "false", "0"):
        return False
    raise invalid(name, f"{written[:80]!r} is neither true nor false. Use one of them.")


def _unplaced(version: ShapeVersion, account: Account, inputs: Mapping[str, Any]) -> list[Violation]:
    """Beside what is wrong with the values: that no connection runs the shape, whatever they are."""
    _, offer = default_offer(subject_of(version, account, inputs), connections_of(account))
    return [] if offer.connection else [Violation("trainingShape", refusal_sentence(offer))]


def _named(mine: list[int], name: str) -> ShapeVersion:
    parsed = parse_version_name(name)
    if parsed is None:
        form = VERSION_FORM if "/versions/" in name else SHAPE_FORM
        sentence = refuse_name(name, form, what="name of a shape")
        raise invalid("trainingShape", f"{sentence}. To pin a version, add /versions/VERSION.")
    account, shape, version_id = parsed
    version = find_launched(mine, account, shape, version_id)
    if version:
        return version
    shape_versions = ShapeVersion.objects.filter(
        may_see(mine), of_kind(ShapeKind.TRAINING), shape__account__account_id=account, shape__shape_id=shape
    )
    if not version_id and shape_versions.exists():
        raise FailedPrecondition(
            f"{name} has no validated version that was published. Pin one, or ask its publisher.",
            reason=NOT_VALIDATED,
        )
    raise NotFound(f"There is no {name[:300]} that this API key may see.")
