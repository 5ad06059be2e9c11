"""The shape of a job or a reference that names none: of those in the catalog, the one by the catalog's rule."""

from __future__ import annotations

from django.db.models import BigIntegerField, Case, F, Q, QuerySet, Value, When
from django.db.models.fields.json import KT
from django.db.models.functions import Abs, Cast

from catalog.models import ShapeVersion
from catalog.selection import BILLION, Candidate, ShapeRequirements, bucket, choose
from catalog.visibility import listed
from wire.names import parse_model_name

MOST_CONSIDERED = 100
"""Shapes of each kind that are compared; the database puts the closest first, but sorts names in its own way."""


def choose_shape(mine: list[int], wanted: ShapeRequirements) -> tuple[ShapeVersion | None, list[Candidate]]:
    """The version for members of the accounts `mine`, None where none will do, and all that were considered."""
    candidates: list[Candidate] = []
    for rows in (_exact_rows, _alike_rows):
        candidates += [_candidate(version) for version in rows(mine, wanted)[:MOST_CONSIDERED]]
        if found := choose(wanted, candidates):
            versions = ShapeVersion.objects.select_related("shape__account", "shape__base_model__account")
            return versions.get(pk=found.pk), candidates
    return None, candidates


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
    needed = (*needed, Q(trainer_mode__in=wanted.modes), Q(max_context__gte=wanted.context), *image)
    account = "shape__account__account_id"
    return rows.select_related("shape__account", "shape__base_model__account").order_by(
        sum((Case(When(condition, then=0), default=1) for condition in needed), start=Value(0)),
        Case(When(trainer_mode=wanted.mode, then=0), default=1),
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
