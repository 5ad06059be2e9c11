"""Weights from a hub: a superuser says where a base model comes from, a launch downloads it, and trains it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator

import httpx
import pytest

from tests.e2e.browser import Browser
from tests.e2e.conftest import SlipwayServer
from tests.sdk.environments import KEPT, ROOT, ensure_environment
from tests.trainer.fake_hub import FakeHub, files_of, running_hub

MODEL = "accounts/local/models/tiny-qwen3"
EDIT = "/connections/local/edit"
MAKE = "import sys; from pathlib import Path; from trainer.tiny_model import ensure_tiny_model as make; "
MAKE += "print(make(Path(sys.argv[1]), sys.argv[2]))"
TOKEN = "hf-of-the-tests"


@pytest.fixture(scope="module")
def hub() -> Iterator[FakeHub]:
    """It has the demo model, and one file that is large enough to be seen while it comes."""
    command = [str(ensure_environment("trainer")), "-c", MAKE, str(KEPT / "model-cache"), MODEL]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    (folder,) = KEPT.glob(f"model-cache/{done.stdout.strip().rpartition('/')[2]}")
    files = files_of(folder) | {"notes.txt": b"-" * 4_000_000}
    with running_hub(FakeHub(files, token=TOKEN, hold=2_200_000)) as running:
        yield running


def edit(visitor: Browser, **fields: str) -> httpx.Response:
    """Send the form of the connection with those fields; it keeps its name, by which other pages call it."""
    return visitor.post(EDIT, EDIT, display_name="This machine", **fields)


@pytest.fixture
def visitor(slipway_server: SlipwayServer) -> Iterator[Browser]:
    """The connection says afterwards what it said before."""
    browser = Browser(slipway_server)
    yield browser
    assert edit(browser, remove_secret="on").is_redirect
    shutil.rmtree(slipway_server.home / "local" / "hub", ignore_errors=True)


def test_the_first_launch_downloads_what_a_superuser_named_and_trains_it(hub: FakeHub, visitor: Browser) -> None:
    refused = edit(visitor, **{"config.models": f"{MODEL} = http://hub.example/acme/tiny"})
    assert refused.status_code == 422 and "would be read on its way" in refused.text
    named = edit(visitor, **{"config.models": f"{MODEL} = {hub.address}", "secret": TOKEN})
    assert named.is_redirect, named.text
    tested = visitor.post("/connections/local", "/connections/local/test").text
    assert f"the first launch of it downloads it from {hub.address}@main" in tested and TOKEN not in tested

    first = visitor.launch("tiny-qwen3-2k", recipe="sample-sft")
    visitor.wait_for(first, r"Downloading acme/tiny: \d\.\d of 4\.\d MB")
    hub.go_on.set()
    page = visitor.wait_for(first, r'data-state="COMPLETED"')
    assert re.search(r"Downloaded acme/tiny: 4\.\d MB, each file checked", page) and TOKEN not in page
    assert f"from {hub.address}@main, at " in visitor.post("/connections/local", "/connections/local/test").text
