"""The oldest Postgres that this machine has beside the usual one: it takes the tables, answers pages, and forgets."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from embedded.addresses import free_port
from embedded.postgres import Postgres
from embedded.privileges import account_for
from embedded.processes import ServerUser
from tests.conftest import broker_url, worker_number

ROOT = Path(__file__).resolve().parent.parent
DEBIANS = Path("/usr/lib/postgresql")
OLDEST = 15
PROGRAM = """
import io
from datetime import timedelta

import django
from django.conf import settings
settings.STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
django.setup()

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from config.tidying import tidy_all
from launches.models import Event, Launch

for command in (["migrate", "--verbosity", "0"], ["setup_accounts"], ["load_catalog", "--if-empty"]):
    call_command(*command, stdout=io.StringIO())
said = io.StringIO()
call_command("create_api_key", "--account", "local", "--user", "admin", "--scope", "launch", stdout=said)
jobs, api = "/v1/accounts/local/rlorTrainerJobs", {"X-Api-Key": said.getvalue().split()[-1]}
shape = "accounts/local/trainingShapes/tiny-qwen3-2k-lora"
client, people = (Client(SERVER_NAME="127.0.0.1") for _ in range(2))
made = client.post(f"{jobs}?trainingShape={shape}&rlorTrainerJobId=one", "{}", "application/json", headers=api)
assert made.status_code == 200, made.content
people.force_login(get_user_model().objects.get(username="admin"))
uid = Launch.objects.get().uid
lists = ("/", "/?q=qwen", "/launches", "/launches?q=one", "/launches?state=PENDING", "/audit")
for page in (*lists, f"/launches/{uid}"):
    assert people.get(page).status_code == 200, page
for listed in (jobs, "/v1/accounts/local/trainingShapes", "/v1/accounts/-/trainingShapes?pageSize=5"):
    assert client.get(listed, headers=api).status_code == 200, listed
assert client.post(f"{jobs}/one:cancel", "{}", "application/json", headers=api).status_code == 200
assert client.delete(f"{jobs}/one", headers=api).status_code == 200
assert Event.objects.exists()
tidy_all(now=timezone.now() + timedelta(days=400))
"""


def binaries() -> Path | None:
    """Of the oldest one that is supported; None where there is none but the usual one."""
    found = {int(each.name): each / "bin" for each in DEBIANS.glob("[0-9]*") if (each / "bin" / "initdb").exists()}
    supported = [version for version in sorted(found) if version >= OLDEST]
    return found[supported[0]] if supported else None


@pytest.mark.e2e  # a server of its own, and all migrations
def test_it_takes_the_tables_and_answers(tmp_path: Path) -> None:
    oldest = binaries()
    if oldest is None:
        pytest.skip(f"there is no Postgres of Debian's in {DEBIANS}")
    folder = tmp_path / "postgres"
    folder.mkdir()
    account: ServerUser | None = account_for(folder, oldest / "postgres")
    server = Postgres(folder, binaries=oldest, port=free_port(), log=tmp_path / "log", account=account, durable=False)
    server.prepare()
    process = server.start()
    try:
        environment = os.environ | {
            "DATABASE_URL": server.url,
            "REDIS_URL": broker_url(1 + worker_number()),
            "SLIPWAY_HOME": str(tmp_path / "home"),
            "SLIPWAY_EMBEDDED": "1",
            "SLIPWAY_ADMIN_USER": "admin",
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }
        argv = [sys.executable, "-c", PROGRAM]
        done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    finally:
        server.stop(process, time.monotonic() + 10)
