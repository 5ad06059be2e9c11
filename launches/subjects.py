"""What can be launched, read from the catalog."""

from __future__ import annotations

from django.db.models import Q

from accounts.models import Account
from catalog.fields.snapshots import Snapshot
from catalog.models import BaseModel, ShapeVersion
from launches.resolve import Subject

MOST_FITTING_MODELS = 100


def subject_of(version: ShapeVersion, account: Account | None) -> Subject:
    """The version as `resolve` takes it, with the models that its shape fits and the account may see."""
    return Subject(
        version_name=version.name,
        snapshot=version.frozen_snapshot,
        fields=tuple(version.fields),
        fitting_models=fitting_models(version.shape.base_model, version.frozen_snapshot, account),
    )


def fitting_models(own: BaseModel, snapshot: Snapshot, account: Account | None) -> tuple[str, ...]:
    """The shape's own base model first, then models of the same type and parameter count, where both are known."""
    if snapshot.model_type is None or snapshot.parameter_count is None:
        return (own.name,)
    alike = (
        BaseModel.objects.filter(model_type=snapshot.model_type, parameter_count=snapshot.parameter_count)
        .filter(Q(account=account) | Q(account=own.account_id))
        .exclude(pk=own.pk)
        .select_related("account")
        .order_by("position", "id")[: MOST_FITTING_MODELS - 1]
    )
    return (own.name, *(model.name for model in alike))
