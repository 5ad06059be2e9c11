"""Keep a catalog file that was uploaded, to be reviewed and applied."""

from __future__ import annotations

import hashlib
from datetime import datetime

from django.db import transaction

from accounts.actors import Actor
from accounts.models import Account, User
from accounts.roles import Role, allows, publishing_right
from catalog.files.problems import DocumentError
from catalog.files.reader import read_document
from catalog.files.scan import decode
from catalog.rights import require_publisher
from publishing.domain.forget_imports import forget_imports
from publishing.models import CatalogImport

KEPT_BY_USER = 5
LONGEST_SOURCE = 100


@transaction.atomic
def keep_import(
    *, actor: Actor, user: User, account: Account, data: bytes, source: str, now: datetime, bundled: bool = False
) -> CatalogImport:
    """The upload as a row, once it is read and found to be the account's; older uploads are forgotten.

    `bundled` says that it came with Slipway: applying it leaves alone what it does not have.

    Errors: `NotFound`, `PermissionDenied`; `DocumentError`, all reasons at once.
    """
    require_publisher(actor, account)
    source = source[-LONGEST_SOURCE:]
    text = decode(data, source=source)
    document = read_document(text, source=source)
    if document.account_id != account.account_id:
        sentence = (
            f"the file is of account {document.account_id} and you work in {account.account_id}; "
            f"{_way_out(user, document.account_id)}"
        )
        raise DocumentError(source, [document.place.problem("account", sentence)])
    forget_imports(now=now)
    kept = CatalogImport.objects.create(
        account=account, user=user, source=source, sha256=hashlib.sha256(data).hexdigest(), text=text, bundled=bundled
    )
    mine = CatalogImport.objects.filter(user=user).order_by("-pk").values_list("pk", flat=True)
    CatalogImport.objects.filter(pk__in=list(mine[KEPT_BY_USER:])).delete()
    return kept


def _way_out(user: User, account_id: str) -> str:
    """What to do with a file of another account: who cannot publish there is not sent there."""
    role = user.memberships.filter(account__account_id=account_id).values_list("role", flat=True).first()
    if role and allows(Role(role), publishing_right(account_id)):
        return f"switch to {account_id} in the menu above, or change the file"
    if role:
        return f"your role in {account_id} is {role}, which may not publish, so change the file or ask an admin there"
    return f"you are no member of {account_id}, so change the file or ask somebody who publishes for it"
