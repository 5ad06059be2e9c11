"""Reads of validations. The caller has looked the version up for the reader."""

from __future__ import annotations

from collections.abc import Sequence

from catalog.models import ShapeVersion
from launches.models import Attempt, Event
from publishing.models import Validation
from publishing.states import ValidationState

MOST_EARLIER = 10
MOST_EVENTS = 200


def newest_validations(version: ShapeVersion) -> Sequence[Validation]:
    """The version's newest validation with its launch, and a few before it, newest first."""
    found = Validation.objects.filter(version=version.pk).select_related("launch")
    return list(found.order_by("-number")[: MOST_EARLIER + 1])


def passport_of(version: ShapeVersion) -> Validation | None:
    """What the version's newest validation that passed showed."""
    passed = Validation.objects.filter(version=version.pk, state=ValidationState.PASSED)
    return passed.select_related("launch").order_by("-number").first()


def failed_since(passport: Validation) -> Validation | None:
    """The newest validation that failed after that one passed; it takes nothing away, and readers should know."""
    later = Validation.objects.filter(version=passport.version_id, number__gt=passport.number)
    return later.filter(state=ValidationState.FAILED).order_by("-number").first()


def watched_attempt(validation: Validation) -> Attempt | None:
    """The attempt of its launch that counts, without the log."""
    if validation.launch_id is None:
        return None
    return Attempt.objects.defer("log_tail").get(launch=validation.launch_id, number=1)


def events_of(validation: Validation) -> Sequence[Event]:
    """What its launch's timeline tells of the attempt that counts, oldest first."""
    if validation.launch_id is None:
        return []
    told = Event.objects.filter(launch_id=validation.launch_id, attempt_number=1)
    return list(told.exclude(kind__in=["checkpoint", "probe"]).order_by("sequence")[:MOST_EVENTS])
