"""Files that are taken from a connection's directories: copied by the worker, through no link, and checked."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from accounts.actors import user_actor
from accounts.models import Account, User
from accounts.roles import Role
from connections.models import Connection
from connections.providers.data_directories import directory_of, read_data_directories
from datasets.domain import bring_file
from datasets.domain.advance_dataset import advance_dataset
from datasets.domain.take_file import take_file
from datasets.models import Dataset
from datasets.states import DatasetState
from datasets.storage import file_of, stored, write_piece
from tests.connections.makers import local_connection
from tests.datasets.makers import CHAT, lines
from tests.makers import make_member, sign_in
from wire.errors import InvalidArgument

DATA = lines(*CHAT)
pytestmark = pytest.mark.django_db


@pytest.fixture
def owner(team: Account) -> User:
    return make_member(account=team, role=Role.LAUNCHER)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory that the local connection offers, with a file in a folder."""
    folder = tmp_path / "shared"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "Rows 1.jsonl").write_bytes(DATA)
    (tmp_path / "secret").write_bytes(DATA)
    connection = local_connection()
    connection.config = connection.config | {"data_directories": f"/srv/other\n{folder}"}
    connection.save()
    return folder


def taken(owner: User, team: Account, path: Path | str) -> Dataset:
    """What became of the file, once a worker has done all that there is to do."""
    dataset = take_file(actor=user_actor(owner), account=team, dataset_id="taken", path=str(path))
    while (delay := advance_dataset(dataset.pk)) is not None:
        assert not delay
    dataset.refresh_from_db()
    return dataset


def test_a_file_is_copied_and_checked(owner: User, team: Account, folder: Path) -> None:
    dataset = taken(owner, team, folder / "deep" / "Rows 1.jsonl")
    assert (dataset.state, dataset.rows, dataset.size_bytes) == (DatasetState.READY, 3, len(DATA))
    (folder / "deep" / "Rows 1.jsonl").write_bytes(b"changed")
    assert file_of(dataset.uid).read_bytes() == DATA


def test_a_worker_that_lost_it_changes_nothing_of_what_another_copied(
    owner: User, team: Account, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bring_file, "LARGEST_PIECE", 50)
    path = folder / "deep" / "Rows 1.jsonl"
    dataset = take_file(actor=user_actor(owner), account=team, dataset_id="taken", path=str(path))

    def overtake(*told: Any, **named: Any) -> None:
        monkeypatch.setattr(bring_file, "write_piece", write_piece)
        now = timezone.now()
        Dataset.objects.filter(pk=dataset.pk).update(lease_until=now, next_check_at=now)
        assert advance_dataset(dataset.pk) == timedelta()
        write_piece(*told, **named)

    monkeypatch.setattr(bring_file, "write_piece", overtake)
    assert advance_dataset(dataset.pk) is None
    assert advance_dataset(dataset.pk) is None
    dataset.refresh_from_db()
    assert (dataset.state, dataset.detail) == (DatasetState.READY, "")
    assert file_of(dataset.uid).read_bytes() == DATA and list(stored()) == [dataset.uid]


@pytest.mark.parametrize("name", ["none", "link", "linked/Rows 1.jsonl", "deep", "fifo"])
def test_what_is_no_file_is_refused(owner: User, team: Account, folder: Path, name: str) -> None:
    (folder / "link").symlink_to(folder.parent / "secret")
    (folder / "linked").symlink_to(folder / "deep")
    os.mkfifo(folder / "fifo")
    dataset = taken(owner, team, folder / name)
    assert dataset.state == DatasetState.REFUSED and "There is no file" in dataset.detail
    assert list(stored()) == []


def test_a_path_outside_is_refused_at_once(owner: User, team: Account, folder: Path) -> None:
    for path in ("/etc/passwd", f"{folder}/../secret", f"{folder}x/rows", str(folder), "deep/Rows 1.jsonl", "\0"):
        with pytest.raises(InvalidArgument, match="no directory for datasets"):
            taken(owner, team, path)
    Connection.objects.update(for_everyone=False)
    with pytest.raises(InvalidArgument, match="superuser"):
        taken(owner, team, folder / "deep" / "Rows 1.jsonl")


def test_the_quota_holds(owner: User, team: Account, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "SLIPWAY_DATASETS_GB", 0)
    dataset = take_file(actor=user_actor(owner), account=team, dataset_id="a", path=f"{folder}/deep/Rows 1.jsonl")
    assert advance_dataset(dataset.pk), "it is tried again: somebody may delete one"
    dataset.refresh_from_db()
    assert dataset.state == DatasetState.UPLOADING and "SLIPWAY_DATASETS_GB" in dataset.detail


def test_the_form_takes_a_path(client: Client, owner: User, team: Account, folder: Path) -> None:
    sign_in(client, owner)
    assert str(folder) in client.get("/datasets/new").text
    answer = client.post("/datasets/new", {"source_path": f"{folder}/../secret"})
    assert answer.status_code == 422 and "no directory for datasets" in answer.text
    answer = client.post("/datasets/new", {"source_path": f"{folder}/deep/Rows 1.jsonl"})
    assert answer.status_code == 303 and "being copied" in client.get(answer["Location"]).text
    assert Dataset.objects.get().dataset_id == "rows-1"


def test_directories_are_read() -> None:
    assert read_data_directories(" /srv/a/ \n\n/srv/b\n/srv/a") == "/srv/a\n/srv/b"
    for wrong in ("srv/a", "/srv/../etc", "/"):
        with pytest.raises(ValueError, match="no whole path"):
            read_data_directories(wrong)
    assert directory_of("/srv/a/b/c", ["/srv/a", "/srv/a/b"]) == "/srv/a/b"
