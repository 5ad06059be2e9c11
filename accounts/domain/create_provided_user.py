"""Make a user of somebody whom the identity provider knows."""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from accounts.actors import Actor
from accounts.domain.record import record
from accounts.models import User
from accounts.names import wrong_name
from wire.errors import FailedPrecondition
from wire.names import user_name

_MOST_ALIKE = 50
_LONGEST = 100
_LONGEST_ADDRESS = 254


@dataclass(frozen=True)
class Person:
    """What the provider says of somebody. Each may be empty."""

    username: str
    email: str
    first_name: str
    last_name: str


@transaction.atomic
def create_provided_user(*, actor: Actor, person: Person) -> User:
    """Make a user without a password, called as the provider calls the person, with a number where that is taken.

    Never the user who has the name: what a provider lets people call themselves proves nothing.

    Errors: `FailedPrecondition` where the name and all of its numbers are taken.
    """
    user = User(
        username=_free_name(person),
        email=_email_of(person),
        first_name=_printable(person.first_name),
        last_name=_printable(person.last_name),
    )
    user.set_unusable_password()
    user.save()
    record(actor=actor, verb="create_user", target=user_name(user.get_username()), account=None)
    return user


def _free_name(person: Person) -> str:
    wanted = (person.username or person.email).partition("@")[0]
    base = re.sub(r"[^\w.+-]", "", User.normalize_username(wanted))[:_LONGEST] or "user"
    for number in range(1, _MOST_ALIKE):
        name = base if number == 1 else f"{base}-{number}"
        if not wrong_name(name) and name.casefold() != settings.SLIPWAY_ADMIN_USER.casefold():
            return name
    raise FailedPrecondition(f"There are too many users with a name such as {base!r}. Ask whoever runs this Slipway.")


def _email_of(person: Person) -> str:
    try:
        validate_email(person.email)
    except ValidationError:
        return ""
    return person.email if len(person.email) <= _LONGEST_ADDRESS else ""


def _printable(name: str) -> str:
    return name.replace("\0", "")[:_LONGEST]
