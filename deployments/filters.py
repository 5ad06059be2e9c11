"""What a list of deployments can be asked for. Conditions are for a user as their reader."""

from __future__ import annotations

from django import forms
from django.db.models import Q

from accounts.models import User
from connections.models import Connection
from deployments.models import Deployment
from deployments.pages.standing import LABELS
from deployments.queries import LIVING, NEWEST_FIRST, ORPHANED
from deployments.states import DeploymentState
from launches.queries import of_shape
from lists.filters import DeclaredList, ListFilter, SortColumn, day_filters, owner_filter, shape_filter, state_filter

LONGEST_NAME = 200
ORPHANS, ASLEEP = "orphaned", "asleep"
STATES: dict[str, tuple[str, Q]] = {
    **{state.value: (label, Q(state=state)) for state, label in LABELS.items() if state != DeploymentState.DELETED},
    ASLEEP: ("Scaled to 0", LIVING & Q(replicas=0)),
    ORPHANS: ("Orphaned: its trainer is gone", ORPHANED),
    DeploymentState.DELETED.value: (LABELS[DeploymentState.DELETED], ~LIVING),
}


def _on_connection(name: str, _: User) -> Q:
    return Q(connection__in=list(Connection.objects.filter(name=name).values_list("pk", flat=True)))


DEPLOYMENTS = DeclaredList(
    model=Deployment,
    scope=("account",),
    sorts=(SortColumn("age", "Age", NEWEST_FIRST),),
    filters=(
        shape_filter(lambda name, _: of_shape(name)),
        state_filter({word: label for word, (label, _) in STATES.items()}, lambda word: STATES[word][1]),
        ListFilter(
            "connection",
            forms.CharField(label="Runs on", max_length=LONGEST_NAME),
            _on_connection,
            lambda name: f"on {name}",
            anything="Anywhere",
        ),
        owner_filter("owner"),
        *day_filters("created_at"),
    ),
)
