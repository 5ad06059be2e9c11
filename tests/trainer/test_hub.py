"""A base model from a hub: gone on with after a break, compared with what the hub says, and refused in words."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_hub import COMMIT, FakeHub, running_hub
from processes import wait_until
from starting import ROOT

from trainer.hub.bring import bring
from trainer.hub.folder import CHUNK
from trainer.hub.listing import HubError, Repository

FILES = {
    "config.json": b'{"model_type": "qwen3"}',
    "model.safetensors": bytes(range(256)) * 12_000,
    "consolidated.safetensors": b"the same once more",
    "tokenizer.json": b"{}",
    "pytorch_model.bin": b"what may run",
    "adapter_config.json": b'{"peft_type": "LORA"}',
    "adapter_model.safetensors": b"what would be put into it",
    "README.md": b"words",
    "LICENSE": b"terms",
}
KEPT = {"config.json", "model.safetensors", "tokenizer.json", "LICENSE"}


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with running_hub(FakeHub(dict(FILES))) as running:
        yield running


def bring_from(hub: FakeHub, target: Path, *, revision: str = "main", token: str = "", **more: Any) -> list[str]:
    said: list[str] = []
    repository = Repository(hub.url, hub.repository, revision, token)
    bring(repository, target, say=said.append, **{"keep_free": 0, "pauses": (), **more})
    return said


def start(hub: FakeHub, target: Path, records: Path) -> subprocess.Popen[str]:
    """The program, as a wrapper starts it."""
    records.mkdir(exist_ok=True)
    told = {
        "endpoint": hub.url, "repository": hub.repository, "revision": "main", "directory": str(target),
        "records": str(records), "keep_free": 0,
    }  # fmt: skip
    (config := records / "download.json").write_text(json.dumps(told))
    with tempfile.TemporaryFile("w+") as told:
        told.write(hub.token)
        told.seek(0)
        return subprocess.Popen(
            [sys.executable, "-m", "trainer.download", str(config)],
            cwd=ROOT, stdin=told, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, umask=0o022,
        )  # fmt: skip


def test_one_of_two_downloads_and_what_broke_off_is_gone_on_with(hub: FakeHub, tmp_path: Path) -> None:
    hub.hold, hub.token = 2_100_000, "of-the-tests"
    target = tmp_path / "hub" / "tiny"
    first = start(hub, target, tmp_path / "one")
    part = target.with_name(f".part-{target.name}")
    kept = 2 * 1024**2
    wait_until(lambda: any(path.stat().st_size == kept for path in part.glob(".*.begun")))
    second = start(hub, target, tmp_path / "two")
    assert second.stdout and second.stderr
    assert (line := second.stdout.readline()) == "Waiting for acme/tiny, which another launch downloads\n", (
        line or second.stderr.read()
    )
    assert second.stdout.readline() == "Another launch downloads acme/tiny: 2.1 of 3.1 MB\n"
    assert not target.exists()
    first.kill()
    first.communicate()
    hub.go_on.set()
    output, errors = second.communicate(timeout=60)
    assert second.returncode == 0, errors
    assert f"Downloading acme/tiny ({COMMIT[:12]}) from {hub.url}: 4 files, 3.1 MB\n" in output
    assert hub.asked[0] == ("model.safetensors", "")
    assert {*hub.asked[1:]} == {("model.safetensors", f"bytes={kept}-")}
    before = len(hub.asked)
    assert hub.shown == {"Bearer of-the-tests"}
    found = {path.name: path for path in target.iterdir()}
    assert found.keys() == KEPT | {"origin.json"}
    assert all(found[name].read_bytes() == FILES[name] for name in KEPT)
    assert json.loads(found["origin.json"].read_bytes())["commit"] == COMMIT
    assert {path.stat().st_mode & 0o777 for path in found.values()} == {0o644}
    third = start(hub, target, tmp_path / "three")
    assert third.communicate(timeout=60) == ("", "") and len(hub.asked) == before, "it is there"


def test_nothing_of_another_commit_is_gone_on_with(hub: FakeHub, tmp_path: Path) -> None:
    target, part = tmp_path / "tiny", tmp_path / ".part-tiny"
    bring_from(hub, target)
    target.rename(part)  # as one leaves it that is killed before the end
    begun = part / ".tokenizer.json.begun"
    (part / "tokenizer.json").rename(begun)
    begun.write_bytes(b"{")
    hub.commit = COMMIT[::-1]
    hub.files |= {"config.json": FILES["config.json"].replace(b"3", b"4"), "tokenizer.json": b"[]"}
    del hub.files["LICENSE"]
    bring_from(hub, target)
    found = {path.name: path.read_bytes() for path in target.iterdir()}
    assert json.loads(found.pop("origin.json"))["commit"] == hub.commit
    assert found == {name: hub.files[name] for name in KEPT - {"LICENSE"}}
    assert hub.asked == [("model.safetensors", "")], "what is the same in both is kept"


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_a_file_that_is_not_what_the_hub_says_is_refused(hub: FakeHub, tmp_path: Path, name: str) -> None:
    hub.lies = {name}
    with pytest.raises(HubError, match=rf"{name} of acme/tiny is not what the hub says: its sha\d+ is") as refused:
        bring_from(hub, tmp_path / "tiny")
    assert "Launch again" in str(refused.value) and not (tmp_path / "tiny").exists()
    assert not [each for each in threading.enumerate() if "ThreadPool" in each.name], "nobody writes there any more"
    hub.lies = set()
    bring_from(hub, tmp_path / "tiny")
    assert (tmp_path / "tiny" / name).read_bytes() == FILES[name]


def test_no_more_of_a_file_is_taken_than_the_hub_says(hub: FakeHub, tmp_path: Path) -> None:
    hub.lies, hub.excess, size = {"model.safetensors"}, 20_000_000, len(FILES["model.safetensors"])
    with pytest.raises(HubError, match=r"is not what the hub says: [\d,]+ bytes instead of") as refused:
        bring_from(hub, tmp_path / "tiny")
    taken = int(str(refused.value).partition("says: ")[2].partition(" bytes")[0].replace(",", ""))
    assert size < taken <= size + CHUNK < size + hub.excess


def test_what_a_hub_refuses_is_said_with_what_helps(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(**more: Any) -> str:
        with pytest.raises(HubError) as error:
            bring_from(hub, tmp_path / "tiny", **more)
        assert not (tmp_path / "tiny").exists()
        return str(error.value)

    assert f"{hub.address} has no revision none" in refused(revision="none")
    hub.token = "right"
    assert "shows it to some accounts alone (401)" in refused()
    assert "does not take the connection's token (401)" in refused(token="wrong")
    hub.gated = True
    assert f"(403). Ask for it on {hub.address} with the token's account" in refused(token="right")
    hub.token, hub.gated = "", False
    del hub.files["model.safetensors"], hub.files["consolidated.safetensors"]
    assert "no weights as safetensors" in refused()
    hub.files["model.safetensors"] = FILES["model.safetensors"]
    hub.repository, before = "acme/other", hub.repository
    monkeypatch.setattr(Repository, "page", f"{hub.url}/{before}")
    with pytest.raises(HubError, match=f"There is no {hub.url}/{before}"):
        bring(Repository(hub.url, before, "main", "a-token"), tmp_path / "tiny", keep_free=0, say=print, pauses=())
    hub.repository = before
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 0, 2_500_000))
    words = "There is no space for acme/tiny: 3.1 MB more are needed, 1.5 MB are free at"
    assert words in refused(keep_free=1_000_000)


def test_a_hub_that_does_not_answer_is_asked_again(tmp_path: Path) -> None:
    with running_hub(FakeHub(dict(FILES)), asleep=True) as hub:
        with pytest.raises(
            HubError, match=r"could not be reached, asked 2 times: .*refused.* what was downloaded is kept"
        ):
            bring_from(hub, tmp_path / "tiny", pauses=(0.0,))
        said: list[str] = []

        def say(line: str) -> None:
            said.append(line)
            hub.wake()

        repository = Repository(hub.url, hub.repository, "main")
        bring(repository, tmp_path / "tiny", keep_free=0, say=say, pauses=(0.0,))
        assert said[0] == f"{hub.url} does not answer; trying again in 0 s"


def test_a_hub_that_takes_a_question_and_says_nothing_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.hub.client.SILENCE_S", 0.2)
    with (
        running_hub(FakeHub(dict(FILES)), mute=True) as hub,
        pytest.raises(HubError, match=r"could not be reached, asked 2 times: .*timed out"),
    ):
        bring_from(hub, tmp_path / "tiny", pauses=(0.0,))


@pytest.mark.parametrize("page", [b"<html>Welcome</html>", b"[]", b'{"siblings": 1}', b"\xff"])
def test_what_is_no_hub_is_called_that(hub: FakeHub, tmp_path: Path, page: bytes) -> None:
    hub.page = page
    with pytest.raises(HubError, match=f"No hub answers at {hub.url}"):
        bring_from(hub, tmp_path / "tiny")


def test_weights_that_are_not_whole_are_refused_before_they_come(hub: FakeHub, tmp_path: Path) -> None:
    def index(**weights: object) -> bytes:
        return json.dumps({"metadata": {}, "weight_map": weights}).encode()

    name, first = "model.safetensors.index.json", "model-00001-of-00002.safetensors"
    hub.files[first] = hub.files.pop("model.safetensors")
    for written, words in [
        (index(a=first, b="model-00002-of-00002.safetensors"), "is not whole: 1 of the 2 files .*'model-00002-of-0000"),
        (index(a=first, b="pytorch_model.bin"), "is not whole"),
        (index(a=[]), "names no files of weights"),
        (b"[]", "names no files of weights"),
        (b"{", "names no files of weights"),
    ]:
        hub.files[name] = written
        with pytest.raises(HubError, match=words):
            bring_from(hub, tmp_path / "tiny")
    assert not hub.asked and not (tmp_path / "tiny").exists()
    hub.files[name] = index(a=first, b=first)
    bring_from(hub, tmp_path / "tiny")
    assert (tmp_path / "tiny" / first).read_bytes() == FILES["model.safetensors"]
