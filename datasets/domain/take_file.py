"""Make a dataset of a file that lies in a directory which a superuser set on a connection; a worker copies it."""

from __future__ import annotations

from django.db import transaction

from accounts.actors import Actor, require
from accounts.domain.record import record
from accounts.models import Account
from accounts.roles import Right
from connections.models import Connection
from connections.opened import data_directories
from connections.providers.data_directories import directory_of
from connections.queries import usable_connections
from datasets.domain.create_dataset import refuse_names, save_new
from datasets.hints import ADVANCE
from datasets.models import LONGEST_PATH, Dataset
from queues.hints import hint_on_commit
from wire.errors import InvalidArgument, Violation


@transaction.atomic
def take_file(*, actor: Actor, account: Account, dataset_id: str, path: str, display_name: str = "") -> Dataset:
    """The dataset, UPLOADING until a worker has copied the file.

    Errors: `NotFound`, `PermissionDenied` below launcher, `InvalidArgument`, `AlreadyExists` for an id that is taken.
    """
    require(actor, account, Right.LAUNCH)
    assert actor.user is not None  # Slipway itself has no files
    refuse_names(dataset_id, display_name)
    connection = _connection_of(account, path)
    dataset = Dataset(
        account=account, dataset_id=dataset_id, display_name=display_name.strip(), owner=actor.user,
        connection=connection, source_path=path,
    )  # fmt: skip
    save_new(dataset)
    after = {"display_name": dataset.display_name, "connection": connection.name, "path": path}
    record(actor=actor, verb="take_dataset", target=dataset.name, account=account, after=after)
    hint_on_commit(ADVANCE, dataset.pk)
    return dataset


def offered_directories(account: Account) -> list[str]:
    """The directories of the connections that the account may use."""
    return sorted({each for connection in usable_connections(account) for each in data_directories(connection)})


def _connection_of(account: Account, path: str) -> Connection:
    """Errors: `InvalidArgument`."""
    found = next((each for each in usable_connections(account) if directory_of(path, data_directories(each))), None)
    if found is not None and len(path) <= LONGEST_PATH:
        return found
    offered = offered_directories(account)
    remedy = f"Use a whole path below {' or '.join(offered)}" if offered else "A superuser names such directories"
    raise InvalidArgument([Violation("path", f"{path[:100]!r} lies below no directory for datasets. {remedy}.")])
