"""What a list of datasets can be asked for."""

from __future__ import annotations

from django import forms
from django.db.models import Q

from datasets.checking.formats import DatasetFormat
from datasets.models import Dataset
from datasets.queries import NEWEST_FIRST
from datasets.shown import FORMATS, LABELS
from datasets.states import DatasetState
from lists.filters import DeclaredList, ListFilter, SortColumn, owner_filter, state_filter, text_filter
from lists.orders import Order

_STATES = {state.value: label for state, label in LABELS.items() if state is not DatasetState.DELETED}

DATASETS = DeclaredList(
    model=Dataset,
    scope=("account",),
    sorts=(
        SortColumn("age", "Age", NEWEST_FIRST),
        SortColumn("name", "Dataset", Order(("dataset_id", "pk"))),
    ),
    filters=(
        text_filter(lambda text: Q(dataset_id__icontains=text) | Q(display_name__icontains=text), "Part of a name"),
        ListFilter(
            "format",
            forms.ChoiceField(
                label="Format",
                choices=[(kind.value, label) for kind, label in FORMATS.items()],
                error_messages={"invalid_choice": f"%(value)s is no format; use {', '.join(DatasetFormat)}."},
            ),
            lambda kind, _: Q(format=kind),
            lambda kind: f"format {FORMATS[DatasetFormat(kind)].lower()}",
            anything="Any format",
        ),
        state_filter(_STATES, lambda word: Q(state=word)),
        owner_filter("owner"),
    ),
)
