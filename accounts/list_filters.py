"""What the lists of an account's members and of its keys can be asked for. Conditions of keys are for a moment."""

from __future__ import annotations

from datetime import datetime

from django import forms
from django.db.models import Q

from accounts.models import ApiKey, Membership
from accounts.roles import Role
from lists.filters import DeclaredList, ListFilter, SortColumn, text_filter
from lists.orders import Order

LONGEST_TEXT = 150
LIVE, EXPIRED, REVOKED = "live", "expired", "revoked"


def _found_in(column: str) -> ListFilter:
    return text_filter(lambda text: Q(**{f"{column}__icontains": text}), "Part of a name", longest=LONGEST_TEXT)


def _choice(name: str, words: list[str]) -> forms.ChoiceField:
    refusal = f"%(value)s is no {name}; use {', '.join(words)}."
    choices = [(word, word.capitalize()) for word in words]
    return forms.ChoiceField(label=name.capitalize(), choices=choices, error_messages={"invalid_choice": refusal})


def _in_state(state: str, now: datetime) -> Q:
    if state == REVOKED:
        return Q(revoked_at__isnull=False)
    over = Q(expires_at__lte=now)
    return Q(revoked_at=None) & (over if state == EXPIRED else ~over | Q(expires_at=None))


MEMBERS = DeclaredList(
    model=Membership,
    scope=("account",),
    sorts=(SortColumn("name", "Member", Order(("user__username", "pk"))),),
    filters=(
        _found_in("user__username"),
        ListFilter(
            "role",
            _choice("role", list(Role)),
            lambda role, _: Q(role=role),
            lambda role: f"role {role}",
            anything="Any role",
        ),
    ),
)
KEYS = DeclaredList(
    model=ApiKey,
    scope=(),
    sorts=(SortColumn("age", "Made", Order(("-pk",))),),
    filters=(
        _found_in("name"),
        ListFilter(
            "state", _choice("state", [LIVE, EXPIRED, REVOKED]), _in_state, lambda state: state, anything="Any state"
        ),
    ),
)
