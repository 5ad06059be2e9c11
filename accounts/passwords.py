"""Which passwords are taken: the same at every door that sets one."""

from __future__ import annotations

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from accounts.models import User
from wire.errors import Violation

_LEAST_SCORE = 2
"""zxcvbn's: a million guesses, which the throttle of sign-in makes years."""
_JUDGED = 16
"""Characters that are judged at a time: with more of them that stand for others, zxcvbn takes seconds."""


def wrong_password(user: User, password: str) -> list[Violation]:
    """What keeps the user from having the password."""
    try:
        validate_password(password, user)
    except ValidationError as error:
        return [Violation("password", text) for text in error.messages]
    return []


class GuessableValidator:
    """Refuses what programs guess first: common passwords, repetitions, rows of keys, and words with figures behind."""

    def validate(self, password: str, user: User | None = None) -> None:
        """Errors: `ValidationError`. Of a long password it is enough that its beginning or its end is hard to guess."""
        from zxcvbn import zxcvbn  # noqa: PLC0415 - its lists cost a tenth of a second and 20 MB, for a rare act

        known = ["slipway", *filter(None, [user and user.get_username(), user and user.email])]
        ends = {password[:_JUDGED], password[-_JUDGED:]}
        judged = [zxcvbn(end, user_inputs=known) for end in ends]
        best = max(judged, key=lambda verdict: verdict["guesses"])
        if best["score"] < _LEAST_SCORE:
            why = best["feedback"]["warning"].rstrip(".") or "It is made of parts that are guessed first"
            raise ValidationError(
                f"This password is easy to guess. {why}. Use a few words that do not belong together."
            )

    def get_help_text(self) -> str:
        """For the form."""
        return "Your password can\u2019t be easy to guess, such as a repetition or a row of keys."
