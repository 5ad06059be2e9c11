"""Note from where somebody comes."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction

from accounts.models import ApiKey, SeenAddress, User


def see_address(*, digest: str, now: datetime, user: User | None = None, api_key: ApiKey | None = None) -> bool:
    """Note that the user signed in, or the key was used, from the address; whether that is the first time there."""
    if SeenAddress.objects.filter(user=user, api_key=api_key, digest=digest).update(seen_at=now):
        return False
    try:
        with transaction.atomic():
            SeenAddress.objects.create(user=user, api_key=api_key, digest=digest, seen_at=now)
    except IntegrityError:  # noted by somebody else in between
        return False
    return True
