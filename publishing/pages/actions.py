"""What can be done with a shape version as it stands, and the words for it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from catalog.models import ShapeVersion
from catalog.states import VersionState


class Verb(StrEnum):
    """What the page of a shape offers for a version; the last part of the address where it is confirmed."""

    EDIT = "edit"
    VALIDATE = "validate"
    VALIDATION = "validation"
    PUBLISH = "publish"
    MAKE_PUBLIC = "make-public"
    ROLL_BACK = "roll-back"
    DEPRECATE = "deprecate"
    RESTORE = "restore"
    WITHDRAW = "withdraw"
    DELETE = "delete"
    REVISE = "revise"
    CLONE = "clone"


@dataclass(frozen=True)
class ActionText:
    """`label` is the button's on the page of the shape, `question` the title of the page that asks, `act` its button.

    `done` is said afterwards, and `effect` before: what it means, in a sentence or two.
    """

    label: str
    icon: str
    question: str = ""
    act: str = ""
    effect: str = ""
    done: str = ""
    danger: bool = False


WORDS: dict[Verb, ActionText] = {
    Verb.EDIT: ActionText("Edit", "pencil"),
    Verb.VALIDATE: ActionText("Validate", "shield-check"),
    Verb.VALIDATION: ActionText("Validation", "shield-check"),
    Verb.PUBLISH: ActionText(
        "Publish",
        "launch",
        "Publish",
        "Publish it",
        "Every launch by the shape's name takes this version from now on. Launches that were made keep what they have.",
        "is the latest version now.",
    ),
    Verb.MAKE_PUBLIC: ActionText(
        "Make public",
        "globe",
        "Make public",
        "Make it public",
        "Everybody may see it and launch from it. That is never taken back, since others may have pinned it by then.",
        "is public now.",
    ),
    Verb.ROLL_BACK: ActionText(
        "Roll back to this",
        "history",
        "Roll back to",
        "Roll back",
        "Every launch by the shape's name takes this version again. The one that it replaces can still be pinned.",
        "is the latest version again.",
    ),
    Verb.DEPRECATE: ActionText(
        "Deprecate",
        "triangle-alert",
        "Deprecate",
        "Deprecate it",
        "It can still be launched. Whoever does reads your message first.",
        "is deprecated.",
    ),
    Verb.RESTORE: ActionText(
        "Lift deprecation",
        "rotate-ccw",
        "Lift the deprecation of",
        "Lift it",
        "Launches from it are no longer warned.",
        "is no longer deprecated.",
    ),
    Verb.WITHDRAW: ActionText(
        "Withdraw",
        "ban",
        "Withdraw",
        "Withdraw it for good",
        "Nothing is launched from it any more. Launches that were made go on. This cannot be undone.",
        "was withdrawn.",
        danger=True,
    ),
    Verb.DELETE: ActionText(
        "Delete",
        "trash-2",
        "Delete",
        "Delete it",
        "It was never validated, so no launch by the shape's name takes it. Drafts that started as copies of it stay. "
        "This cannot be undone.",
        "was deleted.",
        danger=True,
    ),
    Verb.REVISE: ActionText("New version from this", "copy-plus"),
    Verb.CLONE: ActionText("Clone under a new id", "git-branch"),
}
ROLL_FORWARD = ActionText(
    "Roll forward to this",
    "history",
    "Roll forward to",
    "Roll forward",
    WORDS[Verb.ROLL_BACK].effect,
    WORDS[Verb.ROLL_BACK].done,
)
DELETE_SHAPE = ActionText(
    "Delete shape",
    "trash-2",
    "Delete",
    "Delete the shape",
    "The shape goes with all of its versions, and its id is free again. This cannot be undone.",
    "was deleted with all of its versions.",
    danger=True,
)


def words_of(verb: Verb, version: ShapeVersion, latest: ShapeVersion | None) -> ActionText:
    """The words for a verb on the version, of whose shape `latest` is the latest version now."""
    return ROLL_FORWARD if verb is Verb.ROLL_BACK and version.is_newer_than(latest) else WORDS[verb]


def legal_verbs(version: ShapeVersion) -> tuple[Verb, ...]:
    """What can be done now, the most likely first."""
    match VersionState(version.state):
        case VersionState.DRAFT:
            return (Verb.EDIT, Verb.VALIDATE, Verb.REVISE, Verb.CLONE, Verb.DELETE)
        case VersionState.VALIDATING:
            return (Verb.VALIDATION, Verb.REVISE, Verb.CLONE)
        case VersionState.REJECTED:
            return (Verb.REVISE, Verb.VALIDATE, Verb.CLONE, Verb.DELETE)
    if version.withdrawn_at is not None:
        return (Verb.REVISE, Verb.CLONE, Verb.VALIDATION)
    return (*_promotions(version), Verb.VALIDATION, Verb.REVISE, Verb.CLONE, *_demotions(version))


def remedy_of(verb: Verb, version: ShapeVersion, latest: ShapeVersion | None) -> str:
    """Why the verb is not among the legal ones, and what to do first; "" where the version's marks say it all."""
    if version.withdrawn_at is not None:
        return "It was withdrawn, for good."
    match VersionState(version.state):
        case VersionState.DRAFT | VersionState.REJECTED:
            return "Validate it first." if verb is Verb.PUBLISH else "It was never published: validate it first."
        case VersionState.VALIDATING:
            return "It is being validated: wait for the end, or stop it."
    if verb is Verb.DELETE:
        return "It is validated: withdraw it instead."
    if version.published_at is None:
        return "Publish it first." if verb in {Verb.ROLL_BACK, Verb.MAKE_PUBLIC} else ""
    if version.is_latest_validated and verb in {Verb.PUBLISH, Verb.ROLL_BACK}:
        return "It is the latest version already."
    way = words_of(Verb.ROLL_BACK, version, latest).act.lower()
    return f"It was published before: {way} to it." if verb in {Verb.PUBLISH, Verb.MAKE_PUBLIC} else ""


def _promotions(version: ShapeVersion) -> tuple[Verb, ...]:
    if version.published_at is None:
        return (Verb.PUBLISH,)
    if not version.is_latest_validated:
        return (Verb.ROLL_BACK,)
    return () if version.is_public else (Verb.MAKE_PUBLIC,)


def _demotions(version: ShapeVersion) -> tuple[Verb, ...]:
    lift = (Verb.RESTORE,) if version.deprecated_at else ()
    return (*lift, Verb.DEPRECATE, Verb.WITHDRAW)
