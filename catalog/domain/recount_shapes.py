"""Count what the catalog lists anew, in place of the amounts that writes have added since the last time.

It keeps the sums short, that of the catalog's changes, too. It also puts right what a shape that was published just
while its base model moved to another family may have added for the one before.
"""

from __future__ import annotations

from datetime import datetime

from django.db import connection, transaction


@transaction.atomic
def recount_shapes(*, now: datetime) -> None:  # noqa: ARG001  (as all that tidies)
    """One at a time; what is written meanwhile is added behind it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT catalog_recount(), catalog_renote()")
