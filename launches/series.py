"""A run's records as one series over all of its attempts.

Where attempts overlap the later one counts: it began at a checkpoint, and what an earlier one did beyond that is not
in the weights any more. Every read costs one query, however many attempts there are.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import BigIntegerField, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Mod

from launches.models import Attempt, Evaluation, Launch, Metric
from lists.prepared import Given, Prepared

TABLE = 50
CURVE = 2_000
"""About how many points of a curve are sent at once; of a longer one every n-th."""
MOST_ATTEMPTS = 50
MOST_EVALUATIONS = 1_000

Position = tuple[int, int]
"""Where a reader of the series stands: the number of an attempt, and of the newest of its records that they have."""
START: Position = (0, 0)


@dataclass(frozen=True)
class AttemptRecords:
    """What one attempt adds to the series: its records of steps below `end`, of all steps where that is None.

    `attempt` is a primary key and `number` the attempt's own; `begin` is the step of its first record, `read` the
    number of its newest one.
    """

    attempt: int
    number: int
    begin: int
    read: int
    end: int | None

    @property
    def records(self) -> Q:
        """Its records."""
        own = Q(attempt=self.attempt)
        return own if self.end is None else own & Q(step__lt=self.end)


def records_by_attempt(launch: Launch) -> list[AttemptRecords]:
    """What the attempts with records add to the series, in order; of very many attempts the newest fifty."""
    found: list[AttemptRecords] = []
    end: int | None = None
    for pk, number, begin, read in _MEASURED.rows(launch=launch.pk):
        if begin is not None and (end is None or begin < end):
            found.append(AttemptRecords(pk, number, begin, read, end))
            end = begin
    return found[::-1]


def _measured() -> QuerySet[Attempt, tuple[int, int, int | None, int]]:
    """Attempts with records, the newest first: key, number, step of the first record and number of the newest one."""
    first = Metric.objects.filter(attempt=OuterRef("pk")).order_by("number").values("step")[:1]
    measured = Attempt.objects.filter(launch_id=Given("launch", BigIntegerField()), metrics_read__gt=0)
    by_number = measured.annotate(begin=Subquery(first)).order_by("-number")
    return by_number.values_list("pk", "number", "begin", "metrics_read")[:MOST_ATTEMPTS]


_MEASURED = Prepared(_measured)


def newest_of(series: Sequence[AttemptRecords]) -> list[tuple[int, Metric]]:
    """The newest records of the series, newest first, each with the number of its attempt."""
    numbers = {part.attempt: part.number for part in series}
    parts = [Metric.objects.filter(part.records).order_by("-number")[:TABLE] for part in series]
    found = list(parts[0].union(*parts[1:], all=True)) if parts else []
    found.sort(key=lambda record: (numbers[record.attempt_id], record.number), reverse=True)
    return [(numbers[record.attempt_id], record) for record in found[:TABLE]]


def evaluations_of(series: Sequence[AttemptRecords]) -> list[Evaluation]:
    """The evaluations of the series by step, without their samples: of very many the newest.

    One after a step from which a later attempt went on is of that very checkpoint, and counts.
    """
    if not series:
        return []
    own = (
        Q(attempt=part.attempt) if part.end is None else Q(attempt=part.attempt, step__lt=part.end) for part in series
    )
    found = Evaluation.objects.filter(functools.reduce(operator.or_, own)).defer("samples")
    return list(found.order_by("-step", "-attempt_id", "-number")[:MOST_EVALUATIONS])[::-1]


def with_samples(evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    """The first and the last of them that have samples, with these."""
    wanted = Evaluation.objects.filter(pk__in=[each.pk for each in evaluations]).exclude(samples=[])
    ends = wanted.order_by("step", "pk")[:1].union(wanted.order_by("-step", "-pk")[:1])
    return sorted(ends, key=lambda each: (each.step, each.pk))


def curve_of(series: Sequence[AttemptRecords], *, after: Position) -> list[tuple[int, Metric]]:
    """The records beyond `after`, in order, each with the number of its attempt.

    Of more than about two thousand every n-th, with the first of each attempt and the newest of all.
    """
    attempt, number = after
    wanted = [(part, number if part.number == attempt else 0) for part in series if part.number >= attempt]
    if not wanted:
        return []
    every = max(1, sum(part.read - seen for part, seen in wanted) // CURVE)
    chosen = (part.records & Q(number__gt=seen) for part, seen in wanted)
    found = Metric.objects.filter(functools.reduce(operator.or_, chosen))
    if every > 1:
        last = wanted[-1][0]
        kept = Q(rest=0) | Q(number=1) | Q(attempt=last.attempt, number=last.read)
        found = found.annotate(rest=Mod("number", every)).filter(kept)
    numbers = {part.attempt: part.number for part, _ in wanted}
    return [(numbers[record.attempt_id], record) for record in found.order_by("attempt_id", "number")[: 2 * CURVE]]
