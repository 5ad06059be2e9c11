"""What the audit log calls that which is about a person rather than about the account's things. Pure.

It is written once for each account that they are a member of, so the log of an account stays one index and one right.
"""

from __future__ import annotations

from enum import StrEnum


class PersonalVerb(StrEnum):
    """Seen by admins of the person's accounts, not by publishers."""

    SIGN_IN = "sign_in"
    FAIL_TO_SIGN_IN = "fail_to_sign_in"
    LOCK_OUT = "lock_out"
    SIGN_OUT = "sign_out"
    CHANGE_PASSWORD = "change_password"  # noqa: S105
    USE_KEY_ELSEWHERE = "use_api_key_elsewhere"


PERSONAL_VERBS = tuple(sorted(verb.value for verb in PersonalVerb))
