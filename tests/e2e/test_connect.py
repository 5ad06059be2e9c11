"""The code of the page Connect, run as pasted, with a key of the scope that the page asks for."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass

import httpx
import pytest

from tests.e2e.browser import Browser
from tests.e2e.conftest import SlipwayServer
from tests.launches.test_connect_page import code
from tests.sdk.environments import ensure_environment

MOST_SECONDS = 600
"""The first launch makes the trainer's environment, which takes a minute or two."""


@dataclass(frozen=True)
class Pasted:
    """The page's HTML, and the environment that it asks for."""

    html: str
    environment: dict[str, str]

    def run(self, key: str, *command: str, without: str = "", instead: str = "") -> subprocess.CompletedProcess[str]:
        """The snippet of that key on the command's standard input; a part of it may be changed, so that it fails."""
        text = code(self.html, key)
        assert without in text
        return subprocess.run(
            command,
            input=text.replace(without, instead) if without else text,
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            timeout=MOST_SECONDS,
            check=False,
        )


@pytest.fixture(scope="module")
def key(slipway_server: SlipwayServer) -> str:
    return slipway_server.manage(
        *("create_api_key", "--account", "local", "--user", slipway_server.username),
        *("--scope", "launch", "--name", "pasted"),
    )


@pytest.fixture(scope="module")
def pasted(slipway_server: SlipwayServer, key: str) -> Pasted:
    html = Browser(slipway_server).read("/connect")
    return Pasted(html, {"FIREWORKS_BASE_URL": slipway_server.url, "FIREWORKS_API_KEY": key})


def state_of(server: SlipwayServer, key: str, said: str) -> str:
    """The state of the one job that the output names."""
    (name,) = set(re.findall(r"accounts/local/rlorTrainerJobs/[a-z0-9-]+", said))
    answer = httpx.get(f"{server.url}/v1/{name}", headers={"X-Api-Key": key}, timeout=30).raise_for_status()
    state: str = answer.json()["state"]
    return state


def test_curl(slipway_server: SlipwayServer, key: str, pasted: Pasted) -> None:
    done = pasted.run("curl", "sh", "-e")
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"trainingShapes":[{' in done.stdout
    assert '"state":"JOB_STATE_PENDING"' in done.stdout
    assert state_of(slipway_server, key, done.stdout) == "JOB_STATE_DELETED"


def test_curl_says_why_it_is_refused(pasted: Pasted) -> None:
    done = pasted.run("curl", "sh", "-e", without="$FIREWORKS_API_KEY", instead="slpw_wrong")
    assert done.returncode != 0
    assert "The API key is unknown, expired or revoked." in done.stdout


def test_python_sdk(slipway_server: SlipwayServer, key: str, pasted: Pasted) -> None:
    done = pasted.run("sdk", str(ensure_environment("sdk")), "-")
    losses = [float(loss) for loss in re.findall(r"^[123] (\d+\.\d+)$", done.stdout, re.MULTILINE)]
    assert len(losses) == 3, done.stdout + done.stderr
    assert losses[-1] < losses[0]
    # Native threads of the SDK now and then crash the interpreter as it shuts down; an exception would end it with 1.
    assert done.returncode <= 0, done.stderr
    assert state_of(slipway_server, key, done.stdout) == "JOB_STATE_DELETED"


def test_python_sdk_leaves_no_trainer_where_a_step_fails(
    slipway_server: SlipwayServer, key: str, pasted: Pasted
) -> None:
    done = pasted.run("sdk", str(ensure_environment("sdk")), "-", without='"cross_entropy"', instead='"no_such_loss"')
    assert done.returncode != 0
    assert "no_such_loss" in done.stderr
    assert state_of(slipway_server, key, done.stdout) == "JOB_STATE_DELETED"


def test_the_recipe_compiles(pasted: Pasted) -> None:
    done = pasted.run("cookbook", sys.executable, "-c", "import sys; compile(sys.stdin.read(), 'recipe', 'exec')")
    assert done.returncode == 0, done.stderr
