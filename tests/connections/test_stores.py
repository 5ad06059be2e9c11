"""Where weights are pushed to: what is an address of a destination, and what a directory and a bucket do."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from connections.stores import LEAST_PART, Store, StoreAddress, StoreError, StoreRefusal
from tests.connections.bucket import BUCKET, FakeStorage, running_storage


@pytest.fixture(scope="module")
def storage() -> Iterator[FakeStorage]:
    with running_storage() as running:
        yield running


@pytest.mark.parametrize(
    ("address", "wrong"),
    [
        (StoreAddress("/srv/models"), ""),
        (StoreAddress("s3://models/team", "https://s3.example.com:9000", "eu", "id", "secret"), ""),
        (StoreAddress("s3://models", "http://127.0.0.1:9000", "", "id", "secret"), ""),
        (StoreAddress("models"), "address"),
        (StoreAddress("/"), "address"),
        (StoreAddress("/srv/../etc"), "address"),
        (StoreAddress("https://example.com/models"), "address"),
        (StoreAddress("file:///srv"), "address"),
        (StoreAddress("/srv/models", endpoint="https://s3.example.com"), "endpoint"),
        (StoreAddress("/srv/models", secret="of-nothing"), "secret"),
        (StoreAddress("s3://Models", "", "", "id", "secret"), "address"),
        (StoreAddress("s3://models/../others", "", "", "id", "secret"), "address"),
        (StoreAddress("s3://models//team", "", "", "id", "secret"), "address"),
        (StoreAddress("s3://models", "http://s3.example.com", "", "id", "secret"), "endpoint"),
        (StoreAddress("s3://models", "https://me:too@s3.example.com", "", "id", "secret"), "endpoint"),
        (StoreAddress("s3://models", "https://[", "", "id", "secret"), "endpoint"),
        (StoreAddress("s3://models", "", "", "", "secret"), "key_id"),
        (StoreAddress("s3://models", "", "", "id", ""), "secret"),
        (StoreAddress("s3://models", "", "", "id", "two\nlines"), "secret"),
    ],
)
def test_what_is_an_address(address: StoreAddress, wrong: str) -> None:
    assert [violation.field for violation in address.violations()] == ([wrong] if wrong else [])


def test_a_secret_is_in_no_words_of_an_address() -> None:
    assert "hidden" not in repr(StoreAddress("s3://models", "", "", "id", "hidden"))


@pytest.mark.parametrize("kind", ["directory", "bucket"])
def test_files_go_there_and_come_back(kind: str, tmp_path: Path, storage: FakeStorage) -> None:
    store = Store(StoreAddress(str(tmp_path)) if kind == "directory" else storage.address)
    store.require()
    assert (store.sizes("team/mine"), store.content("team/mine.json", most=10)) == ({}, None)
    told: list[int] = []
    content = os.urandom(LEAST_PART + 5)
    halves = [content[:1_000_000], content[1_000_000:]]  # of a bucket in two parts
    store.write("team/mine/deep/model.safetensors", halves, size=len(content), told=told.append)
    store.write("team/mine/a b.json", [b"{}"], size=2, told=told.append)
    assert sum(told) == len(content) + 2
    assert store.sizes("team/mine") == {"deep/model.safetensors": len(content), "a b.json": 2}
    assert store.digest("team/mine/deep/model.safetensors") == hashlib.sha256(content).hexdigest()
    assert store.content("team/mine/a b.json", most=2) == b"{}"
    assert store.content("team/mine/a b.json", most=1) is None
    store.remove("team/mine/a b.json")
    store.remove("team/mine/a b.json")
    assert list(store.sizes("team/mine")) == ["deep/model.safetensors"]


def test_a_source_that_breaks_off_is_told_as_it_is(tmp_path: Path) -> None:
    def half() -> Iterator[bytes]:
        yield b"half"
        raise KeyError("gone")

    with pytest.raises(KeyError):
        Store(StoreAddress(str(tmp_path))).write("it", half(), size=8, told=lambda _: None)


def test_what_cannot_be_used_says_so(tmp_path: Path, storage: FakeStorage) -> None:
    missing = Store(StoreAddress(str(tmp_path / "unmounted")))
    with pytest.raises(StoreRefusal, match=r"There is no directory .*/unmounted where the workers run"):
        missing.require()
    assert not (tmp_path / "unmounted").exists()
    (tmp_path / "team").touch()
    with pytest.raises(StoreError, match="cannot be used"):
        Store(StoreAddress(str(tmp_path))).write("team/mine", [b"x"], size=1, told=lambda _: None)
    nowhere = Store(StoreAddress("s3://made-up", storage.url, "", "id", "secret"))
    with pytest.raises(StoreRefusal, match=r"s3://made-up did not take it: .*404"):
        nowhere.sizes("team")
    silent = Store(StoreAddress(f"s3://{BUCKET}", "http://127.0.0.1:1", "", "id", "secret"))
    with pytest.raises(StoreError, match="did not take it") as told:
        silent.content("team", most=1)
    assert not isinstance(told.value, StoreRefusal)
    assert "\n" not in str(told.value)
