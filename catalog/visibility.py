"""Which versions a reader may see, and which of them the catalog lists.

Every function takes the accounts (primary keys) that the reader is a member of.
"""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import F, Q, QuerySet

from catalog.enums import ShapeKind
from catalog.models import ShapeVersion
from catalog.states import VersionState
from lists.prepared import Among, Given


def may_see(member_of: Collection[int] | Given) -> Q:
    """Versions that the reader may see: those of their accounts, and what is public and validated."""
    if isinstance(member_of, Given):
        mine = Q(Among(F("shape__account"), member_of))
    else:
        mine = Q(shape__account__in=list(member_of))
    return Q(is_public=True, state=VersionState.VALIDATED) | mine


def listed(member_of: Collection[int], *kinds: ShapeKind) -> QuerySet[ShapeVersion]:
    """What the catalog lists: of every shape the latest validated version, where the reader may see it.

    Of training shapes unless told otherwise.
    """
    found = ShapeVersion.objects.filter(may_see(member_of), is_latest_validated=True)
    return found.filter(of_kind(*kinds or (ShapeKind.TRAINING,)))


def of_kind(*kinds: ShapeKind) -> Q:
    """Versions of shapes of these kinds: those of deployment shapes have no trainer mode."""
    if len(set(kinds)) > 1:
        return Q()
    return Q(trainer_mode__isnull=ShapeKind.DEPLOYMENT in kinds)
