"""Base models from a hub on this machine: who has them downloaded, what is said of it, and who sees the token."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from connections.providers.attempts import Reference
from connections.providers.samplers import SamplerSubmission
from connections.providers.states import FINAL, AttemptState, Reason
from connections.providers.trainer_files import files
from tests.connections.local_rig import LocalRig, make_rig
from tests.connections.rig import make_reference, make_submission, wait_for, wait_ready
from tests.connections.sampler_contract import make_spec as make_sampler_spec
from tests.waiting import wait_for as wait_until

MODEL, ADDRESS, TOKEN = "accounts/team-a/models/tiny", "https://hub.example/acme/tiny@main", "of-the-tests"
SAID = "Downloading acme/tiny: 1.0 of 4.0 MB"


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[LocalRig]:
    rig = make_rig(tmp_path / "rig")
    yield replace(rig, provider=replace(rig.provider, hub={MODEL: ADDRESS}, hub_token=TOKEN))
    rig.end()


def tell(rig: LocalRig, **behaviour: Any) -> None:
    (rig.behaviour / "download.json").write_text(json.dumps(behaviour))


def seen(rig: LocalRig, name: str) -> dict[str, Any]:
    """The environment of the program that wrote it down there, and what it was told."""
    found: dict[str, Any] = json.loads((rig.behaviour / name).read_text())
    return found


def test_the_first_trainer_has_it_downloaded_and_no_other_sees_the_token(rig: LocalRig) -> None:
    first, second = make_reference(), make_reference()
    rig.provider.submit(make_submission(first, base_model=MODEL))
    wait_ready(rig.provider, first)
    assert SAID in [line.message for line in rig.provider.observe(first).progress]
    downloaded = seen(rig, "download.environ.json")
    assert downloaded.pop("stdin") == TOKEN
    wrapper = files.read_json(rig.directory(first) / files.WRAPPER)
    assert wrapper and not any(TOKEN in text for text in psutil.Process(wrapper["pid"]).environ().values())
    environment = json.loads((rig.directory(first) / files.RECORDS / "environ.json").read_text())
    prepared = json.loads((rig.provider.environment / "prepare.environ.json").read_text())
    written = [path.read_text() for path in rig.directory(first).glob("*.json")]
    assert not any(
        TOKEN in text for text in (*environment.values(), *prepared.values(), *downloaded.values(), *written)
    )
    config = files.read_json(rig.directory(first) / files.CONFIG)
    assert config and (Path(config["model_directory"]) / "config.json").is_file()
    (rig.behaviour / "download.environ.json").unlink()
    rig.provider.submit(make_submission(second, base_model=MODEL))
    wait_ready(rig.provider, second)
    assert not (rig.behaviour / "download.environ.json").exists()


def test_a_sampler_has_it_downloaded_too(rig: LocalRig) -> None:
    sampler, samplers = Reference("team-a", "dep", 1), rig.provider.samplers
    samplers.start(SamplerSubmission(sampler, replace(make_sampler_spec("dep"), base_model=MODEL), "sls-token"))
    wait_until(lambda: samplers.observe(sampler).ready)
    assert SAID in [line.message for line in samplers.observe(sampler).progress]


def test_a_download_is_cancelled_and_what_fails_is_said(rig: LocalRig) -> None:
    tell(rig, hang=True)
    cancelled, failed = make_reference(), make_reference()
    rig.provider.submit(make_submission(cancelled, base_model=MODEL))
    wait_until(lambda: rig.provider.observe(cancelled).detail == SAID)
    assert rig.provider.observe(cancelled).state is AttemptState.CREATING
    rig.provider.cancel(cancelled)
    assert wait_for(rig.provider, cancelled, FINAL).state is AttemptState.CANCELLED
    tell(rig, fail="There is no https://hub.example/acme/tiny.")
    rig.provider.submit(make_submission(failed, base_model=MODEL))
    over = wait_for(rig.provider, failed, FINAL)
    assert (over.state, over.reason) == (AttemptState.FAILED, Reason.ENVIRONMENT)
    assert over.detail == "The base model could not be downloaded: There is no https://hub.example/acme/tiny."
