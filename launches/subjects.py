"""What can be launched, read from the catalog."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from django.db.models import Q

from accounts.models import Account
from catalog.fields.snapshots import Snapshot
from catalog.models import BaseModel, ShapeVersion
from connections.models import Connection
from connections.providers.spec import TrainerSpec
from launches.placement import Offer, offer_for
from launches.resolve import Subject, resolve

MOST_FITTING_MODELS = 100


def subject_of(version: ShapeVersion, account: Account | None) -> Subject:
    """The version as `resolve` takes it, with the models that its shape fits and the account may see."""
    return Subject(
        version_name=version.name,
        snapshot=version.frozen_snapshot,
        fields=tuple(version.fields),
        fitting_models=fitting_models(version.shape.base_model, version.frozen_snapshot, account),
    )


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
