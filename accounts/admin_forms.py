"""The forms of users in Django's admin: names that look like no other one's, passwords by the verb."""

from __future__ import annotations

from django.contrib.auth.forms import AdminPasswordChangeForm, AdminUserCreationForm, UserChangeForm
from django.core.exceptions import ValidationError
from django.forms import BooleanField
from django.utils import timezone

from accounts.actors import Actor
from accounts.domain.change_password import change_password
from accounts.models import User
from accounts.names import wrong_name


class AddForm(AdminUserCreationForm):  # type: ignore[type-arg]
    """Who is new has no name that looks like another one."""

    def clean_username(self) -> str:
        """Errors: `ValidationError`."""
        return _clean_name(super().clean_username())


class PasswordChangeForm(AdminPasswordChangeForm):  # type: ignore[type-arg]
    """A new password, by the verb; and whether the user's API keys end with it."""

    revoke_keys = BooleanField(required=False, label="Revoke the user's API keys, too")
    actor: Actor

    def save(self, commit: bool = True) -> User:
        """Set it. What can be wrong with it was said by the form, which asks the same validators."""
        user: User = self.user
        change_password(
            actor=self.actor,
            user=user,
            password=self.cleaned_data["password1"],
            revoke_keys=self.cleaned_data["revoke_keys"],
            now=timezone.now(),
        )
        return user


class ChangeForm(UserChangeForm):  # type: ignore[type-arg]
    """Who has such a name keeps it, and takes no other one."""

    def clean_username(self) -> str:
        """Errors: `ValidationError`."""
        username: str = self.cleaned_data["username"]
        unchanged = username.casefold() == self.instance.username.casefold()
        return username if unchanged else _clean_name(username)


def _clean_name(username: str) -> str:
    for violation in wrong_name(username):
        raise ValidationError(violation.description)
    return username
