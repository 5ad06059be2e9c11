"""Begin to check a password, where the throttle lets one try."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from accounts.digests import digest_of, digest_of_address
from accounts.models import SeenAddress, SignInFailures, User
from accounts.queries import user_by_name
from accounts.throttling import OF_ADDRESS, OF_NAME, OF_NAME_AND_ADDRESS, FailureLimit, counted, in_words, seconds_of
from wire.client_address import neighbourhood
from wire.errors import TooMany


@dataclass(frozen=True)
class SignInAttempt:
    """A password that is being checked: it counts as a failure until it is known to be right.

    `own` counts failures of the name from the address, `others` what besides; `pause` is what a failure leads to.
    """

    typed: str
    user: User | None
    address_is_new: bool
    own: str
    others: tuple[str, ...]
    failures: int
    pause: timedelta


@transaction.atomic
def begin_sign_in(*, typed: str, address: str, now: datetime, purpose: str = "") -> SignInAttempt:
    """Count a failure, so that of many tries at once no more get through than of many in a row.

    Each `purpose` is counted by itself: what is not the password, but asked for after it.

    Errors: `TooMany`, where one has to wait; that counts nothing.
    """
    user = user_by_name(typed)
    is_new = user is None or not SeenAddress.objects.filter(user=user, digest=digest_of_address(address)).exists()
    name = f"user {user.pk}" if user else f"name {typed.casefold()}"
    limits = _limits(f"{purpose} of {name}" if purpose else name, neighbourhood(address), is_new)
    rows = _lock(limits, user, now)
    wait = max(row.open_at for row in rows.values()) - now
    if wait > timedelta(0):
        raise TooMany(
            f"Too many failed attempts to sign in. Try again in {in_words(wait)}. "
            "Forgotten the password? Whoever runs this Slipway can set a new one.",
            retry_after=seconds_of(wait),
        )
    for digest, row in rows.items():
        row.failures, row.failed_at = counted(row.failures, row.failed_at, now), now
        row.open_at = now + limits[digest].pause(row.failures)
        row.save(update_fields=["failures", "failed_at", "open_at"])
    own, *others = limits
    return SignInAttempt(typed, user, is_new, own, tuple(others), rows[own].failures, rows[own].open_at - now)


def _limits(name: str, place: str, is_new: bool) -> dict[str, FailureLimit]:
    """What counts, by its digest; that of the name from the address first."""
    limits = {digest_of("sign-in of name at address", name, place): OF_NAME_AND_ADDRESS}
    if is_new:
        limits |= {digest_of("sign-in of name", name): OF_NAME, digest_of("sign-in at address", place): OF_ADDRESS}
    return limits


def _lock(limits: dict[str, FailureLimit], user: User | None, now: datetime) -> dict[str, SignInFailures]:
    """Their rows, which nobody else changes for the rest of the transaction; always in one order."""
    whose = {digest: None if limit is OF_ADDRESS else user for digest, limit in limits.items()}
    made = [SignInFailures(digest=digest, user=whose[digest], failed_at=now, open_at=now) for digest in sorted(limits)]
    SignInFailures.objects.bulk_create(made, ignore_conflicts=True)
    locked = SignInFailures.objects.select_for_update(of=("self",)).filter(digest__in=limits).order_by("digest")
    return {row.digest: row for row in locked}
