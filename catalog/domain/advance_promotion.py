"""Take the making of a model one step further: claim its row, copy what is missing, merge it where that was asked for,
and say that it is there.
"""

from __future__ import annotations

import errno
import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from catalog.domain.ask_elsewhere import ask_elsewhere
from catalog.models import TrainedModel
from catalog.signatures import own_manifest
from catalog.states import ModelKind, ModelState
from catalog.trained_queries import was_deleted
from catalog.weights import (
    ADAPTER_CONFIG,
    WrongWeights,
    copy_file,
    folder_of,
    free_bytes,
    is_there,
    open_merged,
    open_part,
    remove_parts,
    settle,
    take_merged,
)
from connections.models import Connection
from connections.opened import open_provider
from connections.providers.base import Provider
from connections.providers.checkpoints import CheckpointKind
from connections.providers.errors import Gone, ProviderError, Rejected, Retryable
from connections.providers.promotions import PromotionThere
from connections.states import ConnectionState
from queues import leases
from wire.counts import quantity
from wire.manifests import ModelManifest, sign_manifest

LOOK_AGAIN = timedelta(seconds=2)
"""At a model that its connection makes."""
STEP_SECONDS = 20.0
"""After which a worker goes on to other rows, between two files."""
TOLD_SECONDS = 1.0
MOST_MERGES = 5
"""Failures in a row after which a merge is given up: each may have taken half an hour."""
MEGABYTE = 1_000_000
MOST_MODULES, LONGEST_MODULE, LARGEST_CONFIG = 100, 120, 1_000_000
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
log = structlog.get_logger(__name__)


class _Overtaken(Exception):
    """Another worker holds the row, or somebody deleted it."""


def advance_promotion(model_pk: int) -> timedelta | None:
    """One step. Answers when the next one is due; None where there is none, or another worker sees to it.

    What is copied is copied: whoever dies meanwhile costs one file, or one merge.
    """
    claimed = _claim(model_pk)
    if claimed is None:
        return None
    model, lease = claimed
    with lease.kept():
        try:
            return _advance(model, lease)
        except _Overtaken:
            log.info("promotion.overtaken", model=model.pk)
        except (WrongWeights, Gone, Rejected) as error:
            _fail(model, lease, str(error))
        except ProviderError as error:
            return _put_off(lease, str(error))
        except OSError as error:
            if error.errno not in _FULL:
                return _put_off(lease, f"This machine refused: {error.strerror or error}. This is tried again.")
            _fail(
                model, lease, "The disk is full; nothing of the model was kept. Free some space and promote it again."
            )
    return None


@transaction.atomic
def _claim(model_pk: int) -> tuple[TrainedModel, leases.Lease] | None:
    rows = TrainedModel.objects.select_related("account", "connection")
    claimed = leases.claim(rows, model_pk, now=timezone.now())
    return None if claimed is None else claimed[:2]


def _advance(model: TrainedModel, lease: leases.Lease) -> timedelta | None:
    if model.elsewhere is not None:
        return _note_elsewhere(lease, ask_elsewhere(model, _connection(model)))
    began = time.monotonic()
    part = open_part(model.account.account_id, model.uid)
    missing = [file for file in model.sources if not is_there(part, file)]
    copied = model.size_bytes - sum(file.size_bytes for file in missing)
    told = _teller(lease, copied, model.size_bytes)
    if missing:
        _require_room(sum(file.size_bytes for file in missing))
        provider = _provider(model)
        place = (model.account.account_id, model.job_id, CheckpointKind.SAMPLER, model.checkpoint)
        for file in missing:
            with provider.open_artifact(*place, file.path) as source:
                copy_file(source, part, file, told=told)
            if time.monotonic() - began > STEP_SECONDS:
                return _put_off(lease)
    facts = _adapter_facts(part, model)
    if not model.merged_from:
        _finish(lease, part, facts)
    elif missing:
        return _put_off(lease)  # of its failures only those count from here on that are the merge's
    else:
        _finish(lease, *_merged(part, model))
    return None


def _provider(model: TrainedModel) -> Provider:
    """What its checkpoint lies at. Errors: `Gone`, `Retryable`."""
    return open_provider(_connection(model))


def _connection(model: TrainedModel) -> Connection:
    connection = model.connection
    if connection is None or connection.state == ConnectionState.RETIRED:
        raise Gone("The connection that its checkpoint lies at was retired.")
    return connection


@transaction.atomic
def _note_elsewhere(lease: leases.Lease, said: PromotionThere) -> timedelta | None:
    made, now = _held(lease), timezone.now()
    made.elsewhere = {"name": said.name, "operation": said.operation}
    made.failures, made.detail = 0, ""
    made.give_back(due=now if said.done else now + LOOK_AGAIN)
    if said.done:
        made.state, made.finished_at = ModelState.READY, now
        made.provenance |= {"model_there": said.name}
        if made.kind == ModelKind.ADAPTER:
            made.lora_rank, made.target_modules = said.lora_rank or made.lora_rank, list(said.target_modules)
    made.save()
    return None if said.done else LOOK_AGAIN


def _merged(part: Path, model: TrainedModel) -> tuple[Path, dict[str, Any]]:
    """The folder of the adapter folded into its base, and what it holds. Errors: `WrongWeights`, `ProviderError`."""
    provider, folder = _provider(model), open_merged(model.account.account_id, model.uid)
    try:
        provider.merge(model.base_model, part, folder)
    except Retryable as error:
        if model.failures < MOST_MERGES - 1:
            raise
        raise WrongWeights(f"{error} That was the last of {MOST_MERGES} tries; promote it again.") from error
    taken, left_out = take_merged(folder)
    return folder, {
        "files": [asdict(file) for file in taken],
        "left_out": [*model.left_out, *left_out],
        "size_bytes": sum(file.size_bytes for file in taken),
    }


def _require_room(needed: int) -> None:
    """Errors: `WrongWeights`, in whose words it fails."""
    room = free_bytes() - settings.SLIPWAY_LEAST_FREE_MB * MEGABYTE
    if needed > room:
        raise WrongWeights(
            f"There is no room for it: {quantity(max(0, room) // MEGABYTE, 'MB', 'MB')} are free above "
            f"SLIPWAY_LEAST_FREE_MB, {needed // MEGABYTE:,} MB are needed. Free some space and promote it again."
        )


def _teller(lease: leases.Lease, copied: int, whole: int) -> Callable[[int], None]:
    """Write down how far it is, once a second, and that all is copied.

    Errors: `_Overtaken`, so that nobody copies for nothing.
    """
    told_at, done = 0.0, copied

    def tell(size: int) -> None:
        nonlocal told_at, done
        done += size
        if time.monotonic() - told_at < TOLD_SECONDS and done < whole:
            return
        told_at = time.monotonic()
        rows = TrainedModel.objects.filter(pk=lease.pk, lease_token=lease.token)
        if not rows.update(copied_bytes=done):
            raise _Overtaken

    return tell


def _adapter_facts(part: Path, model: TrainedModel) -> dict[str, Any]:
    """What an adapter says of itself; of a hostile file only what has the right type."""
    if model.kind != ModelKind.ADAPTER and not model.merged_from:
        return {}
    with (part / ADAPTER_CONFIG).open("rb") as file:
        content = file.read(LARGEST_CONFIG + 1)
    said: Any = None
    with suppress(ValueError, RecursionError):
        said = json.loads(content) if len(content) <= LARGEST_CONFIG else None
    if not isinstance(said, dict):
        raise WrongWeights(f"{ADAPTER_CONFIG} is no JSON object.")
    rank, modules, base = said.get("r"), said.get("target_modules"), said.get("base_model_name_or_path")
    if type(rank) is not int or not 0 < rank < 2**31:
        raise WrongWeights(f"{ADAPTER_CONFIG} says no rank of an adapter: its r is {str(rank)[:40]!r}.")
    if rank != (noted := model.lora_rank or model.provenance.get("lora_rank", 0)):
        raise WrongWeights(f"{ADAPTER_CONFIG} says rank {rank}; its trainer noted {noted}.")
    if base != model.base_model:
        raise WrongWeights(
            f"{ADAPTER_CONFIG} is for {str(base)[:100]!r}; this adapter was trained on {model.base_model}."
        )
    named = [each for each in modules if _is_module(each)] if isinstance(modules, list) else []
    return {"lora_rank": rank, "target_modules": sorted(named)[:MOST_MODULES]}


def _is_module(name: object) -> bool:
    return isinstance(name, str) and len(name) <= LONGEST_MODULE and name.isascii() and name.isprintable()


@transaction.atomic
def _finish(lease: leases.Lease, folder: Path, facts: dict[str, Any]) -> None:
    """The folder gets its name and the row its outcome under the row's lock: never one by one of several workers.

    Where the commit is lost, the files lie there without a row that is ready, and the next step makes them anew.
    """
    model = _held(lease)
    for column, value in facts.items():
        setattr(model, column, value)
    _refuse_strangers(model)
    manifest = _signed(model)
    settle(folder, model.account.account_id, model.model_id, manifest=manifest)
    transaction.on_commit(partial(remove_parts, model.account.account_id, model.uid))
    model.state, model.detail, model.finished_at = ModelState.READY, "", timezone.now()
    model.copied_bytes = model.size_bytes
    model.failures = 0
    model.give_back(due=model.finished_at)
    model.save()


def _refuse_strangers(model: TrainedModel) -> None:
    """Pass where nothing lies under its id, or itself, of whose renaming the row did not learn, or what was deleted.

    An older database may have been restored, which does not know the model there. Errors: `WrongWeights`.
    """
    folder = folder_of(model.account.account_id, model.model_id)
    if not folder.exists():
        return
    signed = own_manifest(model.account.account_id, model.model_id)
    if signed is not None and (signed.provenance == model.provenance or was_deleted(signed)):
        return
    raise WrongWeights(f"{folder} holds files of a model that is not known here (any more). Choose another id.")


def _signed(model: TrainedModel) -> bytes:
    """What the instance vouches for: these files, and where they came from."""
    digests = {file.path: file.sha256 for file in model.contents}
    return sign_manifest(ModelManifest(model.name, digests, model.provenance), key=settings.SLIPWAY_SIGNING_KEY)


def _fail(model: TrainedModel, lease: leases.Lease, why: str) -> None:
    with transaction.atomic(), suppress(_Overtaken):
        made = _held(lease)
        made.state, made.detail, made.finished_at = ModelState.FAILED, why, timezone.now()
        made.copied_bytes = 0
        made.give_back(due=made.finished_at)
        made.save()
        transaction.on_commit(partial(remove_parts, model.account.account_id, model.uid))


def _put_off(lease: leases.Lease, why: str = "") -> timedelta | None:
    """Let go of the row until it is due: at once where nothing is wrong, else later each time."""
    now = timezone.now()
    with transaction.atomic(), suppress(_Overtaken):
        made = _held(lease)
        made.failures = made.failures + 1 if why else 0
        made.detail = why
        delay = leases.backoff(made.failures) if why else timedelta()
        made.give_back(due=now + delay)
        made.save(update_fields=["failures", "detail", "lease_token", "lease_until", "next_check_at"])
        return delay
    return None


def _held(lease: leases.Lease) -> TrainedModel:
    """The row, locked, as it is now. Errors: `_Overtaken`."""
    rows = TrainedModel.objects.select_for_update(of=("self",)).select_related("account")
    made = rows.filter(pk=lease.pk, lease_token=lease.token).first()
    if made is None:
        raise _Overtaken
    return made
