"""Forms of the accounts app: what they ask for; what is allowed is said by the verbs."""

from __future__ import annotations

from django import forms
from django.contrib.auth.password_validation import password_validators_help_texts

from accounts.domain.accept_invitation import NewUser
from accounts.models import User
from wire.errors import InvalidArgument


class JoinForm(forms.Form):
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

    def refuse(self, refusal: InvalidArgument) -> None:
        """Show what the verb found wrong beside the fields; what has no field stands above the form."""
        for violation in refusal.violations:
            self.add_error(violation.field if violation.field in self.fields else None, violation.description)
