"""Apply a catalog file that was reviewed."""

from __future__ import annotations

from django.db import transaction

from accounts.actors import Actor
from catalog.domain.apply_catalog import apply_catalog
from catalog.files.plan import Plan
from catalog.files.reader import read_document
from publishing.models import CatalogImport


@transaction.atomic
def apply_import(*, actor: Actor, kept: CatalogImport, expected: str, renew: bool = False) -> Plan:
    """Do the plan with the fingerprint `expected`, and forget the upload. `renew` and errors: as in `apply_catalog`."""
    document = read_document(kept.text, source=kept.source)
    plan = apply_catalog(
        actor=actor,
        document=document,
        file=kept.sha256,
        source=kept.source,
        expected=expected,
        prune=not kept.bundled,
        renew=renew,
    )
    kept.delete()
    return plan
