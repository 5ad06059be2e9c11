"""Bring the catalog to what a document says."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import Max, Min

from accounts.actors import Actor, require
from accounts.models import Account
from accounts.roles import Right
from catalog import snapshots
from catalog.document import Document, ModelEntry, ShapeEntry
from catalog.domain.arrange_models import arrange_models
from catalog.domain.create_shape import create_shape, search_text
from catalog.domain.import_version import import_version
from catalog.models import BaseModel, ShapeVersion, TrainingShape
from wire.errors import FailedPrecondition


@dataclass
class Loaded:
    """What a document changed, by kind: ids that are new, ids whose facts changed, versions published."""

    account_id: str
    models: int = 0
    shapes: int = 0
    created: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)

    @property
    def nothing(self) -> bool:
        """Whether everything was as the document says before."""
        return not (self.created or self.changed or self.versions)


@transaction.atomic
def load_catalog(*, actor: Actor, document: Document) -> Loaded:
    """Create and update models and shapes, and publish a version of each shape whose frozen facts differ.

    All or nothing, and idempotent: loading the same document again writes nothing. What the document does not name
    stays as it is. Errors: `NotFound`, `PermissionDenied`, `FailedPrecondition` where a shape would change its model.
    """
    account = _account(document)
    require(actor, account, Right.PUBLISH)
    loaded = Loaded(document.account_id, len(document.models), sum(len(model.shapes) for model in document.models))
    models = _put_models(account, document, loaded)
    shapes = {
        s.shape_id: s for s in TrainingShape.objects.filter(account=account).select_related("account", "base_model")
    }
    digests = dict(
        ShapeVersion.objects.filter(shape__account=account, is_latest_validated=True).values_list(
            "shape__shape_id", "digest"
        )
    )
    for model_entry in document.models:
        base_model = models[model_entry.model_id]
        for position, entry in enumerate(model_entry.shapes):
            shape = _put_shape(actor, account, base_model, entry, position, shapes.get(entry.shape_id), loaded)
            if digests.get(entry.shape_id) != _digest(entry):
                version = import_version(
                    actor=actor,
                    shape=shape,
                    snapshot=entry.snapshot,
                    launch_fields=entry.launch_fields,
                    public=document.public,
                )
                loaded.versions.append(version.version_id)
    return loaded


def _account(document: Document) -> Account:
    """The document's account, locked, so that two loads of it wait for each other."""
    Account.objects.get_or_create(account_id=document.account_id, defaults={"display_name": document.display_name})
    return Account.objects.select_for_update().get(account_id=document.account_id)


def _digest(entry: ShapeEntry) -> str:
    return snapshots.digest(entry.snapshot, [field.as_json() for field in entry.launch_fields])


def _put_models(account: Account, document: Document, loaded: Loaded) -> dict[str, BaseModel]:
    known = {model.model_id: model for model in BaseModel.objects.filter(account=account)}
    in_order = _order_within_sections(document, known)
    for entry in document.models:
        facts = _model_facts(entry)
        model = known.get(entry.model_id)
        if model is None:
            known[entry.model_id] = BaseModel.objects.create(
                account=account, model_id=entry.model_id, position=0, **facts
            )
            loaded.created.append(entry.model_id)
        elif _update(model, facts):
            loaded.changed.append(entry.model_id)
            _refresh_search(model)
    if not in_order:
        _place(account, document, known)
        arrange_models()
    return known


def _refresh_search(base_model: BaseModel) -> None:
    """Let free text find all shapes of the model under its new title, those of other documents too."""
    shapes = list(TrainingShape.objects.filter(base_model=base_model))
    for shape in shapes:
        shape.search_text = search_text(display_name=shape.display_name, shape_id=shape.shape_id, base_model=base_model)
    TrainingShape.objects.bulk_update(shapes, ["search_text"])


def _model_facts(entry: ModelEntry) -> dict[str, Any]:
    return {
        "title": entry.title,
        "family": entry.family,
        "section": entry.section,
        "architecture": entry.architecture or "",
        "model_type": entry.model_type,
        "parameter_count": entry.parameter_count,
    }


def _order_within_sections(document: Document, known: dict[str, BaseModel]) -> bool:
    """Whether the models are all there and stand, section by section, in the document's order already."""
    sections: dict[tuple[str, str], list[int]] = defaultdict(list)
    for entry in document.models:
        model = known.get(entry.model_id)
        if model is None or (model.family, model.section) != (entry.family, entry.section):
            return False
        sections[entry.family, entry.section].append(model.position)
    return all(positions == sorted(positions) for positions in sections.values())


def _place(account: Account, document: Document, known: dict[str, BaseModel]) -> None:
    """Give the document's models its order: where the account's models began, or behind all others."""
    listed = BaseModel.objects.filter(account=account, position__gt=0).aggregate(first=Min("position"))["first"]
    start = listed or (BaseModel.objects.aggregate(last=Max("position"))["last"] or 0) + 1
    for offset, entry in enumerate(document.models):
        known[entry.model_id].position = start + offset
    BaseModel.objects.bulk_update([known[entry.model_id] for entry in document.models], ["position"])


def _put_shape(
    actor: Actor,
    account: Account,
    base_model: BaseModel,
    entry: ShapeEntry,
    position: int,
    shape: TrainingShape | None,
    loaded: Loaded,
) -> TrainingShape:
    name = entry.snapshot.display_name
    if shape is None:
        loaded.created.append(entry.shape_id)
        return create_shape(
            actor=actor,
            account=account,
            base_model=base_model,
            shape_id=entry.shape_id,
            display_name=name,
            id_source=entry.id_source,
            position=position,
        )
    if shape.base_model_id != base_model.pk:
        raise FailedPrecondition(
            f"{shape.name} trains {shape.base_model.model_id}; a shape keeps its base model, so choose another id "
            f"for {base_model.model_id}."
        )
    text = search_text(display_name=name, shape_id=entry.shape_id, base_model=base_model)
    facts = {"display_name": name, "id_source": entry.id_source, "position": position, "search_text": text}
    if _update(shape, facts):
        loaded.changed.append(entry.shape_id)
    return shape


def _update(row: BaseModel | TrainingShape, facts: dict[str, Any]) -> bool:
    """Write the facts that differ; whether there were any."""
    different = [name for name, value in facts.items() if getattr(row, name) != value]
    for name in different:
        setattr(row, name, facts[name])
    if different:
        row.save(update_fields=different)
    return bool(different)
