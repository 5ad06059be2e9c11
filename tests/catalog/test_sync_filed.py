"""The catalog follows a published file that a connection names, as it follows what a connection lists."""

from __future__ import annotations

from pathlib import Path

import pytest

from accounts.actors import SYSTEM
from catalog.domain.sync_catalog import sync_catalog
from catalog.enums import IdSource
from catalog.files.bundled import bundled_files
from catalog.models import BaseModel, ShapeVersion, SyncRun
from catalog.states import SyncOutcome
from catalog.sync_queries import not_offered
from connections.models import Connection
from tests.connections.remote import make_connection

pytestmark = pytest.mark.django_db

HEAD = """
account: team-a
public: true
models:
- model: accounts/team-a/models/small-9b
  title: Small 9B
  family: Small
  aliases: [team-a/Small-9B]
  shapes:
"""
SHAPE = """
  - id: {shape}
    trainer_mode: LORA_TRAINER
    max_supported_context_length: 32768
    gpus: {gpus}
    launch_fields: {{region: null}}
"""
WARNED = """
    deprecated: {message: It forgets., successor: accounts/team-a/trainingShapes/b}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "catalog.yaml"


@pytest.fixture
def far(file: Path) -> Connection:
    config = {"url": "https://far.example", "accounts": "peer=team-a", "published": str(file)}
    return make_connection(kind="control_plane", config=config)


def synced(far: Connection, file: Path, *shapes: str) -> SyncRun:
    file.write_text(HEAD + "".join(shapes))
    return sync_catalog(actor=SYSTEM, connection=far)


def shape(shape_id: str, gpus: int = 4) -> str:
    return SHAPE.format(shape=shape_id, gpus=gpus)


def head(shape_id: str) -> ShapeVersion:
    return ShapeVersion.objects.select_related("shape__account", "successor").get(
        shape__account__account_id="peer", shape__shape_id=shape_id, is_latest_validated=True
    )


def test_it_comes_under_the_names_here_changes_vanishes_and_returns(far: Connection, file: Path) -> None:
    others = [shape(each) for each in "bcd"]
    run = synced(far, file, shape("a"), *others)
    assert (run.outcome, run.counts["offered"], run.detail) == (SyncOutcome.APPLIED, 4, "")
    first = head("a")
    assert first.frozen_snapshot.base_model == "accounts/peer/models/small-9b"
    assert (first.shape.id_source, first.is_public) == (IdSource.PUBLISHED, True)
    assert "region" not in [field.name for field in first.fields]
    model = BaseModel.objects.get(account__account_id="peer")
    assert (model.title, model.aliases, model.named_here) == ("Small 9B", ["team-a/Small-9B"], False)
    assert synced(far, file, shape("a"), *others).outcome == SyncOutcome.UNCHANGED

    synced(far, file, shape("a", gpus=8), *others)
    assert (head("a").gpus, head("a").version_id != first.version_id) == (8, True)
    synced(far, file, *others)
    assert head("a").deprecation_message.startswith("Not offered by Far since")
    assert not_offered(Connection.objects.get(pk=far.pk), head("a").name)
    synced(far, file, shape("a", gpus=8), *others)
    assert head("a").deprecated_at is None and ShapeVersion.objects.filter(shape__shape_id="a").count() == 2


def test_a_warning_there_is_one_here_for_as_long_as_it_is_said(far: Connection, file: Path) -> None:
    synced(far, file, shape("a") + WARNED, shape("b"))
    assert (head("a").deprecation_message, head("a").successor) == ("Said by Far: It forgets.", head("b").shape)
    assert synced(far, file, shape("a") + WARNED, shape("b")).outcome == SyncOutcome.UNCHANGED
    synced(far, file, shape("a"), shape("b"))
    assert head("a").deprecated_at is None
    synced(far, file, shape("a"), shape("b"), shape("c") + WARNED.replace("/b}", "/nobody}"))
    assert head("c").successor is None


def test_a_file_that_is_wrong_changes_nothing_and_says_why(far: Connection, file: Path) -> None:
    file.write_text(HEAD + shape("a").replace("32768", "-1"))
    run = sync_catalog(actor=SYSTEM, connection=far)
    assert run.outcome == SyncOutcome.FAILED
    assert "max_supported_context_length" in run.detail and f"{file}:" in run.detail
    file.write_text((HEAD + shape("a")).replace("team-a", "team-b"))
    assert "which the connection's Catalogs do not name" in sync_catalog(actor=SYSTEM, connection=far).detail
    file.unlink()
    assert "cannot be read" in sync_catalog(actor=SYSTEM, connection=far).detail
    assert synced(far, file, shape("a")).outcome == SyncOutcome.APPLIED
    file.write_text((HEAD + shape("a")).replace("public: true", "public: false"))
    [line] = sync_catalog(actor=SYSTEM, connection=far).refused
    assert line["reason"].startswith("It is not public there") and head("a").deprecated_at is None


def test_the_bundled_catalog_is_such_a_file(far: Connection, tmp_path: Path) -> None:
    path = tmp_path / "fireworks.yaml"
    path.write_text(bundled_files()["fireworks"].text)
    far.config |= {"accounts": "fireworks=fireworks", "published": str(path)}
    far.save()
    run = sync_catalog(actor=SYSTEM, connection=far)
    assert run.outcome in (SyncOutcome.APPLIED, SyncOutcome.UNCHANGED)
    assert not run.refused
    assert sync_catalog(actor=SYSTEM, connection=far).outcome == SyncOutcome.UNCHANGED
