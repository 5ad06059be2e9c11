"""docs/API.md: its examples are run as they stand, in its order; its tables say what the code says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import Client
from django.urls import resolve
from pytest_django.live_server_helper import LiveServer

from accounts.models import Account
from accounts.roles import Role
from accounts.scopes import Scope
from catalog.api.resources import MODEL_KINDS
from connections.providers.states import AttemptState
from launches.api.placements import NOT_THERE
from launches.api.resources import STATES
from launches.domain.create_launch import NOT_VALIDATED
from launches.models import Launch
from launches.states import ACTIVE
from tests.api.makers import make_key
from tests.makers import make_member
from wire.status import Code

PAGE = (Path(settings.BASE_DIR) / "docs" / "API.md").read_text()
EXAMPLES = [example for example in re.findall(r"```sh\n(.*?)```", PAGE, flags=re.DOTALL) if example.startswith("curl")]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.django_db(transaction=True)
def test_the_examples_work_as_pasted(live_server: LiveServer) -> None:
    call_command("load_catalog", "catalog/bundled/local.yaml", verbosity=0)
    local = Account.objects.get(account_id="local")
    key = make_key(account=local, user=make_member(account=local, role=Role.PUBLISHER), scope=Scope.PUBLISH)
    environment = os.environ | {"SLIPWAY_URL": live_server.url, "SLIPWAY_API_KEY": key, "no_proxy": "*"}
    assert len(EXAMPLES) == len(re.findall(r"^curl", PAGE, flags=re.MULTILINE)) > 5
    for example in EXAMPLES:
        command = example.replace("curl ", "curl -s -S --fail-with-body ", 1)
        done = subprocess.run(
            ["sh", "-c", command], env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, f"{example}\n{done.stdout}{done.stderr}"
        assert done.stdout.startswith("{"), done.stdout
    assert not Launch.objects.filter(state__in=ACTIVE - {AttemptState.CANCELLING}), "no example leaves a trainer behind"


def test_the_table_of_errors_has_every_code() -> None:
    rows = re.findall(r"^\| (\d{3}) \| (\d+) \| (\w+) \|", PAGE, flags=re.MULTILINE)
    answered = {(str(code.http_status), str(int(code)), code.name) for code in Code}
    unused = {Code.RESOURCE_EXHAUSTED.name}  # nothing is limited yet
    assert {row for row in answered if row[2] not in unused} <= set(rows)
    assert all(Code[name] == int(code) for _, code, name in rows)
    assert {"405", "413", "415"} <= {status for status, _, _ in rows}


def test_the_document_names_every_parameter_that_a_write_takes(client: Client) -> None:
    paths = client.get("/api/openapi.json").json()["paths"]
    for path, operations in paths.items():
        view = resolve(path).func.view_class  # type: ignore[attr-defined]
        for method in {"post", "patch", "delete"} & operations.keys():
            said = {given["name"] for given in operations[method].get("parameters", ()) if given["in"] == "query"}
            taken = set(view.takes.get(method.upper(), ()))
            assert said - {"readMask"} == taken or "/deployments" in path, (method, path)


def test_every_state_is_in_the_table() -> None:
    assert set(re.findall(r"JOB_STATE_\w+", PAGE)) == {*STATES, NOT_THERE}


def test_every_reason_is_told() -> None:
    sources = [path.read_text() for path in (Path(settings.BASE_DIR) / "launches" / "api").glob("*.py")]
    reasons = set(re.findall(r'reason="(\w+)"', "".join(sources))) | {NOT_VALIDATED}
    told = {name for name in re.findall(r"`([A-Z]+_[A-Z_]+)`", PAGE) if not name.startswith("SLIPWAY_")}
    assert reasons == told - {code.name for code in Code} - {*STATES, NOT_THERE, *MODEL_KINDS}
