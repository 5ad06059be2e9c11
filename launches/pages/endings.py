"""How an attempt ended, for people: why, whose that is, and what to do next. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from connections.providers.states import AttemptState, Reason, ReasonOwner, owner_of
from launches.states import FAILURES

REASONS = {
    Reason.DONE: "done",
    Reason.USER: "asked for by {who}",
    Reason.INACTIVE: "inactive for too long",
    Reason.UNCLAIMED: "nobody came for it",
    Reason.POLICY_OVER: "its policy was over",
    Reason.HOST_STOPPED: "its machine was stopped",
    Reason.NODE_FAIL: "its machine failed",
    Reason.PREEMPTED: "it had to make room",
    Reason.TIME_LIMIT: "its time was over",
    Reason.OUT_OF_MEMORY: "it needed more memory than it had",
    Reason.BOOT_FAIL: "a machine for it did not start",
    Reason.DEADLINE: "it could not be done in time",
    Reason.LAUNCH_FAILED: "it could not be started",
    Reason.EXIT_CODE: "it ended with an error",
    Reason.ENVIRONMENT: "its environment could not be prepared",
    Reason.LIMIT: "it used more than it may",
    Reason.SPEC_REFUSED: "the provider refuses the spec",
    Reason.UNKNOWN_TO_PROVIDER: "unknown to the provider",
}
WHOSE = {
    ReasonOwner.YOURS: "Yours to act on",
    ReasonOwner.PLATFORM: "The platform's fault, not yours",
    ReasonOwner.UNKNOWN: "Whose fault it is, nobody can tell yet",
}
_GOES_ON = "Resume it: it goes on from its last checkpoint."
NEXT = {
    Reason.INACTIVE: "Resume it once your loop is ready. A longer inactivity timeout waits for longer.",
    Reason.UNCLAIMED: "Resume it once your program is ready to open a session.",
    Reason.POLICY_OVER: "Resume the policy on its page: this comes back with it.",
    Reason.HOST_STOPPED: _GOES_ON,
    Reason.NODE_FAIL: _GOES_ON,
    Reason.PREEMPTED: _GOES_ON,
    Reason.TIME_LIMIT: _GOES_ON,
    Reason.OUT_OF_MEMORY: "Resume it and send shorter sequences or smaller batches, or ask whoever runs the connection "
    "for more memory per GPU.",
    Reason.BOOT_FAIL: _GOES_ON,
    Reason.DEADLINE: _GOES_ON,
    Reason.LAUNCH_FAILED: "Whoever runs the connection has to mend it; then resume it.",
    Reason.EXIT_CODE: "Read how it ended. If it was your data or your settings, change them and launch a clone; else "
    "resume it, and tell whoever runs the connection if it happens again.",
    Reason.ENVIRONMENT: "Whoever runs the connection has to mend it; then resume it.",
    Reason.LIMIT: "Resume it and ask for less at a time, or have whoever runs the connection raise the limit.",
    Reason.SPEC_REFUSED: "Do as the refusal says, and launch a clone.",
    Reason.UNKNOWN_TO_PROVIDER: "Resume it: it goes on from its last checkpoint where that is still there.",
}
_NOT_KNOWN = "Read what it said last; then resume it, or ask whoever runs the connection."


@dataclass(frozen=True)
class Ending:
    """Why an attempt ended ("" where nobody said), and where somebody has to act, who, and how."""

    reason: str
    whose: str = ""
    next: str = ""


def ending_of(state: AttemptState, reason: Reason | None, *, asked: str) -> Ending:
    """In words. `asked`: the label of who asked for the end, "" where that is not known."""
    label = REASONS[reason].format(who=asked or "a user") if reason else ""
    if state not in FAILURES and reason not in NEXT:
        return Ending(label)
    return Ending(label, WHOSE[owner_of(reason)], NEXT.get(reason, _NOT_KNOWN) if reason else _NOT_KNOWN)
