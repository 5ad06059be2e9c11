"""Make a user."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from accounts.actors import Actor
from accounts.domain.record import record
from accounts.models import User
from accounts.names import TAKEN, wrong_name
from accounts.passwords import wrong_password
from wire.errors import InvalidArgument, Violation
from wire.names import user_name


@transaction.atomic
def create_user(*, actor: Actor, username: str, password: str, email: str = "") -> User:
    """Make a user who is a member of nothing yet. For verbs and operators: it asks for no right.

    Errors: `InvalidArgument` naming what is wrong with the user name (`username`), the address (`email`) and the
    password (`password`), all at once.
    """
    user = User(username=User.normalize_username(username), email=email)
    user.set_password(password)
    if violations := [*wrong_fields(user), *wrong_password(user, password)]:
        raise InvalidArgument(violations)
    try:
        with transaction.atomic():
            user.save()
    except IntegrityError:  # somebody else took the name since it was looked up
        raise InvalidArgument([Violation("username", TAKEN)]) from None
    record(actor=actor, verb="create_user", target=user_name(user.get_username()), account=None)
    return user


def wrong_fields(user: User) -> list[Violation]:
    """What keeps somebody new from being called that, or from having that address. Needs a transaction."""
    try:
        user.clean_fields(exclude=["password"])
    except ValidationError as error:
        return [Violation(field, text) for field, texts in error.message_dict.items() for text in texts]
    return wrong_name(user.username)
