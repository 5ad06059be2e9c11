"""Begin a dataset: a row, to which its file is then sent."""

from __future__ import annotations

from django.db import IntegrityError, transaction

from accounts.actors import Actor, require
from accounts.domain.record import record
from accounts.models import Account
from accounts.roles import Right
from datasets.domain.reserve_space import reserve_space
from datasets.models import Dataset
from wire.errors import AlreadyExists, InvalidArgument, Violation
from wire.names import dataset_name, refuse_id
from wire.texts import unseen_in

LONGEST_NAME = 200


@transaction.atomic
def create_dataset(
    *, actor: Actor, account: Account, dataset_id: str, display_name: str = "", size_bytes: int | None = None
) -> Dataset:
    """The dataset, UPLOADING; `size_bytes` where the size of its file is known already.

    Errors: `NotFound`, `PermissionDenied` below launcher, `InvalidArgument`, `AlreadyExists` for an id that is taken,
    `ResourceExhausted` where the quota is used up.
    """
    require(actor, account, Right.LAUNCH)
    assert actor.user is not None  # Slipway itself has no files
    refuse_names(dataset_id, display_name)
    dataset = Dataset(account=account, dataset_id=dataset_id, display_name=display_name.strip(), owner=actor.user)
    if size_bytes is not None:
        reserve_space(dataset, size_bytes, field="size_bytes")
    save_new(dataset)
    after = {"display_name": dataset.display_name, "size_bytes": size_bytes}
    record(actor=actor, verb="create_dataset", target=dataset.name, account=account, after=after)
    return dataset


def refuse_names(dataset_id: str, display_name: str) -> None:
    """Errors: `InvalidArgument` for what is no id, or no name to be shown; both at once."""
    wrong = []
    if sentence := refuse_id(dataset_id, what="dataset id"):
        wrong.append(Violation("dataset_id", f"{sentence}."))
    if unseen := unseen_in(display_name):
        wrong.append(Violation("display_name", f"The name holds {unseen}. Leave that out."))
    elif len(display_name) > LONGEST_NAME:
        sentence = f"The name has {len(display_name):,} characters; the limit is {LONGEST_NAME}. Shorten it."
        wrong.append(Violation("display_name", sentence))
    if wrong:
        raise InvalidArgument(wrong)


def save_new(dataset: Dataset) -> None:
    """Insert the row. Errors: `AlreadyExists` for an id that is taken."""
    try:
        with transaction.atomic():
            dataset.save(force_insert=True)
    except IntegrityError:
        name = dataset_name(dataset.account.account_id, dataset.dataset_id)
        raise AlreadyExists(f"{name} is there already. Choose another id.") from None
