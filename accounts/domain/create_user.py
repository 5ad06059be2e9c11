"""Make a user."""

from __future__ import annotations

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from accounts.actors import Actor
from accounts.domain.record import record
from accounts.models import User
from wire.errors import InvalidArgument, Violation
from wire.names import user_name

TAKEN = "There is already a user of that name; choose another."


@transaction.atomic
def create_user(*, actor: Actor, username: str, password: str, email: str = "") -> User:
    """Make a user who is a member of nothing yet. For verbs and operators: it asks for no right.

    Errors: `InvalidArgument` naming what is wrong with the user name (`username`), the address (`email`) and the
    password (`password`), all at once.
    """
    user = User(username=User.normalize_username(username), email=email)
    user.set_password(password)
    if violations := [*_wrong_fields(user), *_wrong_password(user, password)]:
        raise InvalidArgument(violations)
    try:
        with transaction.atomic():
            user.save()
    except IntegrityError:  # somebody else took the name since it was looked up
        raise InvalidArgument([Violation("username", TAKEN)]) from None
    record(actor=actor, verb="create_user", target=user_name(user.get_username()), account=None)
    return user


def _wrong_fields(user: User) -> list[Violation]:
    try:
        user.clean_fields(exclude=["password"])
    except ValidationError as error:
        return [Violation(field, text) for field, texts in error.message_dict.items() for text in texts]
    taken = User.objects.filter(username__iexact=user.username).exists()
    return [Violation("username", TAKEN)] if taken else []


def _wrong_password(user: User, password: str) -> list[Violation]:
    try:
        validate_password(password, user)
    except ValidationError as error:
        return [Violation("password", text) for text in error.messages]
    return []
