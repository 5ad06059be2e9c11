"""What lists of the catalog's resources can be filtered and ordered by."""

from __future__ import annotations

import functools
import operator
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db.models import BigIntegerField, BooleanField, CharField, Q, QuerySet, TextField, Value
from django.db.models.expressions import Combinable
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Coalesce

from api.listing import Condition, Filterable, Listing, Sortable, column, compare
from catalog.api.listed import listed_versions
from catalog.api.resources import (
    KIND_ON_WIRE,
    MODEL_KINDS,
    MODEL_STATES,
    STATE_ON_WIRE,
    DeploymentShapeSerializer,
    DeploymentShapeVersionSerializer,
    ModelSerializer,
    ShapeVersionSerializer,
    TrainingShapeSerializer,
)
from catalog.enums import ShapeKind
from catalog.fields.snapshot_fields import EVERY_FIELD, FIELDS_OF, SnapshotField, ValueKind
from catalog.forms import read_search
from catalog.matching import matching
from catalog.model_queries import models_matching
from catalog.models import BaseModel, ShapeVersion, TrainedModel
from catalog.search import patterns
from catalog.states import VersionState
from catalog.trained_queries import trained_found
from lists.prepared import Given, Prepared
from wire import filters
from wire.filters import FilterField, FilterKind
from wire.names import parse_model_name

IS_VALIDATED = Q(state=VersionState.VALIDATED, withdrawn_at__isnull=True)


_INDEXED = {"trainer_mode": "trainer_mode", "max_supported_context_length": "max_context"}
"""Fields with a column of their own, which is never null."""


def _fact(field: SnapshotField) -> Combinable:
    """What the snapshot holds, and for what is unknown what the wire says."""
    held = KT(f"snapshot__{field.wire}")
    if field.kind is ValueKind.WHOLE:
        return Cast(Coalesce(held, Value("0")), BigIntegerField())
    if field.kind is ValueKind.FLAG:
        return Cast(Coalesce(held, Value("false")), BooleanField())
    unknown = field.unspecified if field.kind is ValueKind.CHOICE else ""
    return Coalesce(Cast(held, TextField()), Value(unknown), output_field=CharField())


_WIRE_COLUMNS: dict[str, Combinable] = {
    f"wire_{field.key}": _fact(field) for field in EVERY_FIELD if field.head == field.key and field.key not in _INDEXED
}
"""What filters compare: the snapshot's facts as the wire writes them, none of them null."""


def _base_model(operator_: str, value: filters.Value) -> Q:
    """By the shape's base model, which is indexed, where a whole name is compared; it is the snapshot's own.

    `:` finds it by its other names too.
    """
    if operator_ == ":":
        return compare("wire_base_model", operator_, value) | _containing("shape__base_model__search_text", value)
    parsed = parse_model_name(str(value))
    if operator_ not in ("=", "!=") or parsed is None:
        return compare("wire_base_model", operator_, value)
    account, model = parsed
    if named := _BY_ID.rows(account=account, model=model):
        if len(_remembered) >= MOST_REMEMBERED:
            _remembered.clear()
        _remembered[parsed] = named[0]
    else:
        named = _BY_FORMER_ID.rows(account=account, models=[model])
    wanted = Q(shape__base_model__in=sorted(named)[:1])
    return ~wanted if operator_ == "!=" else wanted


MOST_REMEMBERED = 1_000
_remembered: dict[tuple[str, str], int] = {}
"""Keys of base models, by account and id as they were when they were looked up last."""


def _supposed_base_model(operator_: str, value: filters.Value) -> Q | None:
    """The base model by the key that it had, which Postgres plans by, where its id is still the same."""
    parsed = parse_model_name(str(value)) if operator_ == "=" else None
    if parsed is None or (remembered := _remembered.get(parsed)) is None:
        return None
    account, model = parsed
    still = Q(shape__base_model__account__account_id=account, shape__base_model__model_id=model)
    return Q(shape__base_model=remembered) & still


def _models(**wanted: Given) -> QuerySet[BaseModel, int]:
    """The keys of the base models of an account that are so, of which there are few: without an order, by an index."""
    of_account = BaseModel.objects.filter(account__account_id=Given("account", TextField()), **wanted)
    return of_account.order_by().values_list("pk", flat=True)


_BY_ID = Prepared(lambda: _models(model_id=Given("model", TextField())))
_BY_FORMER_ID = Prepared(lambda: _models(former_ids__contains=Given("models", ArrayField(CharField()))))
"""Asked where only a former name is known. Each by its index."""


def _containing(names: str, value: filters.Value) -> Q:
    """Where the patterns of a name occur in the column `names`; nowhere for a text without any."""
    wanted = [Q(**{f"{names}__contains": pattern}) for pattern in patterns(str(value))]
    return functools.reduce(operator.and_, wanted) if wanted else Q(pk__in=[])


def _model_title(operator_: str, value: filters.Value) -> Q:
    """`:` finds a model by its other names too."""
    found = compare("title", operator_, value)
    return found | _containing("search_text", value) if operator_ == ":" else found


def shapes_found(text: str) -> Q:
    """Versions that the search of the catalog page finds by `text`."""
    found = read_search(text)
    return matching(found) if found.words or found.without("q").active else Q(pk__in=[])


def models_found(member_of: Collection[int], text: str) -> Q:
    """Base models that the search of the publishing pages finds by `text`."""
    found = read_search(text)
    return models_matching(member_of, found) if found.words or found.without("q").active else Q(pk__in=[])


def _validated(operator_: str, value: filters.Value) -> Q:
    return IS_VALIDATED if value == (operator_ == "=") else ~IS_VALIDATED


_KINDS = {
    ValueKind.TEXT: FilterKind.TEXT,
    ValueKind.WHOLE: FilterKind.WHOLE,
    ValueKind.CHOICE: FilterKind.CHOICE,
    ValueKind.FLAG: FilterKind.BOOLEAN,
}


def _of_fact(field: SnapshotField) -> Filterable:
    if field.key == "base_model":
        found = Filterable(FilterField(FilterKind.TEXT), _base_model, supposed=_supposed_base_model)
    else:
        choices = (field.unspecified, *field.choices) if field.choices else ()
        found = column(_INDEXED.get(field.key, f"wire_{field.key}"), _KINDS[field.kind], choices)
    compared = f"wire_{field.key}"
    return replace(found, worked_out={compared: _WIRE_COLUMNS[compared]} if compared in _WIRE_COLUMNS else {})


_FACTS = {
    kind: {field.key: _of_fact(field) for field in fields if field.head == field.key}
    for kind, fields in FIELDS_OF.items()
}
_BY_SHAPE = Sortable(("shape__account__account_id", "shape__shape_id"))

VERSIONS = Listing(
    key="trainingShapeVersions",
    model=ShapeVersion,
    serializer=ShapeVersionSerializer,
    filters={
        "latest_validated": column("is_latest_validated", FilterKind.BOOLEAN),
        "public": column("is_public", FilterKind.BOOLEAN),
        "validated": Filterable(FilterField(FilterKind.BOOLEAN), _validated),
        "create_time": column("created_at", FilterKind.TIME),
        "update_time": column("updated_at", FilterKind.TIME),
        **{f"snapshot.{name}": fact for name, fact in _FACTS[ShapeKind.TRAINING].items()},
    },
    orders={
        "create_time": Sortable(("created_at",)),
        "update_time": Sortable(("updated_at",)),
        "name": Sortable((*_BY_SHAPE.columns, "version_id")),
    },
    default_order="create_time desc",
    search=shapes_found,
    read=listed_versions,
)
SHAPES = Listing(
    key="trainingShapes",
    model=ShapeVersion,
    serializer=TrainingShapeSerializer,
    filters={**_FACTS[ShapeKind.TRAINING], "create_time": column("shape__created_at", FilterKind.TIME)},
    orders={
        "create_time": Sortable(("shape__created_at",)),
        "name": _BY_SHAPE,
        "max_supported_context_length": Sortable(("max_context",)),
    },
    default_order="create_time desc",
    tie="shape_id",
    search=shapes_found,
    read=listed_versions,
)
DEPLOYMENT_VERSIONS = replace(
    VERSIONS,
    key="deploymentShapeVersions",
    serializer=DeploymentShapeVersionSerializer,
    filters={name: found for name, found in VERSIONS.filters.items() if not name.startswith("snapshot.")}
    | {f"snapshot.{name}": fact for name, fact in _FACTS[ShapeKind.DEPLOYMENT].items()},
)
DEPLOYMENT_SHAPES = replace(
    SHAPES,
    key="deploymentShapes",
    serializer=DeploymentShapeSerializer,
    filters={**_FACTS[ShapeKind.DEPLOYMENT], "create_time": SHAPES.filters["create_time"]},
)


def _of_every_base_model(fact: str) -> Condition:
    """What a comparison means with something that is the same of all base models."""
    return lambda operator_, value: Q() if (value == fact) == (operator_ == "=") else Q(pk__in=[])


def _stored(column_: str, on_wire: Mapping[Any, str]) -> Condition:
    """A column whose values the wire writes in other words."""
    words = {word: stored for stored, word in on_wire.items()}
    return lambda operator_, value: compare(column_, operator_, words[str(value)])


MODELS = Listing(
    key="models",
    model=BaseModel,
    serializer=ModelSerializer,
    filters={
        "display_name": Filterable(FilterField(FilterKind.TEXT), _model_title),
        "kind": Filterable(FilterField(FilterKind.CHOICE, MODEL_KINDS), _of_every_base_model(MODEL_KINDS[0])),
        "state": Filterable(FilterField(FilterKind.CHOICE, MODEL_STATES), _of_every_base_model("READY")),
        "create_time": column("created_at", FilterKind.TIME),
    },
    orders={
        "create_time": Sortable(("created_at",)),
        "name": Sortable(("account_slug", "model_id")),
    },
    default_order="name",
    search=functools.partial(models_found, ()),
)
TRAINED = Listing(
    key="models",
    model=TrainedModel,
    scope=("account",),
    serializer=ModelSerializer,
    filters={
        "display_name": column("display_name", FilterKind.TEXT),
        "kind": Filterable(FilterField(FilterKind.CHOICE, MODEL_KINDS), _stored("kind", KIND_ON_WIRE)),
        "state": Filterable(FilterField(FilterKind.CHOICE, MODEL_STATES), _stored("state", STATE_ON_WIRE)),
        "create_time": column("created_at", FilterKind.TIME),
    },
    orders={"create_time": Sortable(("created_at",)), "name": Sortable(("model_id",))},
    default_order="name",
    search=trained_found,
)
