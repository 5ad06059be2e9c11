"""What a list of models that people made can be asked for. Conditions are for a user as their reader."""

from __future__ import annotations

from django import forms
from django.db.models import Q

from catalog.models import TrainedModel
from catalog.states import ModelKind, ModelState
from catalog.trained_queries import NEWEST_FIRST, trained_found
from launches.pages.models import KIND_LABELS, STATE_LABELS
from lists.filters import DeclaredList, ListFilter, SortColumn, day_filters, owner_filter, text_filter
from lists.orders import Order

TRAINED_MODELS = DeclaredList(
    model=TrainedModel,
    scope=("account",),
    sorts=(
        SortColumn("age", "Age", NEWEST_FIRST),
        SortColumn("size", "Size", Order(("size_bytes", "pk")), down_first=True),
    ),
    filters=(
        text_filter(trained_found, "Name or id"),
        ListFilter(
            "kind",
            forms.ChoiceField(
                label="Kind",
                choices=[(kind.value, label) for kind, label in KIND_LABELS.items()],
                error_messages={"invalid_choice": f"%(value)s is no kind; use {', '.join(ModelKind)}."},
            ),
            lambda kind, _: Q(kind=kind),
            lambda kind: f"kind {KIND_LABELS[ModelKind(kind)]}",
            anything="Any kind",
        ),
        ListFilter(
            "state",
            forms.ChoiceField(
                label="State",
                choices=[(state.value, label) for state, label in STATE_LABELS.items()],
                error_messages={"invalid_choice": f"%(value)s is no state; use {', '.join(ModelState)}."},
            ),
            lambda state, _: Q(state=state),
            lambda state: f"state {STATE_LABELS[ModelState(state)]}",
            anything="Any state",
        ),
        owner_filter("created_by"),
        *day_filters("created_at"),
    ),
)
