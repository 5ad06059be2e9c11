"""The providers that this Slipway is connected to, from its settings."""

from __future__ import annotations

from functools import cache

from django.conf import settings

from connections.providers.base import Provider
from connections.providers.local.limits import Limits
from connections.providers.local.provider import LocalProvider


@cache
def connected_providers() -> tuple[Provider, ...]:
    """All of them, in the order in which a launch tries them."""
    if not settings.SLIPWAY_LOCAL_PROVIDER:
        return ()
    return (local_provider(),)


@cache
def local_provider() -> LocalProvider:
    """The provider that runs trainers as processes of this machine."""
    return LocalProvider(
        root=settings.SLIPWAY_HOME / "local",
        slots=settings.SLIPWAY_LOCAL_SLOTS,
        bind=settings.SLIPWAY_TRAINER_BIND,
        host=settings.SLIPWAY_TRAINER_HOST,
        models=settings.SLIPWAY_HOME / "models",
        trainer_package=settings.BASE_DIR / "trainer",
        environment=settings.SLIPWAY_TRAINER_ENV,
        users=settings.SLIPWAY_TRAINER_USERS,
        limits=Limits(
            memory_bytes=_bytes(settings.SLIPWAY_TRAINER_MEMORY_GB),
            disk_bytes=_bytes(settings.SLIPWAY_TRAINER_DISK_GB),
            files=settings.SLIPWAY_TRAINER_FILES,
            log_bytes=settings.SLIPWAY_TRAINER_LOG_MB * 1_000_000,
        ),
        least_free_bytes=settings.SLIPWAY_LEAST_FREE_MB * 1_000_000,
    )


def _bytes(gigabytes: int | None) -> int | None:
    return None if gigabytes is None else gigabytes * 1_000_000_000


def provider_named(name: str) -> Provider | None:
    """The connected provider of that name."""
    return next((provider for provider in connected_providers() if provider.name == name), None)
