"""Reads what an account offers, as the document that would say so."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from django.db.models import Exists, OuterRef

from accounts.models import Account
from catalog.enums import Architecture, IdSource, ShapeKind
from catalog.files.document import Deprecation, Document, ModelEntry, ModelFacts, ShapeEntry
from catalog.files.plan import CurrentCatalog
from catalog.models import BaseModel, ShapeVersion, TrainingShape
from catalog.ordering import in_groups
from wire.names import model_name


def empty_catalog(account_id: str) -> CurrentCatalog:
    """Those of an account that is not there yet."""
    return CurrentCatalog(Document(account_id, "", True, ()), there=False)


def read_current(account: Account, *, public: bool) -> CurrentCatalog:
    """`public` leaves out what only members see. The same bytes for the same catalog. Three queries."""
    versions = list(_offered(account, public=public))
    shapes = defaultdict(list)
    for version in versions:
        shapes[version.shape.base_model.name].append(_shape_entry(version))
    models = BaseModel.objects.filter(account=account).select_related("account").order_by("position", "pk")
    own = [ModelEntry(model.name, facts_of(model), tuple(shapes.pop(model.name, ()))) for model in models]
    foreign = [ModelEntry(name, None, tuple(entries)) for name, entries in sorted(shapes.items())]
    document = Document(account.account_id, account.display_name, public, (*in_groups(own, _group), *foreign))
    columns = ("shape_id", "base_model__account__account_id", "base_model__model_id", "kind")
    named = list(TrainingShape.objects.filter(account=account).values_list(*columns))
    return CurrentCatalog(
        document,
        {version.shape.shape_id: version.version_id for version in versions},
        {shape: model_name(owner, model) for shape, owner, model, _ in named},
        {shape: kind for shape, _, _, kind in named},
    )


def facts_of(model: BaseModel) -> ModelFacts:
    """What the model's own account says of it."""
    return ModelFacts(
        title=model.title,
        family=model.family,
        section=model.section,
        architecture=Architecture(model.architecture) if model.architecture else None,
        model_type=model.model_type,
        parameter_count=model.parameter_count,
        aliases=tuple(model.aliases),
        named_here=model.named_here,
    )


def _offered(account: Account, *, public: bool) -> Iterable[ShapeVersion]:
    offered = ShapeVersion.objects.filter(is_latest_validated=True, **({"is_public": True} if public else {}))
    return (
        offered.filter(shape__account=account)
        .select_related("shape__account", "shape__base_model__account", "successor__account")
        .annotate(successor_offered=Exists(offered.filter(shape=OuterRef("successor"))))
        .order_by("-shape__kind", "shape__position", "shape_id")  # of a model those that train first, as files say them
    )


def _shape_entry(version: ShapeVersion) -> ShapeEntry:
    return ShapeEntry(
        shape_id=version.shape.shape_id,
        id_source=IdSource(version.shape.id_source),
        snapshot=replace(version.frozen_snapshot, base_model=version.shape.base_model.name),  # which has that name now
        launch_fields=tuple(version.fields),
        edition=version.fields_edition,
        deprecated=_deprecation(version) if version.deprecated_at else None,
        version_id=version.version_id if version.shape.kind == ShapeKind.DEPLOYMENT else "",  # others link it by that
    )


def _deprecation(version: ShapeVersion) -> Deprecation:
    """The warning, without a successor that nobody is offered any more.

    Of a successor that is one version a file says the shape, since ids of versions are not the same elsewhere; and
    nothing of one of the same shape.
    """
    elsewhere = version.successor if version.successor_id != version.shape_id else None
    offered = elsewhere if version.successor_offered else None  # type: ignore[attr-defined]
    return Deprecation(version.deprecation_message, offered.name if offered else "")


def _group(model: ModelEntry) -> tuple[str, ...]:
    return (model.facts.family, model.facts.section) if model.facts else ()
