"""Forget uploads of catalog files that nobody applied."""

from __future__ import annotations

from datetime import datetime

from publishing.models import CatalogImport
from publishing.queries import KEPT_FOR


def forget_imports(*, now: datetime) -> int:
    """Delete those that can be applied no more; answers how many."""
    return CatalogImport.objects.filter(created_at__lt=now - KEPT_FOR).delete()[0]
