"""What an answer that refuses is about, and what to do. Pure.

Sorted by the reason of google.rpc.ErrorInfo, then by the HTTP status, then by the code of google.rpc.Status; never by
the message, which is for people and changes.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

from connections.providers.errors import Rejected, Retryable, SecretRefused

LONGEST_TEXT = 600
_MOST_VIOLATIONS = 5


class Obstacle(StrEnum):
    """What stands in the way."""

    CAPACITY = "CAPACITY"
    QUOTA = "QUOTA"
    SPENDING_LIMIT = "SPENDING_LIMIT"
    KEY = "KEY"
    PERMISSION = "PERMISSION"
    SHAPE = "SHAPE"
    INPUT = "INPUT"
    MISSING = "MISSING"
    CONFLICT = "CONFLICT"
    PLATFORM = "PLATFORM"


FINAL_FOR_A_SUBMISSION = frozenset({Obstacle.PERMISSION, Obstacle.SHAPE, Obstacle.INPUT, Obstacle.MISSING})
"""What waiting does not change; of all else the next try may be taken."""

REMEDIES: dict[Obstacle, str] = {
    Obstacle.CAPACITY: "It has no room now; this is tried again.",
    Obstacle.QUOTA: "Its account has used up a quota or a rate: end something there, or ask the provider for more. "
    "This is tried again.",
    Obstacle.SPENDING_LIMIT: "Its account may not spend more: raise the limit with the provider. This is tried again.",
    Obstacle.KEY: "A superuser has to give the connection a key that is in force. This is tried again.",
    Obstacle.PERMISSION: "The connection's key may not do this: ask whoever runs the account there.",
    Obstacle.SHAPE: "The account there may not launch this shape as it stands: choose another, or ask the provider.",
    Obstacle.INPUT: "Change what it names, and launch again.",
    Obstacle.MISSING: "It is not offered there (any more), or the connection's key may not see it: choose another.",
    Obstacle.CONFLICT: "This is tried again.",
    Obstacle.PLATFORM: "This is tried again.",
}

_REASONS: dict[str, Obstacle] = {
    # google.api.ErrorReason
    "BILLING_DISABLED": Obstacle.SPENDING_LIMIT,
    "RATE_LIMIT_EXCEEDED": Obstacle.QUOTA,
    "RESOURCE_QUOTA_EXCEEDED": Obstacle.QUOTA,
    "API_KEY_INVALID": Obstacle.KEY,
    "ACCESS_TOKEN_EXPIRED": Obstacle.KEY,
    "CREDENTIALS_MISSING": Obstacle.KEY,
    "ACCOUNT_STATE_INVALID": Obstacle.PERMISSION,
    # A Slipway's own
    "TRAINING_SHAPE_NOT_VALIDATED": Obstacle.SHAPE,
    "NO_TRAINING_SHAPE_FITS": Obstacle.SHAPE,
    "DISK_SPACE": Obstacle.CAPACITY,
    # The names of google.rpc.Code, which stand there where nothing more exact is known
    "RESOURCE_EXHAUSTED": Obstacle.CAPACITY,
    "INVALID_ARGUMENT": Obstacle.INPUT,
    "UNAUTHENTICATED": Obstacle.KEY,
    "PERMISSION_DENIED": Obstacle.PERMISSION,
    "NOT_FOUND": Obstacle.MISSING,
    "ALREADY_EXISTS": Obstacle.CONFLICT,
    "UNAVAILABLE": Obstacle.PLATFORM,
    "INTERNAL": Obstacle.PLATFORM,
}
_STATUSES: dict[int, Obstacle] = {
    401: Obstacle.KEY,
    402: Obstacle.SPENDING_LIMIT,
    403: Obstacle.PERMISSION,
    404: Obstacle.MISSING,
    408: Obstacle.PLATFORM,
    409: Obstacle.CONFLICT,
    412: Obstacle.SHAPE,
    422: Obstacle.INPUT,
    425: Obstacle.PLATFORM,
    429: Obstacle.QUOTA,
    501: Obstacle.INPUT,
}
_CODES: dict[int, Obstacle] = {3: Obstacle.INPUT, 5: Obstacle.MISSING, 6: Obstacle.CONFLICT, 8: Obstacle.CAPACITY}


class RemoteRefusal(Retryable):
    """It answered, and not with what was asked for. Where a verb does not know better, that is no outcome of a job.

    `is_said` tells that the refusal is the control plane's own, and not of something that stands in front of it.
    """

    def __init__(self, sentence: str, obstacle: Obstacle, *, is_said: bool) -> None:
        super().__init__(sentence)
        self.obstacle = obstacle
        self.is_said = is_said


class KeyRefusal(RemoteRefusal, SecretRefused):
    """It does not take the connection's key, or not even for a look at the jobs of the account."""


def lasting(refused: RemoteRefusal) -> Rejected | RemoteRefusal:
    """`Rejected` where the control plane itself says what waiting does not change."""
    lasts = refused.is_said and refused.obstacle in FINAL_FOR_A_SUBMISSION
    return Rejected(str(refused)) if lasts else refused


def refusal(host: str, status: int, body: Any) -> RemoteRefusal:
    """The answer in a sentence: the control plane's own words, and what to do. `body` is its JSON, None where none."""
    said = body if isinstance(body, Mapping) else {}
    obstacle = sort_refusal(status, said)
    words = clean(said.get("message")) or ("It sent no reason." if said else "What it sent is no answer of its API.")
    words += "".join(f" {line}" for line in _violations(said) if line not in words)
    sentence = f"{host} refuses ({status}): {words.rstrip('. ')}. {REMEDIES[obstacle]}"
    kind = KeyRefusal if obstacle is Obstacle.KEY else RemoteRefusal
    return kind(sentence, obstacle, is_said=isinstance(said.get("code"), int))


def sort_refusal(status: int, said: Mapping[str, Any]) -> Obstacle:
    """What an answer with that status and body is about."""
    if known := _REASONS.get(reason_in(said.get("details"))):
        return known
    if known := _STATUSES.get(status):
        return known
    code = said.get("code")
    told = _CODES.get(code) if isinstance(code, int) else None
    if 400 <= status < 500:
        return told or Obstacle.INPUT
    # redirections too, which are not followed: whoever answers so is not the control plane
    return Obstacle.CAPACITY if told is Obstacle.CAPACITY else Obstacle.PLATFORM


def reason_in(details: Any) -> str:
    """The reason of the first google.rpc.ErrorInfo; "" where there is none."""
    for detail in _details(details, "ErrorInfo"):
        if isinstance(reason := detail.get("reason"), str):
            return reason
    return ""


def clean(text: Any) -> str:
    """A text of theirs as one line of bounded length that hides nothing; "" where it is none."""
    return " ".join(clean_lines(text, longest=LONGEST_TEXT).split())


def clean_lines(text: Any, *, longest: int = 4_000) -> str:
    """A text of theirs of bounded length that hides nothing, in lines as it has them; "" where it is none."""
    if not isinstance(text, str):
        return ""
    seen = "".join(letter for letter in text[:longest] if letter == "\n" or unicodedata.category(letter)[0] != "C")
    return f"{seen.strip()}…" if len(text) > longest else seen.strip()


def _violations(said: Mapping[str, Any]) -> Iterator[str]:
    for detail in _details(said.get("details"), "BadRequest"):
        fields = detail.get("fieldViolations")
        for field in fields[:_MOST_VIOLATIONS] if isinstance(fields, list) else ():
            if isinstance(field, Mapping) and (words := clean(field.get("description"))):
                yield words


def _details(details: Any, name: str) -> Iterator[Mapping[str, Any]]:
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, Mapping) and str(detail.get("@type", "")).endswith(f"google.rpc.{name}"):
            yield detail
