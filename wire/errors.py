"""What a domain verb raises when it refuses. Forms answer with these sentences, and so does every other door."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MOST_FOREIGN = 20
"""Names that nobody knows are told one by one up to this many; of the others only how many they are."""


@dataclass(frozen=True)
class Violation:
    """One thing wrong with one field: what it is, which limit it breaks, and what to do instead."""

    field: str
    description: str


class Refusal(Exception):
    """A request that is understood and refused. `message` is a sentence for a person, `reason` a word for a program."""

    code = "FAILED_PRECONDITION"

    def __init__(self, message: str, *, reason: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason or self.code


class NotFound(Refusal):
    """There is no such thing, or the caller may not know of it."""

    code = "NOT_FOUND"


class PermissionDenied(Refusal):
    """The caller knows of the thing and may not do this to it."""

    code = "PERMISSION_DENIED"


class AlreadyExists(Refusal):
    """The id or the key is taken by something else."""

    code = "ALREADY_EXISTS"


class FailedPrecondition(Refusal):
    """Legal in itself, but not in the state that the thing is in."""


class Conflict(Refusal):
    """Somebody else changed the thing since the caller looked at it; look again and repeat."""

    code = "ABORTED"


class TooMany(Refusal):
    """More than is taken at a time; after `retry_after` seconds it may be repeated."""

    code = "RESOURCE_EXHAUSTED"

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ResourceExhausted(Refusal):
    """There is no room for it now; the same may be tried again later."""

    code = "RESOURCE_EXHAUSTED"


class Unavailable(Refusal):
    """What it takes does not answer now; the same may be tried again shortly."""

    code = "UNAVAILABLE"


class Unimplemented(Refusal):
    """Nobody here can do that (yet)."""

    code = "UNIMPLEMENTED"


class InvalidArgument(Refusal):
    """One or more fields are wrong; all of them are named at once."""

    code = "INVALID_ARGUMENT"

    def __init__(self, violations: Sequence[Violation]) -> None:
        super().__init__("; ".join(f"{v.field}: {v.description}" for v in violations))
        self.violations = tuple(violations)


def capped(found: list[Violation], *, field: str) -> list[Violation]:
    """The first twenty violations by names that are not known, and one of `field` that counts the others, if any."""
    more = len(found) - MOST_FOREIGN
    if more <= 0:
        return found
    return [*found[:MOST_FOREIGN], Violation(field, f"and {more} more names that cannot be used. Leave them out.")]
