"""Forms of connections: their fields follow from the kind; what is allowed is said by the verbs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django import forms

from accounts.forms import RefusableForm
from accounts.models import Account
from connections.domain.checks import CONFIG
from connections.kinds import Kind
from connections.models import Connection, CookbookCheckout, Destination
from connections.providers.configs import ConfigField
from connections.providers.official import SDK_VERSION
from wire.errors import InvalidArgument, Violation, capped

_PLAIN = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}
_KEPT = "One is set; it is never shown. Leave this empty to keep it."
_SEALED = "Sealed, and never shown again."
_BETWEEN = re.compile(r"[\s,]+")


class WrittenField(forms.CharField):
    """Text as it was written: what is wrong with it, or that it is missing, the verb says, with all the rest."""

    def validate(self, value: Any) -> None:
        """Nothing to say."""


class SealedLines(forms.Textarea):
    """Lines that are taken and, as a password, never shown again: not with what is wrong with them either."""

    def format_value(self, value: Any) -> str:  # noqa: ARG002
        """Nothing."""
        return ""


class ConnectionForm(RefusableForm):
    """A connection of one kind: of a new one its name, too. Locked fields are no part of it."""

    name = WrittenField(
        help_text="Its id, for ever: a-z, 0-9 and hyphen. Launches and commands name it so.",
        widget=forms.TextInput(attrs=_PLAIN | {"placeholder": "cluster-north"}),
    )
    display_name = WrittenField(
        label="Display name",
        required=False,
        help_text="What people read; the name where empty.",
        widget=forms.TextInput(attrs=_PLAIN),
    )

    def __init__(self, data: Any = None, *, kind: Kind, row: Connection | None = None) -> None:
        said = _said(kind, row)
        super().__init__(data, initial={"display_name": row.display_name} if row else None)
        self.kind = kind
        if row is not None:
            del self.fields["name"]
        for field in kind.fields:
            if field.name not in kind.locked:
                self.fields[CONFIG + field.name] = _config_field(field, said.get(field.name, ""))
        if kind.secret_label:
            self.fields["secret"] = _secret_field(kind, is_set=row is not None and bool(row.secret))
        if row is not None and row.secret and kind.may_lack_secret:
            self.fields["remove_secret"] = _removal_field(kind)

    def config(self) -> dict[str, str]:
        """What was written of the configuration, once the form is valid."""
        return {
            field.name: self.cleaned_data[CONFIG + field.name]
            for field in self.kind.fields
            if CONFIG + field.name in self.fields
        }


def _said(kind: Kind, row: Connection | None) -> Mapping[str, str]:
    """What each field says now, defaults included."""
    stored = row.config if row else {}
    return {field.name: str(stored.get(field.name, field.default)) for field in kind.fields}


def _config_field(field: ConfigField, said: str) -> forms.Field:
    attrs = _PLAIN | ({"placeholder": field.placeholder} if field.placeholder else {})
    choices = [(choice, choice) for choice in field.choices]
    plain = forms.Textarea(attrs=attrs | {"rows": 3}) if field.is_long else forms.TextInput(attrs=attrs)
    widget = forms.Select(choices=choices) if choices else plain
    return WrittenField(label=field.label, help_text=field.help, initial=said, required=field.required, widget=widget)


def _secret_field(kind: Kind, *, is_set: bool) -> forms.Field:
    kept = _KEPT if is_set else _SEALED
    hidden = forms.PasswordInput(attrs={"autocomplete": "new-password"})
    return WrittenField(
        label=kind.secret_label,
        required=not is_set and not kind.secret_help,
        strip=False,
        help_text=f"{kind.secret_help} {kept}".strip(),
        widget=SealedLines(attrs=_PLAIN | {"rows": 3}) if kind.secret_is_long else hidden,
    )


def _removal_field(kind: Kind) -> forms.Field:
    return forms.BooleanField(
        label=f"Remove the {kind.secret_label[:1].lower()}{kind.secret_label[1:]}",
        required=False,
        help_text="The connection is without one then.",
        widget=forms.CheckboxInput(attrs={"class": "checkbox"}),
    )


class LendForm(RefusableForm):
    """Who may use a connection."""

    for_everyone = forms.BooleanField(
        label="Every account may use it",
        required=False,
        help_text="Those that are made later, too.",
        widget=forms.CheckboxInput(attrs={"class": "checkbox"}),
    )
    accounts = forms.CharField(
        required=False,
        help_text="Ids of the accounts that may use it, between spaces or commas.",
        widget=forms.Textarea(attrs=_PLAIN | {"rows": 3, "placeholder": "team-a, team-b"}),
    )
    owner = forms.CharField(
        required=False,
        help_text="Id of the account that it belongs to, such as whose key it has; it may use it, too.",
        widget=forms.TextInput(attrs=_PLAIN),
    )

    def chosen(self) -> tuple[list[Account], Account | None]:
        """The accounts and the owner, once the form is valid. Errors: `InvalidArgument` for ids that nobody has."""
        named = [account for account in _BETWEEN.split(self.cleaned_data["accounts"]) if account]
        owner = self.cleaned_data["owner"].strip()
        found = {account.account_id: account for account in Account.objects.filter(account_id__in=[*named, owner])}
        missing = [_no_account("accounts", name) for name in named if name not in found]
        violations = capped(missing, field="accounts")
        if owner and owner not in found:
            violations.append(_no_account("owner", owner))
        if violations:
            raise InvalidArgument(violations)
        return [found[name] for name in dict.fromkeys(named)], found.get(owner)


def _no_account(field: str, written: str) -> Violation:
    return Violation(field, f"There is no account {written[:80]!r}; a superuser makes accounts under Administration.")


class DestinationForm(RefusableForm):
    """A directory or a bucket that weights are pushed to; of a new one its name, too."""

    name = WrittenField(
        help_text="Its id, for ever: a-z, 0-9 and hyphen.",
        widget=forms.TextInput(attrs=_PLAIN | {"placeholder": "archive"}),
    )
    address = WrittenField(
        help_text="A directory that the workers can write to, by its whole path, or a bucket as s3://BUCKET/PREFIX.",
        widget=forms.TextInput(attrs=_PLAIN | {"placeholder": "s3://models/slipway"}),
    )
    endpoint = WrittenField(
        required=False,
        help_text="Of a bucket: the address of its S3 interface; Amazon's where empty.",
        widget=forms.TextInput(attrs=_PLAIN | {"placeholder": "https://s3.example.com"}),
    )
    region = WrittenField(
        required=False,
        help_text="Of a bucket; us-east-1 where empty, which most others than Amazon take.",
        widget=forms.TextInput(attrs=_PLAIN),
    )
    key_id = WrittenField(
        label="Access key's id",
        required=False,
        help_text="Of a bucket: of a key that may list, read, write and delete there, and nothing else.",
        widget=forms.TextInput(attrs=_PLAIN),
    )
    secret = WrittenField(
        label="Secret of the access key",
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, data: Any = None, *, row: Destination | None = None) -> None:
        told = ("address", "endpoint", "region", "key_id")
        super().__init__(data, initial={name: getattr(row, name) for name in told} if row else None)
        is_set = row is not None and bool(row.secret)
        self.fields["secret"].help_text = _KEPT if is_set else _SEALED
        if row is not None:
            del self.fields["name"]


class CheckoutForm(RefusableForm):
    """A checkout of the public cookbook; of a new one its name, too."""

    name = WrittenField(
        help_text="Its id, for ever: a-z, 0-9 and hyphen. Its recipes are called NAME/sft_loop and so on.",
        widget=forms.TextInput(attrs=_PLAIN | {"placeholder": "official"}),
    )
    path = WrittenField(
        label="Folder",
        help_text="Its whole path on the machine of the workers, whose user owns it. Nothing is written there.",
        widget=forms.TextInput(attrs=_PLAIN | {"placeholder": "/srv/cookbook"}),
    )
    commit = WrittenField(
        help_text="The commit that counts, whatever is checked out: its id, as git rev-parse HEAD says it.",
        widget=forms.TextInput(attrs=_PLAIN),
    )
    sdk = WrittenField(
        label="Version of the SDK",
        help_text="Of the official SDK, which its recipes get.",
        widget=forms.TextInput(attrs=_PLAIN),
    )

    def __init__(self, data: Any = None, *, row: CookbookCheckout | None = None) -> None:
        told = {name: getattr(row, name) for name in ("path", "commit", "sdk")} if row else {"sdk": SDK_VERSION}
        super().__init__(data, initial=told)
        if row is not None:
            del self.fields["name"]


class PauseForm(RefusableForm):
    """Why a connection takes no new launches."""

    reason = WrittenField(
        help_text="Whoever launches reads it.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": "Maintenance until Friday"}),
    )
