"""Adopt a trainer that nobody here knows: it becomes an attempt of a launch, and is observed like every other."""

from __future__ import annotations

import hashlib
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from accounts.actors import Actor, require, require_superuser, user_actor
from accounts.domain.record import record
from accounts.models import Membership
from accounts.roles import Right
from connections.providers.states import AttemptState
from launches.adoption import Adoption, adoption_of, inputs_of, resolved
from launches.domain.append_event import append_event
from launches.live.hints import ADVANCE
from launches.live.wake import wake
from launches.models import Attempt, Launch, UnknownTrainer
from launches.search import launch_search_text
from queues.hints import hint_on_commit
from wire.errors import AlreadyExists, InvalidArgument, NotFound, Violation
from wire.names import refuse_id


@transaction.atomic
def adopt_trainer(
    *, actor: Actor, trainer: UnknownTrainer, owner: Membership | None = None, job_id: str = ""
) -> Launch:
    """Make it an attempt here; nothing is told to its connection.

    It is the next attempt of the launch that it belongs to; where it belongs to none, a new launch of that owner, in
    the account that it was started for where that exists here. `job_id` is the one that it has there unless given.
    Errors: `PermissionDenied` for all but superusers, `NotFound`, `FailedPrecondition` with why it cannot be,
    `InvalidArgument`, `AlreadyExists` where the job id is taken.
    """
    require_superuser(actor)
    rows = UnknownTrainer.objects.select_for_update(of=("self",)).select_related("connection")
    row = rows.filter(pk=trainer.pk).first()
    if row is None:
        raise NotFound("There is no such trainer: it has ended, or somebody adopted it.")
    adoption, now = adoption_of(row), timezone.now()
    launch = _next_attempt(row, adoption) if adoption.launch else _new_launch(row, adoption, owner, job_id)
    attempt = Attempt.objects.create(launch=launch, number=launch.attempt_count, submitted_at=now, adopted_at=now)
    message = f"Adopted from {row.connection}, where it {_since(row.since)}"
    append_event(launch, kind="state", message=message, actor=actor, data={"state": AttemptState.QUEUED})
    after = {"attempt": attempt.number, "known there as": row.name, "spec": launch.spec}
    record(actor=actor, verb="adopt_trainer", target=launch.name, account=launch.account, after=after)
    row.delete()
    wake(launch)
    hint_on_commit(ADVANCE, attempt.pk)
    return launch


def _next_attempt(row: UnknownTrainer, adoption: Adoption) -> Launch:
    assert adoption.launch is not None
    launch = Launch.objects.select_for_update(of=("self",)).select_related("account").get(pk=adoption.launch.pk)
    launch.attempt_count, launch.state = row.attempt_number, AttemptState.QUEUED
    launch.save(update_fields=["attempt_count", "state"])
    return launch


def _new_launch(row: UnknownTrainer, adoption: Adoption, owner: Membership | None, job_id: str) -> Launch:
    job = job_id or row.job_id
    violations = [Violation("job_id", f"{sentence}.")] if (sentence := refuse_id(job, what="job id")) else []
    if owner is None or adoption.account not in (None, owner.account):
        violations.append(Violation("owner", "Choose who owns the launch, of the accounts that are offered."))
    if violations or owner is None:
        raise InvalidArgument(violations)
    require(user_actor(owner.user), owner.account, Right.LAUNCH)
    if Launch.objects.filter(account=owner.account, job_id=job).exists():
        raise AlreadyExists(f"The job id {job} is taken in {owner.account.account_id}. Choose another.")
    version, spec = resolved(adoption.kept, owner.account)
    is_as_there = (row.account_name, row.job_id) == (owner.account.account_id, job)
    return Launch.objects.create(
        account=owner.account,
        job_id=job,
        owner=owner.user,
        shape_version=version,
        display_name=spec.display_name,
        spec=spec.as_json(),
        inputs=inputs_of(version, spec),
        search_text=launch_search_text(
            display_name=spec.display_name, job_id=job, base_model=spec.base_model, shape=version.shape
        ),
        connection=row.connection,
        adopted_account="" if is_as_there else row.account_name,
        adopted_job="" if is_as_there else row.job_id,
        idempotency_key="adopted-" + hashlib.sha256(str(row).encode()).hexdigest()[:40],
        attempt_count=max(1, row.attempt_number),
    )


def _since(since: datetime | None) -> str:
    return f"has run or waited since {since:%Y-%m-%d %H:%M} UTC" if since else "runs, or waits, already"
