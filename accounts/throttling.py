"""How long sign-in pauses after failures. Pure.

    what failed                      free   then pauses of          for whom
    a name from an address              5   5 s, doubled to 15 min  that name from there
    a name, wherever from              20   1 min                   that name from where they never signed in
    an address, whatever name          50   5 s, doubled to 1 min   names that never signed in from there

So guessing gets slow, and nobody waits for somebody else at an address where they signed in before. A day without a
failure starts anew.

Counted in rows, a failure before the password is looked at, so that many tries at once are no more than many in a row.
allauth's own limits are by name alone or by address alone, in the broker, and answer 200; django-axes locks by
combinations, and knows neither growing pauses nor addresses that are exempt. A refused try costs two queries; one that
is let through costs a password hash, which outweighs its rows by far.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from wire.counts import quantity

FORGET = timedelta(days=1)


@dataclass(frozen=True)
class FailureLimit:
    """Failures that are free, and the pauses after the following ones."""

    free: int
    first: timedelta
    longest: timedelta

    def pause(self, failures: int) -> timedelta:
        """How long to wait after so many failures in a row."""
        over = failures - self.free
        if over < 0:
            return timedelta(0)
        return min(self.first * (1 << min(over, 30)), self.longest)


OF_NAME_AND_ADDRESS = FailureLimit(free=5, first=timedelta(seconds=5), longest=timedelta(minutes=15))
OF_NAME = FailureLimit(free=20, first=timedelta(minutes=1), longest=timedelta(minutes=1))
OF_ADDRESS = FailureLimit(free=50, first=timedelta(seconds=5), longest=timedelta(minutes=1))


def counted(failures: int, failed_at: datetime, now: datetime) -> int:
    """How many failures there are with one more, now."""
    return 1 if now - failed_at > FORGET else failures + 1


def in_words(wait: timedelta) -> str:
    """`40 seconds` or `3 minutes`, rounded up."""
    seconds = seconds_of(wait)
    return quantity(seconds, "second") if seconds < 100 else quantity(-(-seconds // 60), "minute")


def seconds_of(wait: timedelta) -> int:
    """Whole seconds, rounded up, at least one."""
    return max(1, -(-wait // timedelta(seconds=1)))
