"""Note what a trainer answered through the gateway, where its own records cannot be read: losses, and steps."""

from __future__ import annotations

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts.actors import SYSTEM
from launches.domain.append_event import TimelineLine, append_events
from launches.live.wake import wake
from launches.models import Attempt, Launch, Metric

GAP = "curve-gap"
MOST_TOKENS = 2**53


def note_loss(attempt_pk: int, *, loss: float, tokens: int) -> None:
    """A sum over `tokens` tokens of a backward pass; it counts for the next step, with the others before that.

    Told twice, as a client that lost the answer does, the loss per token stays what it is.
    """
    if 0 < tokens < MOST_TOKENS:
        rows = Attempt.objects.filter(pk=attempt_pk, finished_at=None)
        rows.update(passed_loss=F("passed_loss") + loss, passed_tokens=F("passed_tokens") + tokens)


@transaction.atomic
def note_step(attempt_pk: int, *, learning_rate: float | None, grad_norm: float | None, step: int | None) -> None:
    """An optimizer step: a record of its own, with the losses that were noted since the one before.

    Told twice, with no loss between, it is noted once.
    """
    attempt = _held(attempt_pk)
    if attempt is None:
        return
    launch = attempt.launch
    number = attempt.metrics_read + 1
    newest = attempt.metrics.order_by("-number").first()
    if newest is not None and newest.step == step and not attempt.passed_tokens:
        return
    loss = attempt.passed_loss / attempt.passed_tokens if attempt.passed_tokens else None
    made = Metric.objects.create(
        attempt=attempt,
        number=number,
        step=number if step is None or not 0 < step < 2**31 else step,
        loss_per_token=loss,
        learning_rate=learning_rate,
        grad_norm=grad_norm,
        tokens=attempt.passed_tokens or None,
        recorded_at=timezone.now(),
    )
    Attempt.objects.filter(pk=attempt.pk).update(metrics_read=number, passed_loss=0, passed_tokens=0)
    Launch.objects.filter(pk=launch.pk).update(last_loss=loss, last_step=made.step)
    wake(launch)


@transaction.atomic
def note_unread(attempt_pk: int) -> None:
    """Say in the timeline, once an attempt, that its curve has gaps."""
    attempt = _held(attempt_pk)
    if attempt is None:
        return
    said = attempt.launch.events.filter(kind="limit", attempt_number=attempt.number, data__limit=GAP)
    if not said.exists():
        message = "Some answers of the trainer passed too fast, or were too long, to be read: the curve has gaps"
        append_events(attempt.launch, [TimelineLine("limit", message, {"limit": GAP})], actor=SYSTEM)


def _held(attempt_pk: int) -> Attempt | None:
    """The attempt and its launch, locked in the order of everybody; None where it is over."""
    found = Attempt.objects.filter(pk=attempt_pk).values_list("launch", flat=True).first()
    if found is None:
        return None
    launch = Launch.objects.select_for_update(of=("self",)).select_related("account").get(pk=found)
    attempt = Attempt.objects.select_for_update().defer("log_tail").filter(pk=attempt_pk, finished_at=None).first()
    if attempt is not None:
        attempt.launch = launch
    return attempt
