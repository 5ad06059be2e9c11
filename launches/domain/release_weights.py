"""Let what was trained leave: whose it is to take, of which files it consists, and the note that it was taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import BinaryIO

from django.utils import timezone

from accounts.actors import Actor, require
from accounts.domain.record import record
from accounts.models import Account
from connections.opened import open_provider
from connections.providers.base import CheckpointFile, CheckpointKind, Gone, ProviderError, Rejected
from downloads.archives import archive_download
from downloads.contents import AlteredFile, Download, StoredFile, file_download
from launches.domain.control import right_to_control
from launches.models import Checkpoint
from wire.errors import FailedPrecondition, NotFound, Unavailable, Unimplemented

ARCHIVE = ""
"""Stands for all files in one where a path of one of them would."""


@dataclass(frozen=True)
class Weights:
    """What may be taken away: its resource name, the folder that its files belong in, and the files.

    `target` says to a signed link what it is.
    """

    name: str
    account: Account
    folder: str
    files: tuple[StoredFile, ...]
    saved_at: datetime
    target: tuple[str, ...]

    def download(self, path: str) -> Download:
        """One of the files, or the ARCHIVE of all. Errors: `NotFound`."""
        if path == ARCHIVE:
            return archive_download(self.folder, self.files, modified=self.saved_at)
        found = next((file for file in self.files if file.path == path), None)
        if found is None:
            raise NotFound(f"{self.name} has no file {path[:200]!r}.")
        return file_download(found)


def release_checkpoint(*, actor: Actor, checkpoint: Checkpoint) -> Weights:
    """A checkpoint for whoever may act on its launch. Needs `launch` with its account and connection.

    Errors: `NotFound`, `PermissionDenied`; `FailedPrecondition` where it is not whole, `Unavailable`, and
    `Unimplemented` where the connection keeps the weights to itself.
    """
    launch = checkpoint.launch
    require(actor, launch.account, right_to_control(actor, launch))
    name = f"{launch.name}/checkpoints/{checkpoint.name}"
    if launch.kept_until is not None and launch.kept_until <= timezone.now():
        raise NotFound(f"{name} was kept until {launch.kept_until:%Y-%m-%d %H:%M} UTC.")
    if checkpoint.writing:
        raise FailedPrecondition(f"{name} is still being written. Download it once it is saved.")
    with refused_in_words(name):
        provider = open_provider(launch.connection)
        if not provider.capabilities.holds_weights:
            raise Unimplemented(f"Download is not offered by this connection: {launch.connection} keeps {name}.")
        files = [CheckpointFile(**each) for each in checkpoint.files]
        place = (launch.account.account_id, launch.job_id, CheckpointKind(checkpoint.kind), checkpoint.name)
        return Weights(
            name=name,
            account=launch.account,
            folder=checkpoint.name,
            files=stored(name, files, lambda path: partial(provider.open_artifact, *place, path)),
            saved_at=checkpoint.saved_at,
            target=("checkpoint", str(checkpoint.pk)),
        )


def stored(
    name: str, files: Sequence[CheckpointFile], opening: Callable[[str], Callable[[], BinaryIO]]
) -> tuple[StoredFile, ...]:
    """The recorded files, each with how it is opened. Errors: `AlteredFile`; `FailedPrecondition` for none."""
    if not files:
        raise FailedPrecondition(
            f"Nobody noted which files {name} has, with their digests: a release before this one saved it, or its "
            "trainer does not tell. It cannot be downloaded from here."
        )
    return tuple(StoredFile(file.path, file.size_bytes, file.sha256, opening(file.path)) for file in files)


def note_release(*, actor: Actor, weights: Weights, path: str) -> None:
    """Write down that it begins to leave."""
    record(
        actor=actor,
        verb="download_weights",
        target=weights.name,
        account=weights.account,
        after={"file": path or weights.download(ARCHIVE).file_name},
    )


@contextmanager
def refused_in_words(name: str) -> Iterator[None]:
    """What may go wrong with the files of `name` until the first byte is sent, as refusals."""
    try:
        yield
    except AlteredFile as error:
        raise FailedPrecondition(f"{name} is not as it was saved, so nothing of it is sent: {error}") from None
    except (Gone, FileNotFoundError) as error:
        raise NotFound(f"{name} is not where it was saved any more: {error}") from None
    except Rejected as error:
        raise Unimplemented(str(error)) from None
    except (ProviderError, OSError) as error:
        raise Unavailable(f"{name} cannot be read now: {error}") from None
