"""What a list of launches can be asked for. Conditions are for a user as their reader."""

from __future__ import annotations

from django.db.models import Q

from connections.providers.states import FINAL, AttemptState
from launches.models import Launch
from launches.pages.stepper import LABELS
from launches.queries import NEWEST_FIRST, of_shape
from launches.search import found_by
from launches.states import ACTIVE
from lists.filters import DeclaredList, SortColumn, day_filters, owner_filter, shape_filter, state_filter, text_filter
from lists.orders import Order

DELETED = "deleted"
"""Asks for launches that were deleted and of which something is kept, whatever they had come to."""
STATES: dict[str, tuple[str, frozenset[AttemptState]]] = {
    "active": ("Active", ACTIVE),
    "over": ("Over", FINAL),
    **{state.value: (LABELS[state], frozenset({state})) for state in AttemptState},
    DELETED: ("Deleted, checkpoints kept", frozenset(AttemptState)),
}


LAUNCHES = DeclaredList(
    model=Launch,
    scope=("account",),
    sorts=(
        SortColumn("age", "Age", NEWEST_FIRST),
        SortColumn("duration", "Duration", Order(("run_seconds", "pk")), down_first=True),
        SortColumn("loss", "Loss", Order(("last_loss", "pk"), nulls=True)),
    ),
    filters=(
        text_filter(found_by, "Name, id, shape or model"),
        shape_filter(lambda name, _: of_shape(name)),
        state_filter({word: label for word, (label, _) in STATES.items()}, lambda word: Q(state__in=STATES[word][1])),
        owner_filter("owner"),
        *day_filters("created_at"),
    ),
)
