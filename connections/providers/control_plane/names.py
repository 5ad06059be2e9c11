"""Under which id a job is known there. Pure.

    s7k2f-team-a-my-job-4qz2mxw7ab
    |     |             +- of the instance, account and job, whole
    |     +- account and job, cut where they are too long together
    +- which Slipway

Several Slipways, and several accounts of one, may share an account there, and a job's id is the client's own choice: so
the id is made of all three. It is the same for every attempt.
"""

from __future__ import annotations

import base64
import hashlib

from connections.providers.attempts import NEWEST_ATTEMPT, Reference
from wire.names import is_id

LONGEST = 63
_TAG, _HASH = 5, 10


def remote_id(instance: str, account: str, job: str) -> str:
    """The id of the job there: a DNS label. An account of "" says that the job is named as it is there."""
    if not account:
        return job
    tag, mark = _tag(instance), _hash(instance, account, job)
    words = f"{account}-{job}"[: LONGEST - len(tag) - len(mark) - 2].rstrip("-")
    return f"{tag}-{words}-{mark}"


def is_ours(instance: str, identifier: str) -> bool:
    """Whether the id looks as if this Slipway made it."""
    return identifier.startswith(f"{_tag(instance)}-") and is_id(identifier)


def read_remote_id(instance: str, identifier: str) -> Reference | None:
    """Whose job it is; None where this Slipway did not make the id.

    Where account and job were cut, the hash tells no way back: then the account is "", and the job is the id itself.
    """
    if not is_ours(instance, identifier):
        return None
    words = identifier[len(_tag(instance)) + 1 : -_HASH - 1]
    for place, letter in enumerate(words):
        account, job = words[:place], words[place + 1 :]
        if letter == "-" and account and job and remote_id(instance, account, job) == identifier:
            return Reference(account, job, NEWEST_ATTEMPT)
    return Reference("", identifier, NEWEST_ATTEMPT)


def _tag(instance: str) -> str:
    return f"s{instance[:_TAG]}"


def _hash(instance: str, account: str, job: str) -> str:
    digest = hashlib.sha256("\n".join((instance, account, job)).encode()).digest()
    return base64.b32encode(digest).decode().lower()[:_HASH]
