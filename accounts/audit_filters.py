"""What an account's audit log can be asked for. Conditions are for an account as their reader."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import CharField, Q

from accounts.models import Account, AuditEntry
from lists.filters import DeclaredList, ListFilter, SortColumn, day_filters
from lists.orders import Order

NEWEST_FIRST = Order(("-created_at", "-pk"))


def verb_in_words(verb: str) -> str:
    """`create_api_key` as `create API key`."""
    return verb.replace("_", " ").replace("api", "API")


def _text(column: str, label: str) -> forms.CharField:
    stored: CharField[str, str] = AuditEntry._meta.get_field(column)  # type: ignore[assignment]
    return forms.CharField(label=label, max_length=stored.max_length)


def _under(target: str, account: Account) -> Q:
    """What does not name the account is meant within it."""
    prefix = target if target.startswith("accounts/") else f"{account.name}/{target}"
    return Q(target__startswith=prefix)


def _is(column: str) -> Any:
    return lambda value, _: Q(**{column: value})


_ADDRESS = forms.GenericIPAddressField(
    unpack_ipv4=True, error_messages={"invalid": "Write an address as 192.0.2.1 or 2001:db8::1."}
)
AUDIT = DeclaredList(
    model=AuditEntry,
    scope=("account",),
    sorts=(SortColumn("age", "When", NEWEST_FIRST),),
    filters=(
        ListFilter("actor", _text("actor_label", "Actor"), _is("actor_label"), lambda a: f"by {a}", anything="Anybody"),
        ListFilter("verb", _text("verb", "What"), _is("verb"), verb_in_words, anything="Anything"),
        ListFilter(
            "target",
            _text("target", "Target begins with"),
            _under,
            lambda target: f"target {target}…",
            hint="members/ or accounts/…",
            wide=True,
            guessed=True,
        ),
        *day_filters("created_at"),
        ListFilter("address", _ADDRESS, _is("address"), lambda address: f"from {address}", hint="192.0.2.1"),
    ),
)
AUDIT_WITHOUT_PERSONS = AUDIT.without("address")
"""For who does not see from which addresses things were done."""
