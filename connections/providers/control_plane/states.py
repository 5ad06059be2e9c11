"""What a state there means here. Pure.

A state never goes back here (`launches.states`), so one that says less than what was seen before only makes a trainer
not ready. Whatever is not in the table is shown as it is (`Observation.remote_state`), and is never taken for RUNNING
or for an end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connections.providers.control_plane.refusals import clean
from connections.providers.states import FINAL, AttemptState, Reason

PREFIX = "JOB_STATE_"
_S = AttemptState


@dataclass(frozen=True)
class Meaning:
    """A state of ours; the reason that the state alone tells; and a sentence for where the job itself says nothing."""

    state: AttemptState
    sentence: str = ""
    reason: Reason | None = None


MEANINGS: dict[str, Meaning] = {
    "PENDING": Meaning(_S.PENDING, "It waits for GPUs there."),
    "CREATING": Meaning(_S.CREATING, "Its trainer is being made there."),
    "RUNNING": Meaning(_S.RUNNING),
    "COMPLETED": Meaning(_S.COMPLETED, "", Reason.DONE),
    "FAILED": Meaning(_S.FAILED, "It failed there, and nothing was said of why."),
    "CANCELLING": Meaning(_S.CANCELLING, "It is being stopped there."),
    "CANCELLED": Meaning(_S.CANCELLED, "It was stopped there."),
    # It is listed and has no GPU, and starts again only when somebody resumes it: for who waits it is over.
    "PAUSED": Meaning(_S.CANCELLED, "It was paused there. Resume it to go on."),
    # Up, and nothing is done by it: not ready, and not over.
    "IDLE": Meaning(_S.CREATING, "It is idle there."),
    # It lost its GPUs and waits for others under the same id: the same attempt, which cannot be used meanwhile.
    "RE_QUEUEING": Meaning(_S.PENDING, "It lost its GPUs there, and waits for others."),
    # It ended by itself before its last step, and what it trained is kept.
    "EARLY_STOPPED": Meaning(_S.COMPLETED, "It stopped there before its last step.", Reason.DONE),
    # A limit of theirs ended it, neither its user nor its own code.
    "EXPIRED": Meaning(_S.FAILED, "It ran into a time limit there.", Reason.LIMIT),
    # On its way to a tombstone: it runs no longer, and is not gone yet.
    "DELETING": Meaning(_S.CANCELLING, "It is being deleted there."),
}
"""By their word without the prefix."""
TOMBSTONES = frozenset({"DELETED", "ARCHIVED"})
"""Nothing is left of the job but its id, which cannot be used again."""
OVER = frozenset(word for word, meaning in MEANINGS.items() if meaning.state in FINAL)


def word_of(state: object) -> str:
    """The state's word without the prefix, as far as it is one."""
    return clean(state).removeprefix(PREFIX)[:40]


def meaning_of(word: str) -> Meaning:
    """What the word means. Of one that nobody here knows only that the job is there."""
    known = MEANINGS.get(word)
    return known or Meaning(_S.PENDING, f"Its state there is {word or 'not told'}, of which Slipway knows nothing.")


def word_in(job: Mapping[str, Any]) -> str:
    """The word of the state of a job as it was answered."""
    return word_of(job.get("state"))
