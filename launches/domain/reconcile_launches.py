"""Compare what the providers run with what is recorded here."""

from __future__ import annotations

import structlog

from launches.connected import connected_providers
from launches.models import Attempt
from launches.providers.base import Provider, ProviderError, Reference

log = structlog.get_logger(__name__)


def reconcile_launches() -> int:
    """Cancel what a provider runs though its attempt is over here, which a worker that died at the wrong moment leaves.

    What nobody recorded here is left alone and logged: it may be another Slipway's. Answers how many were cancelled.
    """
    return sum(_reconcile(provider) for provider in connected_providers())


def _reconcile(provider: Provider) -> int:
    cancelled = 0
    try:
        for reference in provider.list_references():
            cancelled += _settle(provider, reference)
    except ProviderError as error:
        log.warning("reconcile.postponed", provider=provider.name, error=str(error))
    return cancelled


def _settle(provider: Provider, reference: Reference) -> bool:
    attempt = Attempt.objects.filter(
        launch__account__account_id=reference.account,
        launch__job_id=reference.job,
        launch__provider=provider.name,
        number=reference.attempt,
    ).first()
    if attempt is None:
        log.warning("reconcile.unknown", provider=provider.name, job=reference.job, attempt=reference.attempt)
        return False
    if not attempt.is_final:
        return False
    provider.cancel(reference)
    log.warning("reconcile.cancelled", provider=provider.name, job=reference.job, attempt=reference.attempt)
    return True
