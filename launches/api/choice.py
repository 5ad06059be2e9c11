"""The shape of a job that names none: what the request wants and what there is, brought to the catalog's rule."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from django.db.models import BigIntegerField, Case, F, Q, QuerySet, Value, When
from django.db.models.fields.json import KT
from django.db.models.functions import Abs, Cast

from accounts.models import Account
from api.refusals import invalid
from catalog.models import ShapeVersion
from catalog.queries import find_model, listed
from catalog.selection import BILLION, Candidate, ShapeRequirements, bucket, choose, near_misses
from catalog.states import ModelKind
from catalog.trained_queries import find_trained
from connections.providers.spec import TrainerMode
from launches.api.bodies import WIRE, value_at
from launches.resolve import CONTINUE_FROM, no_rank
from wire.errors import FailedPrecondition
from wire.names import MODEL_FORM, parse_model_name, refuse_name

_STARTS = (WIRE[CONTINUE_FROM], WIRE["base_model"])
MOST_CONSIDERED = 100
"""Shapes of each kind that are compared; the database puts the closest first, but sorts names in its own way."""


def choose_version(account: Account, mine: list[int], body: Mapping[str, Any]) -> ShapeVersion:
    """The version that the account's job runs on.

    Errors: `InvalidArgument` for the base model; `FailedPrecondition` with the near misses where no shape will do.
    """
    wanted = _wanted(account, mine, body)
    candidates: list[Candidate] = []
    for rows in (_exact_rows, _alike_rows):
        candidates += [_candidate(version) for version in rows(mine, wanted)[:MOST_CONSIDERED]]
        if found := choose(wanted, candidates):
            return ShapeVersion.objects.select_related("shape__account", "shape__base_model__account").get(pk=found.pk)
    misses = "; ".join(f"{miss.shape}: {miss.fails}" for miss in near_misses(wanted, candidates))
    context = f" with {wanted.context:,} tokens of context" if wanted.context else ""
    image = f" on image {wanted.image[:80]}" if wanted.image else ""
    raise FailedPrecondition(
        f"No training shape fits {wanted.base_model} as {wanted.mode}{context}{image}. "
        + (f"Near misses: {misses}. Change what you ask for, or name one." if misses else "There is none for it."),
        reason="NO_TRAINING_SHAPE_FITS",
    )


def _wanted(account: Account, mine: list[int], body: Mapping[str, Any]) -> ShapeRequirements:
    start = next((str(given) for given in map(partial(value_at, body), _STARTS) if given), "")
    if sentence := refuse_name(start, MODEL_FORM, what="base model"):
        raise invalid(WIRE["base_model"], f"{sentence}. Or name a shape.")
    made, name, rank = find_trained(mine, start), start, value_at(body, WIRE["lora_rank"])
    goes_on = made is not None and made.kind == ModelKind.ADAPTER and rank is None
    mode = TrainerMode.POLICY_TRAINER if no_rank(rank) and not goes_on else TrainerMode.LORA_TRAINER
    model = made or find_model(mine, name)
    return ShapeRequirements(
        base_model=made.root_model if made else model.name if model else name,
        mode=TrainerMode.FORWARD_ONLY if body.get("forwardOnly") else mode,
        context=value_at(body, WIRE["max_context_length"]) or 0,
        model_type=model.model_type if model else None,
        parameter_count=model.parameter_count if model else None,
        image=value_at(body, WIRE["custom_image_tag"]) or "",
        account=account.account_id,
    )


def _exact_rows(mine: list[int], wanted: ShapeRequirements) -> QuerySet[ShapeVersion]:
    return _closest_first(listed(mine).filter(_is_for(wanted)), wanted)


def _alike_rows(mine: list[int], wanted: ShapeRequirements) -> QuerySet[ShapeVersion]:
    """Shapes for other models of the type and about the size of the wanted one.

    A shape takes models of its own model's account and of the launching one (`launches.subjects`), so only of those.
    """
    if not (wanted.model_type and wanted.parameter_count):
        return ShapeVersion.objects.none()
    rows = listed(mine).filter(snapshot__modelType=wanted.model_type).exclude(_is_for(wanted))
    if (owner := wanted.model_account) != wanted.account:
        rows = rows.filter(shape__base_model__account__account_id=owner)
    width, number = bucket(wanted.parameter_count)
    rows = rows.alias(size=Cast(KT("snapshot__parameterCount"), BigIntegerField()))
    rows = rows.filter(size__gte=number * width * BILLION, size__lt=(number + 1) * width * BILLION)
    return _closest_first(rows, wanted, Q(size=wanted.parameter_count))


def _is_for(wanted: ShapeRequirements) -> Q:
    account, model = parse_model_name(wanted.base_model) or ("", "")
    return Q(shape__base_model__account__account_id=account, shape__base_model__model_id=model)


def _closest_first(rows: QuerySet[ShapeVersion], wanted: ShapeRequirements, *needed: Q) -> QuerySet[ShapeVersion]:
    """In the order of the choice, after how many of the things that are needed are missing."""
    image = [Q(snapshot__trainerImageTag=wanted.image)] if wanted.image else []
    needed = (*needed, Q(trainer_mode=wanted.mode), Q(max_context__gte=wanted.context), *image)
    account = "shape__account__account_id"
    return rows.select_related("shape__account", "shape__base_model__account").order_by(
        sum((Case(When(condition, then=0), default=1) for condition in needed), start=Value(0)),
        Case(When(**{account: wanted.account}, then=0), When(**{account: wanted.model_account}, then=1), default=2),
        F("deprecated_at").asc(nulls_first=True),
        Abs(F("max_context") - wanted.context),
        "gpus",
        account,
        "shape__shape_id",
    )


def _candidate(version: ShapeVersion) -> Candidate:
    snapshot = version.frozen_snapshot
    assert snapshot.trainer_mode, "what is listed trains"
    return Candidate(
        pk=version.pk,
        shape=version.shape.name,
        account=version.shape.account.account_id,
        base_model=version.shape.base_model.name,
        mode=snapshot.trainer_mode,
        context=snapshot.max_supported_context_length,
        gpus=snapshot.gpus,
        image=snapshot.trainer_image_tag or "",
        model_type=snapshot.model_type,
        parameter_count=snapshot.parameter_count,
        deprecated=version.deprecated_at is not None,
    )
