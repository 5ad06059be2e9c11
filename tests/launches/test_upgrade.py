"""The release before, with launches in flight, becomes this one: no row is lost, and all goes on as is documented."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.connections.local_rig import open_to_trainers
from tests.databases import new_database
from tests.standing_in import ROOT, CodeFolder, end_trainers, make_code

pytestmark = pytest.mark.e2e

RELEASE_BEFORE = "e78646a653c542d17e8b320d72128ce23cc22b63"
NOT_HERE = ("drf_spectacular_sidecar",)
"""What that release's settings name and this one's environment lacks; nothing of it is asked for below."""
STATES_BEFORE = {
    "stopped": "FAILED",
    "running": "RUNNING",
    "cancelling": "CANCELLING",
    "creating": "CREATING",
    "waiting": "PENDING",
    "queued": "QUEUED",
}
IN_FLIGHT = """
import json, time
from pathlib import Path
from django.conf import settings
from django.core.management import call_command
for command in (["migrate", "--verbosity", "0"], ["setup_accounts"], ["load_catalog", "--if-empty"]):
    call_command(*command)

from django.test import Client
from django.utils import timezone
from accounts.actors import SYSTEM, user_actor
from accounts.domain.create_api_key import create_api_key
from accounts.models import Account, User
from accounts.scopes import Scope
from catalog.domain.create_draft import create_draft
from catalog.models import ShapeVersion
from launches.domain.advance_launch import advance_launch
from launches.domain.cancel_launch import cancel_launch
from launches.domain.create_launch import create_launch
from launches.models import Attempt, Launch
from publishing.domain.advance_validation import advance_validation
from publishing.domain.request_validation import request_validation
from publishing.models import Validation

me, local = User.objects.get(username="admin"), Account.objects.get(account_id="local")
version = ShapeVersion.objects.get(shape__shape_id="tiny-qwen3-2k-lora", is_latest_validated=True)
behaviour = Path("behaviour")

def launch(job):
    return create_launch(
        actor=user_actor(me), account=local, version=version, inputs={}, idempotency_key=job, job_id=job
    )

def bring(launch, done):
    deadline = time.monotonic() + 300
    while not done(found := launch.attempts.order_by("-number").first()):
        assert time.monotonic() < deadline, (launch.job_id, found.state, found.detail, found.log_tail)
        Attempt.objects.filter(pk=found.pk).update(next_check_at=timezone.now(), lease_until=None)
        advance_launch(found.pk)
        time.sleep(0.05)

def draft():
    fields, snapshot = version.fields, version.frozen_snapshot
    return create_draft(
        actor=user_actor(me), shape=version.shape, snapshot=snapshot, launch_fields=fields, based_on=version
    )

_, key = create_api_key(
    actor=SYSTEM, account=local, user=me, name="old", scope=Scope("launch"), now=timezone.now(), days=90
)
client = Client()
client.force_login(me, backend="allauth.account.auth_backends.AuthenticationBackend")

bring(launch("stopped"), lambda attempt: attempt.ready)
call_command("stop_local_trainers")
(settings.SLIPWAY_HOME / "local" / "held").unlink()  # which would keep others from starting for ten seconds
bring(launch("running"), lambda attempt: attempt.ready)
bring(doomed := launch("cancelling"), lambda attempt: attempt.ready)
validation = request_validation(actor=user_actor(me), version=draft(), now=timezone.now())
while not validation.launch:
    Validation.objects.filter(pk=validation.pk).update(next_check_at=timezone.now(), lease_until=None)
    advance_validation(validation.pk)
    validation.refresh_from_db()
(behaviour / f"{validation.launch.job_id}.json").write_text(json.dumps({"metrics": 20}))
bring(validation.launch, lambda attempt: attempt.ready)
(behaviour / "prepare.json").write_text(json.dumps({"hang": True}))
bring(
    launch("creating"), lambda attempt: attempt.state == "CREATING" and "Creating environment" in attempt.log_tail
)
(behaviour / "prepare.json").unlink()
bring(launch("waiting"), lambda attempt: attempt.state == "PENDING")
launch("queued")
cancel_launch(actor=user_actor(me), launch=doomed)
print(json.dumps({
    "key": key,
    "session": client.cookies["sessionid"].value,
    "draft": draft().version_id,
    "validated": validation.version.version_id,
    "probe": validation.launch.job_id,
    "states": dict(Launch.objects.values_list("job_id", "state")),
}))
"""
GOES_ON = """
import json, time
from pathlib import Path
from django.test import Client
from django.utils import timezone
from launches.domain.advance_launch import advance_launch
from launches.models import Attempt, Launch
from publishing.domain.advance_validation import advance_validation
from publishing.models import Validation

said = json.loads(Path("said.json").read_text())
api = Client(headers={"X-Api-Key": said["key"], "Host": "127.0.0.1"})
page = Client(headers={"Host": "127.0.0.1"})
page.cookies["sessionid"] = said["session"]
jobs = "/v1/accounts/local/rlorTrainerJobs"

def bring(job, done):
    launch = Launch.objects.get(job_id=job)
    deadline = time.monotonic() + 300
    while not done(found := launch.attempts.order_by("-number").first()):
        assert time.monotonic() < deadline, (job, found.state, found.detail, found.log_tail)
        Attempt.objects.filter(pk=found.pk).update(next_check_at=timezone.now(), lease_until=None)
        advance_launch(found.pk)
        time.sleep(0.05)
    return found

def bring_to(job, state):
    return bring(job, lambda attempt: attempt.state == state)

def finish(job):
    Path("behaviour", f"{job}.exit").write_text("0")
    bring_to(job, "COMPLETED")

def ask(job, verb):
    answer = api.post(f"{jobs}/{job}:{verb}", {}, content_type="application/json")
    assert answer.status_code == 200, answer.content

listed = {job["name"].rpartition("/")[2] for job in api.get(jobs).json()["rlorTrainerJobs"]}
assert listed == set(said["states"]), listed
found = api.get(jobs, {"filter": '"stopped"'}).json()["rlorTrainerJobs"]
assert [job["name"].rpartition("/")[2] for job in found] == ["stopped"], found
stopped = Launch.objects.get(job_id="stopped")
newest = stopped.attempts.get().metrics.order_by("-number").first()
assert (stopped.last_loss, stopped.last_step) == (newest.loss_per_token, newest.step), (stopped.last_loss, newest)
assert 0 < stopped.run_seconds < 120, stopped.run_seconds
bring_to("cancelling", "CANCELLED")
bring("waiting", lambda attempt: attempt.ready)
ask("creating", "cancel")
bring_to("creating", "CANCELLED")
bring("queued", lambda attempt: attempt.ready)
assert bring("running", lambda attempt: attempt.ready).number == 1
for job in ("running", "waiting", "queued", said["probe"]):
    finish(job)
ask("stopped", "resume")
assert bring("stopped", lambda attempt: attempt.ready).resume_from == "step-3"
finish("stopped")
for job in ("stopped", "running"):
    assert "step-3" in api.get(f"{jobs}/{job}/checkpoints").content.decode()
    assert Attempt.objects.get(launch__job_id=job, number=1).metrics.count() == 3

validation = Validation.objects.get()
while not validation.finished_at:
    Validation.objects.filter(pk=validation.pk).update(next_check_at=timezone.now(), lease_until=None)
    assert advance_validation(validation.pk) is None or time.sleep(0.05) is None
    validation.refresh_from_db()
shape = "local/tiny-qwen3-2k-lora/versions"
passed = page.get(f"/shapes/{shape}/{said['validated']}/validation").content.decode()
assert 'data-state="PASSED"' in passed, (validation.state, validation.outcome)
assert "Save draft" in page.get(f"/publish/{shape}/{said['draft']}/edit").content.decode()
assert "stopped" in page.get("/launches").content.decode()
"""


@dataclass(frozen=True)
class Before:
    """What the release before left: where, what it said of it, and the ids of its rows by table."""

    code: CodeFolder
    environment: dict[str, str]
    said: dict[str, Any]
    rows: dict[str, set[int]]


def bring_release_before(code: CodeFolder) -> None:
    """Its code, out of the history, with the stand-in for its trainer."""
    archive = ["git", "-C", str(ROOT), "archive", "--format=tar", RELEASE_BEFORE]
    done = subprocess.run(archive, capture_output=True, check=False)
    if done.returncode:
        why = done.stderr.decode(errors="replace").strip()
        pytest.skip(f"NO HISTORY: the release before, {RELEASE_BEFORE[:7]}, is not in this clone ({why})")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
        tar.extraction_filter = getattr(tarfile, "data_filter", None)  # from Python 3.11.4 on
        tar.extractall(code.path)
    for package in NOT_HERE:
        (code.path / package).mkdir()
        (code.path / package / "__init__.py").touch()
    code.stand_in()


def manage(code: CodeFolder, environment: dict[str, str], *arguments: str, stdin: str = "") -> str:
    """A management command of the code that is there, with the Python that runs this; its output."""
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(
        command, cwd=code.path, env=environment, input=stdin, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, f"{' '.join(arguments)}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
    return done.stdout.strip()


def ids(database_url: str) -> dict[str, set[int]]:
    """The ids of all rows, by table."""
    tables = "SELECT table_name FROM information_schema.columns WHERE table_schema = 'public' AND column_name = 'id'"
    with psycopg.connect(database_url) as connection:
        names = [name for (name,) in connection.execute(tables).fetchall()]
        return {
            name: {pk for (pk,) in connection.execute(sql.SQL("SELECT id FROM {}").format(sql.Identifier(name)))}
            for name in names
        }


@pytest.fixture
def before(tmp_path: Path) -> Iterator[Before]:
    """The release before with something in every state, its workers gone and its trainers running on."""
    code = make_code(tmp_path / "code")
    bring_release_before(code)
    home = tmp_path / "state"
    home.mkdir()
    open_to_trainers(home)
    for job in ("stopped", "running"):
        code.tell(job, checkpoints={"step-3": 3}, metrics=3)
    with new_database(f"slipway_upgrade_{os.getpid()}") as database_url:
        environment = os.environ | {
            "DATABASE_URL": database_url,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "SLIPWAY_HOME": str(home),
            "SLIPWAY_LOCAL_SLOTS": "4",
            "SLIPWAY_ADMIN_PASSWORD": "a good long pass phrase",
        }
        environment.pop("PYTHONPATH", None)
        try:
            said = json.loads(manage(code, environment, "shell", "--no-imports", stdin=IN_FLIGHT).splitlines()[-1])
            yield Before(code, environment, said, ids(database_url))
        finally:
            end_trainers(home)


def test_the_release_before_is_upgraded_with_launches_in_flight(before: Before) -> None:
    code, said = before.code, before.said
    assert said["states"] == STATES_BEFORE | {said["probe"]: "RUNNING"}
    running = code.pids("running")
    for file in (code.path / "behaviour").iterdir():
        file.chmod(0o666)  # trainers were our own user before

    code.replace_by_this_one()
    manage(code, before.environment, "migrate", "--verbosity", "0")
    after = ids(before.environment["DATABASE_URL"])
    assert {table: rows - after.get(table, set()) for table, rows in before.rows.items() if rows - after[table]} == {}
    assert "all are what was published" in manage(code, before.environment, "verify_catalog")
    (code.path / "said.json").write_text(json.dumps(said))
    with subprocess.Popen([sys.executable, "-m", "config.trainer_host"], cwd=code.path, env=before.environment) as host:
        try:
            manage(code, before.environment, "shell", "--no-imports", stdin=GOES_ON)
        finally:
            host.terminate()
    assert code.pids("running") == running
