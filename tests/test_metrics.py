"""What can be seen of a Slipway from outside: /metrics, traces, ids of requests, lines of every process."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import redis
import yaml
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from pytest_django.fixtures import Settings

from config.metrics import FOLDER, system
from config.pulses import BEAT_KEY, WORKER_KEY
from config.version import commit, version
from connections.kinds import local_root
from connections.providers.states import AttemptState
from launches.models import Attempt
from tests.collector import collector
from tests.connections.trainer_hosts import end_trainer_host, start_trainer_host
from tests.launches.gateway_parts import database_address, front_door
from tests.launches.makers import bring_to, make_launch
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parent.parent
TOKEN = "scrape-me"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(text: str) -> Samples:
    """Each value by its name and labels."""
    found = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in found}


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is remembered, and this process counts alone, also where a test before has loaded the application."""
    monkeypatch.delenv(FOLDER, raising=False)
    system.forget()


@pytest.mark.django_db
def test_it_is_shown_to_the_token_alone_and_under_any_name(client: Client, settings: Settings) -> None:
    assert client.get("/metrics", headers=BEARER).status_code == 404
    settings.SLIPWAY_METRICS_TOKEN = TOKEN
    assert [client.get("/metrics", headers=shown).status_code for shown in ({}, {"Authorization": "Bearer x"})] == [
        401
    ] * 2
    assert client.get("/metrics", headers=BEARER | {"Host": "10.0.0.7:8000"}).status_code == 200


@pytest.mark.django_db
def test_it_tells_of_launches_what_is_due_the_disk_and_the_release(client: Client, settings: Settings) -> None:
    settings.SLIPWAY_METRICS_TOKEN = TOKEN
    waiting, failed = make_launch(), make_launch()
    bring_to(failed, AttemptState.FAILED)
    Attempt.objects.filter(launch=waiting).update(next_check_at=timezone.now() - timedelta(seconds=90))
    found = samples(client.get("/metrics", headers=BEARER).content.decode())
    where = ("connection", waiting.connection.name)
    assert found["slipway_launches", (where, ("state", "QUEUED"))] == 1
    assert found["slipway_launches", (where, ("state", "FAILED"))] == 1
    assert 90 <= found["slipway_oldest_due_seconds", ()] < 120
    assert found["slipway_disk_free_bytes", ()] > 0 and found["slipway_database_up", ()] == 1
    assert found["slipway_build_info", (("commit", commit()), ("version", version()))] == 1
    assert client.get("/version").json() == {"version": version(), "commit": commit()}
    assert f"{version()} ({commit()})" in client.get("/sign-in").content.decode()


def test_a_checkout_that_another_user_owns_says_its_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where units run as a user of their own what an administrator cloned."""
    if os.geteuid() != 0:
        pytest.skip("only root gives a folder to another user")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    git = ("git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.example")
    for words in (("init", "--quiet"), ("commit", "--quiet", "--allow-empty", "--message", "one")):
        subprocess.run([*git, *words], check=True)
    told = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout
    for path in (tmp_path, tmp_path / ".git"):
        os.chown(path, 65534, 65534)
    monkeypatch.setattr("config.version.ROOT", tmp_path)
    monkeypatch.delenv("SLIPWAY_COMMIT", raising=False)
    assert commit.__wrapped__() == told[:12]


@pytest.mark.django_db
def test_rules_and_dashboard_ask_for_what_is_told_and_leave_nothing_out(
    client: Client, settings: Settings, tmp_path: Path
) -> None:
    settings.SLIPWAY_HOME = tmp_path
    settings.SLIPWAY_METRICS_TOKEN = TOKEN
    make_launch()
    start_trainer_host(local_root())
    with redis.Redis.from_url(settings.REDIS_URL) as broker:
        broker.mset({WORKER_KEY: time.time(), BEAT_KEY: time.time()})
        text = client.get("/metrics", headers=BEARER).content.decode()
        broker.delete(WORKER_KEY, BEAT_KEY)
    end_trainer_host(local_root())
    system.forget()
    away = samples(client.get("/metrics", headers=BEARER).content.decode())
    assert [found["slipway_trainer_host_up", ()] for found in (samples(text), away)] == [1, 0]
    names = {name for name in re.findall(r"^# TYPE (\w+)", text, re.MULTILINE) if name.startswith("slipway_")}
    names -= {"slipway_request_seconds_created"}
    rules = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())["groups"][0]["rules"]
    panels = json.loads((ROOT / "deploy/grafana/dashboard.json").read_text())["panels"]
    asked = [rule["expr"] for rule in rules] + [target["expr"] for panel in panels for target in panel["targets"]]
    used = {re.sub("_(count|bucket|sum)$", "", name) for each in asked for name in re.findall(r"slipway_\w+", each)}
    assert used == names
    assert all(rule["annotations"]["summary"] and rule["labels"]["severity"] in {"page", "ticket"} for rule in rules)


@pytest.mark.e2e  # web servers of their own
@pytest.mark.django_db(transaction=True)
def test_all_processes_of_a_web_server_count_together_and_traces_go_where_told(tmp_path: Path) -> None:
    log = tmp_path / "log"
    left = tmp_path / "slipway-metrics-of-one-that-was-killed"
    left.mkdir()
    (left / "lock").touch()
    with collector() as traces, front_door(
        "--workers", "2", log=log, TMPDIR=str(tmp_path), SLIPWAY_METRICS_TOKEN=TOKEN, SLIPWAY_LOG_FORMAT="json",
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{traces.server_address[1]}", OTEL_BSP_SCHEDULE_DELAY="100",
    ) as port:  # fmt: skip
        url = f"http://127.0.0.1:{port}"
        parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        for number in range(20):
            given = {"X-Request-Id": f"mine-{number:04}", "traceparent": parent}
            answer = httpx.get(f"{url}/healthz", headers=given, timeout=60)
            assert answer.headers.get_list("X-Request-Id") == [f"mine-{number:04}"]
        for bad in ("short", "x" * 65, "slpw_abcdefgh", "two words here"):
            answer = httpx.get(f"{url}/training/v1/rlorTrainerJobs/a/b/c", headers={"X-Request-Id": bad}, timeout=60)
            assert re.fullmatch("[0-9a-f]{32}", answer.headers["X-Request-Id"]), bad
        found = samples(httpx.get(f"{url}/metrics", headers=BEARER, timeout=60).text)
        probes = found["slipway_request_seconds_count", (("door", "probe"), ("status", "2xx"))]
        assert probes >= 20 and found["slipway_request_seconds_count", (("door", "gateway"), ("status", "4xx"))] == 4
        assert found["slipway_requests_open", (("door", "probe"),)] == 1  # the one that asks
        wait_for(lambda: sum(span.name == "GET probe" for span in traces.spans) >= 20)
        assert bytes.fromhex(parent.split("-")[1]) in {span.trace_id for span in traces.spans}
        wait_for(lambda: log.read_text().count('"logger": "access"') >= 25)
        (counted,) = tmp_path.glob("slipway-metrics-*")
        assert counted != left and list(counted.glob("*.db"))
    assert not counted.exists()
    lines = [json.loads(line) for line in log.read_text().splitlines()]  # whoever wrote them
    assert {"_granian", "access"} <= {line["logger"] for line in lines}
    assert sum(line.get("request_id") == "mine-0007" for line in lines) == 1


@pytest.mark.e2e  # processes of their own
@pytest.mark.django_db(transaction=True)
def test_worker_and_beat_write_the_same_lines_and_few(settings: Settings) -> None:
    environment = os.environ | {"DATABASE_URL": database_address(), "SLIPWAY_LOG_FORMAT": "json"}
    parts = {"worker": ("--pool", "solo"), "beat": ("--scheduler", "celery.beat:Scheduler", "--pidfile", "")}
    celery = [sys.executable, "-m", "celery", "-A", "config", "--quiet"]
    said_by = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    started = {
        part: subprocess.Popen([*celery, part, "--loglevel", "INFO", *more], cwd=ROOT, env=environment, **said_by)  # type: ignore[call-overload]
        for part, more in parts.items()
    }
    with redis.Redis.from_url(settings.REDIS_URL) as broker:
        broker.delete(WORKER_KEY)
        wait_for(lambda: broker.exists(WORKER_KEY))  # by then some ten tasks were sent and taken
        broker.delete(WORKER_KEY)
    for process in started.values():
        process.send_signal(signal.SIGTERM)
    for part, process in started.items():
        said, _ = process.communicate(timeout=60)
        lines = [
            line for line in said.splitlines() if line and "Warm shutdown" not in line
        ]  # which Celery writes past all logs
        assert all(json.loads(line)["logger"] for line in lines)
        assert len(lines) < 12, (part, said)
