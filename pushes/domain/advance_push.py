"""Take a push one step further: claim its row, bring what is missing, compare, and say that it is there."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.actors import SYSTEM
from catalog.signatures import own_public_key
from connections.opened import open_destination
from connections.stores import Store, StoreError, StoreRefusal
from downloads.contents import StoredFile
from launches.domain.release_weights import Weights, refused_in_words, release
from pushes.models import Push
from pushes.states import PushState
from queues import leases
from wire.errors import Refusal, Unavailable
from wire.manifests import LARGEST_MANIFEST, ModelManifest, Unverified, read_manifest, sign_manifest

STEP_SECONDS = 20.0
"""After which a worker goes on to other rows, between two files."""
TOLD_SECONDS = 1.0
MOST_FAILURES = 20
"""In a row, about a quarter of an hour: then a person has to look."""
MOST_NAMED = 5
log = structlog.get_logger(__name__)


class _PushOvertaken(Exception):
    """Another worker holds the row, or it is gone with what it brings."""


def advance_push(push_pk: int) -> timedelta | None:
    """One step. Answers when the next one is due; None where there is none, or another worker sees to it.

    What lies there and was compared is written down file by file: whoever dies meanwhile costs one file.
    """
    claimed = _claim(push_pk)
    if claimed is None:
        return None
    push, lease = claimed
    with lease.kept():
        try:
            return _advance(push, lease)
        except _PushOvertaken:
            log.info("push.overtaken", push=push.pk)
        except (StoreRefusal, Refusal) as error:
            if isinstance(error, Unavailable):
                return _put_off(lease, error.message)
            _end(lease, PushState.FAILED, str(error))
        except StoreError as error:
            return _put_off(lease, str(error))
    return None


@transaction.atomic
def _claim(push_pk: int) -> tuple[Push, leases.Lease] | None:
    rows = Push.objects.select_related(
        "account", "destination", "model__account", "checkpoint__launch__account", "checkpoint__launch__connection"
    )
    claimed = leases.claim(rows, push_pk, now=timezone.now())
    return None if claimed is None else claimed[:2]


def _advance(push: Push, lease: leases.Lease) -> timedelta | None:
    began = time.monotonic()
    if push.destination is None:
        raise StoreRefusal(f"The destination {push.destination_name} was removed meanwhile.")
    weights, store = release(actor=SYSTEM, source=push.source), open_destination(push.destination)
    store.require()
    marker = f"{push.place}.manifest.json"
    whole = _is_whole(store, marker, weights)
    there = store.sizes(push.place)
    _refuse_others(push, weights, there)
    for file in weights.files:
        if file.path in push.placed:
            continue
        if not _is_there(store, push.place, file, there):
            if whole:
                store.remove(marker)  # nothing that is not whole looks whole
                whole = False
            _bring(store, push.place, file, weights, told=_teller(lease, push.sent_bytes))
        push.placed, push.sent_bytes = [*push.placed, file.path], push.sent_bytes + file.size_bytes
        _note(lease, placed=push.placed, sent_bytes=push.sent_bytes)
        if time.monotonic() - began > STEP_SECONDS:
            return _put_off(lease)
    if not whole:
        manifest = weights.manifest or _signed(weights)
        store.write(marker, [manifest], size=len(manifest), told=lambda _: None)
        if not _is_whole(store, marker, weights):
            raise StoreError(f"{marker} does not lie there as it was written. This is tried again.")
    _end(lease, PushState.DONE)
    return None


def _is_whole(store: Store, marker: str, weights: Weights) -> bool:
    """Whether the manifest there, which is written last, is of these files.

    Errors: `StoreRefusal` where it is of something else, which is left as it is.
    """
    content = store.content(marker, most=LARGEST_MANIFEST)
    if content is None:
        return False
    with suppress(Unverified):
        signed = read_manifest(content, public=own_public_key())
        if signed.name == weights.name and signed.digests == _digests(weights):
            return True
    raise StoreRefusal(
        f"{store.where.address}/{marker} is of something else that was pushed under this name, or signed by another "
        "key. Remove it there, with its folder, and push again."
    )


def _refuse_others(push: Push, weights: Weights, there: Any) -> None:
    """Errors: `StoreRefusal` for files that are not the weights'."""
    others = sorted(set(there) - {file.path for file in weights.files})
    if others:
        named = ", ".join(path[:100] for path in others[:MOST_NAMED])
        raise StoreRefusal(
            f"{push.place} at {push.destination_name} holds what is not of {weights.name}: {named}. Remove it there, "
            "and push again."
        )


def _is_there(store: Store, place: str, file: StoredFile, there: Any) -> bool:
    """Whether it was brought before: an earlier push broke off, or went well."""
    return there.get(file.path) == file.size_bytes and store.digest(f"{place}/{file.path}") == file.sha256


def _bring(store: Store, place: str, file: StoredFile, weights: Weights, *, told: Callable[[int], None]) -> None:
    """Write it, and read it back: what another end says that it took is not what it has."""
    path = f"{place}/{file.path}"
    with refused_in_words(weights.name):
        store.write(path, file.chunks(0, file.size_bytes), size=file.size_bytes, told=told)
    if (digest := store.digest(path)) != file.sha256:
        raise StoreError(f"{path} came back with the sha256 {digest}, not {file.sha256}. This is tried again.")


def _digests(weights: Weights) -> dict[str, str]:
    return {file.path: file.sha256 for file in weights.files}


def _signed(weights: Weights) -> bytes:
    """Of a checkpoint, of which nothing was signed when it was saved."""
    provenance = {"checkpoint": weights.name, "saved_at": weights.saved_at.isoformat()}
    return sign_manifest(ModelManifest(weights.name, _digests(weights), provenance), key=settings.SLIPWAY_SIGNING_KEY)


def _teller(lease: leases.Lease, sent: int) -> Callable[[int], None]:
    """Write down how far it is, once a second. Errors: `_PushOvertaken`, so that nobody sends for nothing."""
    told_at, done = 0.0, sent

    def tell(size: int) -> None:
        nonlocal told_at, done
        done += size
        if time.monotonic() - told_at >= TOLD_SECONDS:
            told_at = time.monotonic()
            _note(lease, sent_bytes=done)

    return tell


def _note(lease: leases.Lease, **columns: Any) -> None:
    """Errors: `_PushOvertaken`."""
    if not Push.objects.filter(pk=lease.pk, lease_token=lease.token).update(**columns):
        raise _PushOvertaken


def _end(lease: leases.Lease, state: PushState, why: str = "") -> None:
    now = timezone.now()
    over = {"state": state, "detail": why, "finished_at": now, "next_check_at": now}
    with suppress(_PushOvertaken):
        _note(lease, lease_token=None, lease_until=None, **over)


def _put_off(lease: leases.Lease, why: str = "") -> timedelta | None:
    """Let go of the row until it is due: at once where nothing is wrong, else later each time, until it is enough."""
    with transaction.atomic():
        push = Push.objects.select_for_update().filter(pk=lease.pk, lease_token=lease.token).first()
        if push is None:
            return None
        failures = push.failures + 1 if why else 0
        if failures > MOST_FAILURES:
            _end(lease, PushState.FAILED, f"It was tried {failures} times in a row. {why}")
            return None
        delay = leases.backoff(failures) if why else timedelta()
        freed = {"lease_token": None, "lease_until": None, "next_check_at": timezone.now() + delay}
        _note(lease, failures=failures, detail=why, **freed)
        return delay
