"""The unmodified official SDK drives a deployment, on an engine in memory."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection
from pytest_django.live_server_helper import LiveServer

from accounts.models import Account, User
from accounts.scopes import Scope
from catalog.models import ShapeVersion
from deployments.domain.advance_deployment import advance_deployment
from deployments.models import Deployment
from tests.api.makers import make_key
from tests.deployments.engine import UP, Samplers
from tests.sdk.environments import ROOT, ensure_environment

DRIVER = ROOT / "tests" / "sdk" / "drive_deployments.py"


@pytest.fixture
def worker(samplers: Samplers) -> Iterator[None]:
    """Steps that are due, and samplers that answer once they were started."""
    over = threading.Event()

    def work() -> None:
        while not over.wait(0.05):
            for pk in Deployment.objects.filter(finished_at=None).values_list("pk", flat=True):
                advance_deployment(pk)
            for reference, seen in samplers.seen.items():
                samplers.seen[reference] = UP if seen.state == "CREATING" else seen
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    over.set()
    thread.join()


@pytest.mark.e2e
@pytest.mark.django_db(transaction=True)
def test_the_sdk_creates_scales_and_deletes_a_deployment(
    live_server: LiveServer,
    team: Account,
    lena: User,
    version: ShapeVersion,
    worker: None,
) -> None:
    environment = {
        "SLIPWAY_URL": live_server.url,
        "SLIPWAY_API_KEY": make_key(account=team, user=lena, scope=Scope.LAUNCH),
        "no_proxy": "*",
    }
    model = version.snapshot["baseModel"]
    done = subprocess.run(
        [str(ensure_environment("sdk")), str(Path(DRIVER)), model, version.name],
        env=os.environ | environment, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    name = "accounts/team-a/deployments/dep"
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "none": True,
        "made": [name, "CREATING", version.name, model, name],
        "ready": "READY",
        "taken": name,
        "idle": "READY",
        "changed": "UPDATING",
        "back": "READY",
        "left": False,
    }
