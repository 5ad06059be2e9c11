"""Let what was trained leave: whose it is to take, of which files it consists, and the note that it was taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import BinaryIO

from django.utils import timezone

from accounts.actors import Actor, require, right_to_control
from accounts.domain.record import record
from accounts.models import Account, AuditEntry
from catalog.domain.hold_model import right_to_change
from catalog.models import TrainedModel
from catalog.states import ModelState
from catalog.weights import folder_of, manifest_of
from connections.opened import open_provider
from connections.providers.checkpoints import CheckpointFile, CheckpointKind
from connections.providers.errors import Gone, ProviderError, Rejected
from downloads.archives import archive_download
from downloads.contents import Download, StoredFile, file_download, files_in_words
from launches.models import Checkpoint
from launches.retention import require_kept
from wire.errors import FailedPrecondition, NotFound, Unavailable, Unimplemented

ARCHIVE = ""
"""Stands for all files in one where a path of one of them would."""
SAME_DOWNLOAD = timedelta(hours=1)


@dataclass(frozen=True)
class Weights:
    """What may be taken away: its resource name, the folder that its files belong in, and the files.

    `target` says to a signed link what it is; `manifest` is signed, and goes beside the folder in the archive.
    """

    name: str
    account: Account
    folder: str
    files: tuple[StoredFile, ...]
    saved_at: datetime
    target: tuple[str, ...]
    manifest: bytes = b""

    def download(self, path: str) -> Download:
        """One of the files, or the ARCHIVE of all. Errors: `NotFound`."""
        if path == ARCHIVE:
            beside = {f"{self.folder}.manifest.json": self.manifest} if self.manifest else {}
            return archive_download(self.folder, self.files, modified=self.saved_at, beside=beside)
        found = next((file for file in self.files if file.path == path), None)
        if found is None:
            raise NotFound(f"{self.name} has no file {path[:200]!r}.")
        return file_download(found)


def release(*, actor: Actor, source: Checkpoint | TrainedModel) -> Weights:
    """Either of them. Errors: as of `release_checkpoint` and `release_model`."""
    if isinstance(source, TrainedModel):
        return release_model(actor=actor, model=source)
    return release_checkpoint(actor=actor, checkpoint=source)


def release_checkpoint(*, actor: Actor, checkpoint: Checkpoint) -> Weights:
    """A checkpoint for whoever may act on its launch. Needs `launch` with its account and connection.

    Errors: `NotFound`, `PermissionDenied`; `FailedPrecondition` where it is not whole, `Unavailable`, and
    `Unimplemented` where the connection keeps the weights to itself.
    """
    launch = checkpoint.launch
    require(actor, launch.account, right_to_control(actor, launch))
    name = checkpoint.resource_name
    require_kept(launch.kept_until, name)
    if checkpoint.writing:
        raise FailedPrecondition(f"{name} is still being written. Download it once it is saved.")
    with refused_in_words(name):
        provider = open_provider(launch.connection)
        if not provider.capabilities.holds_weights:
            raise Unimplemented(f"Download is not offered by this connection: {launch.connection} keeps {name}.")
        files = [CheckpointFile(**each) for each in checkpoint.files]
        place = (*launch.known_as, CheckpointKind(checkpoint.kind), checkpoint.name)
        return Weights(
            name=name,
            account=launch.account,
            folder=checkpoint.name,
            files=stored(name, files, lambda path: partial(provider.open_artifact, *place, path)),
            saved_at=checkpoint.saved_at,
            target=("checkpoint", str(checkpoint.pk)),
        )


def release_model(*, actor: Actor, model: TrainedModel) -> Weights:
    """A model that is ready, for whoever may change it, with its signed manifest beside its folder. Needs `account`.

    Errors: `NotFound`, `PermissionDenied`, `FailedPrecondition`.
    """
    require(actor, model.account, right_to_change(actor, model))
    if model.state != ModelState.READY:
        raise FailedPrecondition(f"{model.name} is not ready, so there is nothing whole to download yet.")
    if model.elsewhere is not None:
        raise Unimplemented(
            f"Download is not offered by this connection: {model.connection or 'what it was promoted at'} keeps "
            f"{model.name}, as {model.name_elsewhere}."
        )
    folder = folder_of(model.account.account_id, model.model_id)
    with refused_in_words(model.name):
        return Weights(
            name=model.name,
            account=model.account,
            folder=model.model_id,
            files=stored(model.name, model.contents, lambda path: partial(_open, folder / path)),
            saved_at=model.finished_at or model.created_at,
            target=("model", str(model.pk)),
            manifest=_beside(model),
        )


def _open(path: Path) -> BinaryIO:
    """A file of a model, in a folder that Slipway alone writes."""
    return path.open("rb")


def _beside(model: TrainedModel) -> bytes:
    """What was signed about it; nothing where that is gone. Errors: `OSError`."""
    with suppress(FileNotFoundError):
        return manifest_of(model.account.account_id, model.model_id).read_bytes()
    return b""


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
    """Write down that it leaves; once an hour for one who takes it in many parts."""
    noted = AuditEntry.objects.filter(target=weights.name, verb="download_weights", actor_label=actor.label)
    file = path or weights.download(ARCHIVE).file_name
    if noted.filter(after={"file": file}, created_at__gt=timezone.now() - SAME_DOWNLOAD).exists():
        return
    record(
        actor=actor,
        verb="download_weights",
        target=weights.name,
        account=weights.account,
        after={"file": file},
    )


@contextmanager
def refused_in_words(name: str) -> Iterator[None]:
    """What may go wrong with the files of `name` until the first byte is sent, as refusals; of its provider, too."""
    try:
        with files_in_words(name):
            yield
    except Gone as error:
        raise NotFound(f"{name} is not where it was saved any more: {error}") from None
    except Rejected as error:
        raise Unimplemented(str(error)) from None
    except ProviderError as error:
        raise Unavailable(f"{name} cannot be read now: {error}") from None
