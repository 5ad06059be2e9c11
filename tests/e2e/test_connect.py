"""Every program that a page shows for a shape that runs here, run as pasted in the environment that the page tells to
make, with a key of the scope that the page asks for. The cookbook's recipe is run by `./run prove snippets`."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from proofs.desk import Desk, code
from tests.e2e.browser import Browser
from tests.e2e.conftest import SlipwayServer
from tests.sdk.environments import KEPT

SHAPES = (
    "tiny-qwen3-2k",
    "tiny-qwen3-2k-lora",
    "tiny-qwen3-2k-forward",
    "tiny-qwen3-chat-2k",
    "tiny-qwen3-chat-2k-lora",
)


@pytest.fixture(scope="module")
def key(slipway_server: SlipwayServer) -> str:
    return slipway_server.manage(
        *("create_api_key", "--account", "local", "--user", slipway_server.username),
        *("--scope", "launch", "--name", "pasted"),
    )


@pytest.fixture(scope="module")
def desk(key: str) -> Desk:
    return Desk(key, KEPT / "pasted")


@pytest.fixture(scope="module")
def visitor(slipway_server: SlipwayServer) -> Browser:
    return Browser(slipway_server)


@pytest.fixture(scope="module")
def connect(visitor: Browser) -> str:
    return visitor.read("/connect")


def job(server: SlipwayServer, key: str, said: str) -> dict[str, Any]:
    """The one job that the output names."""
    (name,) = set(re.findall(r"\b(?:training-api-service|from-curl|launch)-[0-9a-f]+\b", said))
    address = f"{server.url}/v1/accounts/local/rlorTrainerJobs/{name}"
    answer = httpx.get(address, headers={"X-Api-Key": key}, timeout=60).raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def losses(said: str) -> list[float]:
    return [float(loss) for loss in re.findall(r"^(?:[123] )?(\d+\.\d+)$", said, re.MULTILINE)]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_sdk_program_of_a_shape(
    slipway_server: SlipwayServer, key: str, desk: Desk, visitor: Browser, shape: str
) -> None:
    html = visitor.read(f"/shapes/local/{shape}")
    done = desk.run(code(html, "environment"), code(html, "sdk"))
    found = losses(done.stdout)
    assert len(found) == (1 if shape.endswith("-forward") else 3), done.stdout + done.stderr
    assert found[-1] < found[0] or len(found) == 1
    # Native threads of the SDK now and then crash the interpreter as it shuts down; an exception would end it with 1.
    assert done.returncode == 0 or done.returncode > 128, done.stderr
    assert job(slipway_server, key, done.stdout)["state"] == "JOB_STATE_DELETED"


def test_the_sdk_program_of_connect_leaves_no_trainer_where_a_step_fails(
    slipway_server: SlipwayServer, key: str, desk: Desk, connect: str
) -> None:
    program = code(connect, "sdk")
    assert "tiny-qwen3-chat-2k-lora" in program
    done = desk.run(code(connect, "environment"), program.replace('"cross_entropy"', '"no_such_loss"'))
    assert done.returncode != 0
    assert "no_such_loss" in done.stderr
    assert job(slipway_server, key, done.stdout)["state"] == "JOB_STATE_DELETED"


def test_the_program_of_a_launchs_page_joins_its_trainer(
    slipway_server: SlipwayServer, key: str, desk: Desk, visitor: Browser
) -> None:
    launch = visitor.launch("tiny-qwen3-2k-lora", recipe="none")
    html = visitor.wait_for(launch, r'data-ready="true"')
    program = code(html, "connect-code")
    done = desk.run(code(html, "connect-environment"), f"{program}print(client.get_info().model_data)\n")
    assert "accounts/local/models/tiny-qwen3" in done.stdout, done.stdout + done.stderr
    assert job(slipway_server, key, program)["state"] == "JOB_STATE_RUNNING", "it was not ours to end"
    visitor.post(launch, f"{launch}/cancel")
    visitor.wait_for(launch, r'data-state="CANCELLED"')


@pytest.mark.parametrize(("key_of_code", "by"), [("request-python", "python"), ("request-curl", "sh -e")])
def test_the_request_of_the_launch_form(
    slipway_server: SlipwayServer, key: str, desk: Desk, visitor: Browser, connect: str, key_of_code: str, by: str
) -> None:
    html = visitor.read("/shapes/local/tiny-qwen3-2k-lora/launch")
    done = desk.run(code(connect, "environment"), code(html, key_of_code), by=by)
    assert done.returncode == 0, done.stdout + done.stderr
    made = job(slipway_server, key, done.stdout)
    assert made["trainingConfig"]["loraRank"] == 8
    address = f"{slipway_server.url}/v1/{made['name']}"
    httpx.delete(address, headers={"X-Api-Key": key}, timeout=60).raise_for_status()


def test_curl(slipway_server: SlipwayServer, key: str, desk: Desk, connect: str) -> None:
    done = desk.run(code(connect, "environment"), code(connect, "curl"), by="sh -e")
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"trainingShapes":[{' in done.stdout
    assert '"state":"JOB_STATE_PENDING"' in done.stdout
    assert job(slipway_server, key, done.stdout)["state"] == "JOB_STATE_DELETED"


def test_curl_says_why_it_is_refused(connect: str) -> None:
    done = Desk("slpw_wrong", KEPT / "pasted").run(code(connect, "environment"), code(connect, "curl"), by="sh -e")
    assert done.returncode != 0
    assert "The API key is unknown, expired or revoked." in done.stdout


def test_the_recipe_compiles_and_its_tokenizer_can_be_had(desk: Desk, connect: str) -> None:
    compile(code(connect, "cookbook"), "cookbook", "exec")
    _, curl, rest = code(connect, "cookbook-environment").partition("curl ")
    download = f"{curl}{rest.partition('cat >')[0]}cat tiny-qwen3-chat/chat_template.jinja"
    done = desk.run(code(connect, "environment"), download, by="sh -e")
    assert "<|im_start|>" in done.stdout, done.stdout + done.stderr
