"""The rendered request holds what will be sent, and survives quoting."""

from __future__ import annotations

import ast
import json
import shlex
import subprocess
from urllib.parse import parse_qs, urlsplit

from hypothesis import given
from hypothesis import strategies as st

from connections.providers.spec import TrainerMode, TrainerSpec
from launches.pages.render import Address, RenderedRequest, render_request
from launches.resolve import resolve
from tests.launches.test_resolve import make_subject

ADDRESS = Address("This Slipway", "http://localhost:8000")


def render(mode: TrainerMode = TrainerMode.LORA_TRAINER, **inputs: str) -> RenderedRequest:
    spec = resolve(make_subject(mode), inputs)
    assert isinstance(spec, TrainerSpec)
    return render_request(spec, account="local", job="launch-1", address=ADDRESS)


def words_of(curl: str) -> list[str]:
    return shlex.split(curl.replace("\\\n", " "))


def test_the_json_is_the_whole_resolved_spec() -> None:
    resolved = json.loads(render(lora_rank="8").json)
    assert resolved["name"] == "accounts/local/rlorTrainerJobs/launch-1"
    assert (resolved["loraRank"], resolved["acceleratorCount"], resolved["maxContextLength"]) == (8, 4, 2048)
    assert resolved["trainerShardingScheme"]["contextParallelism"] == 4


def test_curl_names_the_pinned_version_and_leaves_out_what_the_shape_owns() -> None:
    words = words_of(render(display_name="mine").curl)
    url = urlsplit(words[words.index("POST") + 1])
    assert url.path == "$FIREWORKS_BASE_URL/v1/accounts/local/rlorTrainerJobs"
    assert parse_qs(url.query)["trainingShape"] == ["accounts/local/trainingShapes/tiny/versions/abcd1234"]
    body = json.loads(words[words.index("-d") + 1])
    assert body["displayName"] == "mine"
    assert not {"nodeCount", "acceleratorType"} & body.keys() | {"acceleratorCount"} & body["trainingConfig"].keys()


def test_a_forward_only_request_says_so() -> None:
    rendered = render(TrainerMode.FORWARD_ONLY)
    body = json.loads(words_of(rendered.curl)[-1])
    assert body["forwardOnly"] is True
    assert "learningRate" not in body["trainingConfig"]
    assert "forward_only=True" in rendered.python


@given(st.text(st.characters(exclude_categories=["Cc", "Cf", "Cs", "Zl", "Zp"]), max_size=63))
def test_any_display_name_survives_shell_and_python(name: str) -> None:
    rendered = render(display_name=name)
    body = json.loads(words_of(rendered.curl)[-1])
    assert body.get("displayName", "") == name.strip()
    constants = [node.value for node in ast.walk(ast.parse(rendered.python)) if isinstance(node, ast.Constant)]
    assert name.strip() == "" or name.strip() in constants


def test_a_real_shell_reads_the_command_as_written() -> None:
    command = render(display_name="it's $HOME; `id`").curl.replace("curl ", "printf '%s\\n' ", 1)
    printed = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout
    assert "it's $HOME; `id`" in printed
