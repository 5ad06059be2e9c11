"""Compare what the providers run with what is recorded here."""

from __future__ import annotations

import structlog
from django.utils import timezone

from connections.providers.base import Provider, ProviderError, Reference
from connections.providers.states import AttemptState
from launches.connected import connected_providers
from launches.domain.note_unknown_trainers import note_unknown_trainers
from launches.models import Attempt

log = structlog.get_logger(__name__)


def reconcile_launches() -> int:
    """Cancel what a provider runs though its attempt is over here, which a worker that died at the wrong moment leaves.

    What nobody recorded here is left alone until an admin asks for its end: it may be another Slipway's. So is what the
    provider has under the id of an attempt that it refused: of that it took nothing. Answers how many were cancelled.
    """
    return sum(_reconcile(provider) for provider in connected_providers())


def _reconcile(provider: Provider) -> int:
    cancelled = 0
    unknown = []
    try:
        for reference in provider.list_references():
            attempt = _attempt_of(provider, reference)
            if attempt is None or attempt.state == AttemptState.REJECTED:
                unknown.append(reference)
            elif attempt.is_final:
                provider.cancel(reference)
                cancelled += 1
                log.warning("reconcile.cancelled", **_words(provider, reference))
        note_unknown_trainers(provider=provider, references=unknown, now=timezone.now())
    except ProviderError as error:
        log.warning("reconcile.postponed", provider=provider.name, error=str(error))
    return cancelled


def _attempt_of(provider: Provider, reference: Reference) -> Attempt | None:
    return Attempt.objects.filter(
        launch__account__account_id=reference.account,
        launch__job_id=reference.job,
        launch__provider=provider.name,
        number=reference.attempt,
    ).first()


def _words(provider: Provider, reference: Reference) -> dict[str, object]:
    return {"provider": provider.name, "job": reference.job, "attempt": reference.attempt}
