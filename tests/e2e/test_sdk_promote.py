"""The official SDK promotes a checkpoint: its own call, its own polling, against the API and a worker of ours."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from accounts.models import Account
from accounts.scopes import Scope
from catalog.domain.advance_promotion import advance_promotion
from catalog.models import TrainedModel
from tests.api.makers import make_key
from tests.connections.remote import RemoteEngine
from tests.launches.weights import TINY, make_saved_launch
from tests.makers import make_member
from tests.sdk.environments import ensure_environment

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.e2e]
PROGRAM = """
import json, os, sys
from fireworks.training.sdk import FireworksClient
client = FireworksClient(api_key=os.environ["KEY"], base_url=os.environ["URL"])
(row,) = [row for row in client.list_checkpoints(sys.argv[1]) if row["promotable"]]
for model in sys.argv[3:]:
    made = client.promote_checkpoint(name=row["name"], output_model_id=model, base_model=sys.argv[2])
    print(json.dumps(made), flush=True)
try:
    client.promote_checkpoint(name=row["name"] + "-2", output_model_id="x", base_model=sys.argv[2])
except RuntimeError as error:
    print(json.dumps({"refused": str(error)}), flush=True)
os._exit(0)
"""


@pytest.fixture
def late_worker() -> Iterator[None]:
    """Takes the first model when the first answer is long gone, so that the SDK polls; the others at once."""
    over = threading.Event()

    def work() -> None:
        while not over.wait(0.2):
            for pk in TrainedModel.objects.filter(finished_at=None).values_list("pk", flat=True):
                time.sleep(3 if not TrainedModel.objects.exclude(finished_at=None).exists() else 0)
                advance_promotion(pk)
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    over.set()
    thread.join()


def test_the_sdk_promotes(
    live_server: LiveServer, engine: RemoteEngine, team: Account, late_worker: None, settings: Settings, tmp_path: Path
) -> None:
    settings.SLIPWAY_HOME, settings.ALLOWED_HOSTS = tmp_path, ["*"]
    owner = make_member(account=team)
    launch = make_saved_launch(engine, owner=owner, account=team)
    key = make_key(account=team, user=owner, scope=Scope.LAUNCH)
    done = subprocess.run(
        [str(ensure_environment("sdk")), "-c", PROGRAM, launch.job_id, TINY, "polled", "at-once", "polled"],
        env=os.environ | {"KEY": key, "URL": live_server.url},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    *made, refused = said
    assert [model["name"] for model in made] == [
        f"accounts/team-a/models/{name}" for name in ("polled", "at-once", "polled")
    ]
    wanted = {"state": "READY", "kind": "HF_PEFT_ADDON"}
    assert all(model.items() >= wanted.items() for model in made)
    assert made[0]["peftDetails"] == {"baseModel": TINY, "r": 16, "targetModules": ["q_proj", "v_proj"]}
    assert "checkpoints/final-2" in refused["refused"]
    assert (tmp_path / "weights/team-a/polled/adapter_model.safetensors").is_file()
