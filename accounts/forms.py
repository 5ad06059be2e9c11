"""Forms of the accounts app: what they ask for; what is allowed is said by the verbs."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.password_validation import password_validators_help_texts

from accounts.domain.accept_invitation import NewUser
from accounts.domain.create_api_key import DEFAULT_LIFETIME, LIFETIMES
from accounts.models import KEY_NAME_LENGTH, ROLE_CHOICES, User
from accounts.roles import Role
from accounts.scopes import Scope, scopes_of
from wire.errors import InvalidArgument

NEVER = "never"
_SCOPES = {
    Scope.READ: "read: see the catalog and launches",
    Scope.LAUNCH: "launch: also launch and act on launches",
    Scope.PUBLISH: "publish: also publish shapes",
}


class ScopeSelect(forms.Select):
    """Scopes, of which those outside `within` cannot be chosen."""

    within: Collection[str] = tuple(Scope)

    def create_option(self, name: str, value: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """One scope."""
        option: dict[str, Any] = super().create_option(name, value, *args, **kwargs)
        if value not in self.within:
            option["attrs"]["disabled"] = True
        return option


class RefusableForm(forms.Form):
    """A form that can show what a verb found wrong."""

    def refuse(self, refusal: InvalidArgument) -> None:
        """Show what the verb found wrong beside the fields; what has no field stands above the form."""
        for violation in refusal.violations:
            self.add_error(violation.field if violation.field in self.fields else None, violation.description)


class JoinForm(RefusableForm):
    """User name and password of somebody new."""

    username = forms.CharField(
        label="User name",
        max_length=User._meta.get_field("username").max_length,
        widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}),
    )
    password = forms.CharField(
        strip=False,
        help_text=" ".join(password_validators_help_texts()),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    repeated = forms.CharField(
        label="Password again", strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "new-password"})
    )

    def clean_repeated(self) -> str:
        """The same password twice: nobody sees what they type."""
        repeated: str = self.cleaned_data["repeated"]
        if "password" in self.cleaned_data and self.cleaned_data["password"] != repeated:
            raise forms.ValidationError("The two passwords differ.")
        return repeated

    def new_user(self) -> NewUser:
        """What was chosen, once the form is valid."""
        return NewUser(username=self.cleaned_data["username"], password=self.cleaned_data["password"])


class PasswordForm(RefusableForm):
    """A new password for who knows the old one."""

    oldpassword = forms.CharField(
        label="Current password",
        strip=False,
        help_text="Forgotten? Whoever runs this Slipway can set a new one: ./run manage changepassword NAME.",
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    password1 = forms.CharField(
        label="New password",
        strip=False,
        help_text=" ".join(password_validators_help_texts()),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    password2 = forms.CharField(
        label="New password again",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    revoke_keys = forms.BooleanField(
        required=False, help_text="Do, if somebody else may have been here: who has a key needs no password."
    )

    def __init__(self, data: Any = None, *, keys: int) -> None:
        super().__init__(data)
        if keys:
            self.fields["revoke_keys"].label = f"Revoke my API keys, too ({keys})"
        else:
            del self.fields["revoke_keys"]

    def clean_password2(self) -> str:
        """The same password twice: nobody sees what they type."""
        repeated: str = self.cleaned_data["password2"]
        if "password1" in self.cleaned_data and self.cleaned_data["password1"] != repeated:
            raise forms.ValidationError("The two passwords differ.")
        return repeated

    def refuse(self, refusal: InvalidArgument) -> None:
        """What a verb says of the password stands beside the new one."""
        for violation in refusal.violations:
            self.add_error("password1", violation.description)


class RoleForm(forms.Form):
    """A member's role."""

    role = forms.ChoiceField(
        choices=ROLE_CHOICES,
        error_messages={"invalid_choice": f"Role: %(value)s is no role. Choose {', '.join(Role)}."},
    )

    def chosen(self) -> Role:
        """The role, once the form is valid."""
        return Role(self.cleaned_data["role"])


class InviteForm(RoleForm, RefusableForm):
    """Whom to invite, and as what."""

    username = forms.CharField(
        label="User name",
        required=False,
        max_length=User._meta.get_field("username").max_length,
        validators=User._meta.get_field("username").validators,
        help_text="A proposal: who follows the link may choose another, or join as the user they are.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
    )
    email = forms.EmailField(
        required=False,
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        by_hand = "Nothing is sent to it: you hand the link over."
        sent = "The link is sent to it." if settings.SLIPWAY_SMTP_URL else by_hand
        self.fields["email"].help_text = f"Noted for the new user. {sent}"


class KeyForm(RefusableForm):
    """What a new API key is called, what it may do, and how long it lasts."""

    name = forms.CharField(
        max_length=KEY_NAME_LENGTH,
        help_text="What it is for, such as ci or notebook. The audit log shows it.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    scope = forms.ChoiceField(
        choices=[(scope.value, _SCOPES[scope]) for scope in Scope],
        widget=ScopeSelect,
        help_text="Never more than your role allows when the key is used.",
    )
    days = forms.ChoiceField(
        label="Expires",
        choices=[(str(days or NEVER), f"after {days} days" if days else NEVER) for days in LIFETIMES],
        initial=str(DEFAULT_LIFETIME),
    )

    def for_role(self, role: Role | None) -> KeyForm:
        """The same; the scopes out of reach of that role say so and cannot be chosen."""
        within = scopes_of(role) if role else ()
        self.fields["scope"].widget.within = within
        self.fields["scope"].choices = [  # type: ignore[attr-defined]
            (scope.value, _SCOPES[scope] if scope in within else f"{scope}: not with your role") for scope in Scope
        ]
        return self

    def lifetime(self) -> int | None:
        """Days until it expires, None for never, once the form is valid."""
        days = self.cleaned_data["days"]
        return None if days == NEVER else int(days)


class AccountSettingsForm(RefusableForm):
    """What an account decides for its members."""

    checkpoint_retention_days = forms.IntegerField(
        label="Kept for",
        required=False,
        help_text="Empty: the days above. 0: removed together with the launch. What was deleted before keeps its date.",
        widget=forms.NumberInput(attrs={"class": "input", "inputmode": "numeric", "autocomplete": "off"}),
    )
    asks_about_versions = forms.BooleanField(
        label="Wait for a yes",
        required=False,
        help_text="Else the launch tells the difference and goes on.",
        widget=forms.CheckboxInput(attrs={"class": "checkbox"}),
    )
