"""What may be done to a launch right now, and why not. Pure; the verbs decide, this only tells beforehand."""

from __future__ import annotations

from dataclasses import dataclass

from connections.providers.states import FINAL, AttemptState
from launches.states import RESUMABLE


@dataclass(frozen=True)
class Action:
    """One button: `refusal` is "" where it may be pressed."""

    refusal: str = ""

    @property
    def allowed(self) -> bool:
        """Whether it may be pressed."""
        return not self.refusal


@dataclass(frozen=True)
class Actions:
    """The buttons of a launch page; `resume` is None where nothing is left to do, and then it is to `extend`."""

    cancel: Action
    resume: Action | None
    delete: Action
    clone: Action
    extend: Action | None


def actions_for(
    state: AttemptState, *, control: str, launch: str, resume: str = "", closed: str = "", complete: bool = False
) -> Actions:
    """The buttons for a launch in `state`.

    `control` and `launch` say why the reader may not act on it, and may not launch in the account; `resume` why this
    launch is never resumed, `closed` why its connection takes none for now; each is "" where nothing speaks against it.
    `complete`: all that it was to do is done.
    """
    return Actions(
        cancel=Action(control or _cancel(state)),
        resume=None if complete else Action(control or resume or _resume(state)),
        delete=Action(control),
        clone=Action(launch),
        extend=Action(control or closed) if complete else None,
    )


def _cancel(state: AttemptState) -> str:
    if state in FINAL:
        return f"It is over ({state.lower()}); there is nothing to cancel."
    return "It is being cancelled already." if state is AttemptState.CANCELLING else ""


def _resume(state: AttemptState) -> str:
    if state in RESUMABLE:
        return ""
    if state is AttemptState.REJECTED:
        return "The provider refused it, and would again. Clone it and change what it refused."
    return "It has not ended yet; only one that has can be resumed."
