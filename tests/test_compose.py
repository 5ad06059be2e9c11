"""docker-compose.yml says what the settings understand, and starts what exists."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from django.core.management import get_commands

from config.asgi import MOST_FILES
from config.environment import KNOWN
from config.tracing import ENDPOINTS
from config.trainer_host import arguments
from config.version import version
from launches.gateway.application import MOST_OPEN
from proofs import containers
from proofs.compose import Project
from proofs.dockerfile import command, instructions

ROOT = Path(__file__).resolve().parent.parent
OURS = ("migrate", "trainer-host", "web", "worker", "beat")
STORES = ("postgres", "redis")
# ${NAME}, ${NAME:-default} and ${NAME:?message}; $$ is a dollar sign.
VARIABLE = re.compile(r"(?<!\$)\$\{(?P<name>\w+)(?::(?P<operator>[-?])(?P<rest>[^}]*))?\}")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


SET_HERE = {
    *("DATABASE_URL", "REDIS_URL", "SLIPWAY_HOME", "SLIPWAY_TRAINER_BIND", "SLIPWAY_TRAINER_HOST"),
    *("PORT", "SLIPWAY_EMBEDDED", "SLIPWAY_DEBUG"),  # the port that web is published on; of ./run; of developers
}
"""Settings that the file decides."""
OF_ONE = {
    "SLIPWAY_ADMIN_PASSWORD": "migrate",
    **dict.fromkeys(("SLIPWAY_OIDC_CLIENT_SECRET", "SLIPWAY_METRICS_TOKEN", "SLIPWAY_SMTP_URL"), "web"),
}
"""Secrets that one service alone is given."""


def filled(value: str | None) -> str:
    """The value as compose gives it where the .env file names only what has no default."""
    if value is None:  # passed on where it is set
        return ""
    return VARIABLE.sub(lambda found: (found["rest"] or "") if found["operator"] == "-" else "given", value)


def test_the_services_are_the_ones_of_a_deployment() -> None:
    assert set(SERVICES) == {*OURS, *STORES}


def test_the_image_is_of_this_version() -> None:
    assert {SERVICES[service]["image"] for service in OURS} == {f"slipway:{version()}"}
    assert f"--tag slipway:{version()} " in (ROOT / "docs" / "OPERATIONS.md").read_text()


@pytest.mark.parametrize("service", OURS)
def test_every_variable_is_one_that_settings_read_and_parse(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SERVICES[service]["environment"].items():
        if name in KNOWN:
            monkeypatch.setenv(name, filled(value))
            KNOWN[name].read()


@pytest.mark.parametrize("service", OURS)
def test_every_setting_of_the_environment_file_reaches_the_services_that_need_it(service: str) -> None:
    """By its own name, so that what is not set is not there: an unset one and an empty one are the same nowhere."""
    wanted = {name for name in KNOWN if name not in SET_HERE and OF_ONE.get(name, service) == service}
    wanted |= {f"{name}_FILE" for name in wanted if KNOWN[name].is_secret}
    environment = SERVICES[service]["environment"]
    assert {name for name in environment if name.startswith("SLIPWAY_") and name not in SET_HERE} == wanted
    assert {name for name in wanted if environment[name] is not None} == {"SLIPWAY_URL"}, "which has a default here"
    assert "POSTGRES_PASSWORD" not in environment and "REDIS_PASSWORD" not in environment
    assert set(environment) >= set(ENDPOINTS)


def test_what_the_environment_file_says_is_what_a_process_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docker-compose.yml").write_text((ROOT / "docker-compose.yml").read_text())
    said = {"POSTGRES_PASSWORD": "p", "REDIS_PASSWORD": "r", "SLIPWAY_PROXIES": "172.18.0.0/16"}
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in said.items()))
    monkeypatch.setattr(containers, "PLACE", tmp_path)
    monkeypatch.setattr(os, "chown", lambda *_: None)
    (tmp_path / "stores").write_text("{}")
    told = Project(tmp_path).make("worker").environment
    assert told["SLIPWAY_PROXIES"] == "172.18.0.0/16"
    assert "SLIPWAY_MFA_ROLES" not in told and "POSTGRES_PASSWORD" not in told


def test_postgres_takes_all_connections_that_processes_may_keep() -> None:
    """Of two replicas in a rolling upgrade, where four web run beside two worker; Postgres keeps three for itself."""
    most = int(filled(SERVICES["postgres"]["command"]).partition("max_connections=")[2])
    line = command(ROOT)
    web = 4 * int(line[line.index("--workers") + 1])
    words = shlex.split(SERVICES["worker"]["command"])
    worker = 2 * int(words[words.index("--concurrency") + 1])
    beat_and_trainer_host = 2
    assert KNOWN["SLIPWAY_DATABASE_POOL"].default * (web + worker + beat_and_trainer_host) <= most - 3


def test_addresses_name_services_and_carry_no_password_of_ours() -> None:
    for service in OURS:
        environment = SERVICES[service]["environment"]
        database, broker = (urlsplit(filled(environment[name])) for name in ("DATABASE_URL", "REDIS_URL"))
        assert (database.hostname, broker.hostname) == STORES
        assert (database.password, broker.password) == ("given", "given")
        assert database.username == SERVICES["postgres"]["environment"]["POSTGRES_USER"]
        assert database.path == "/" + SERVICES["postgres"]["environment"]["POSTGRES_DB"]


def test_trainers_are_processes_of_the_one_that_owns_them_and_are_reached_under_its_name() -> None:
    assert {SERVICES[service]["environment"]["SLIPWAY_TRAINER_BIND"] for service in OURS} == {"0.0.0.0"}
    assert {SERVICES[service]["environment"]["SLIPWAY_TRAINER_HOST"] for service in OURS} == {"trainer-host"}
    line = shlex.split(SERVICES["trainer-host"]["command"])
    assert line[:3] == ["python", "-m", "config.trainer_host"], "as ./run starts it"
    asked = arguments(line[3:])
    assert 0 < asked.end_within < int(SERVICES["trainer-host"]["stop_grace_period"].removesuffix("s"))
    check = SERVICES["trainer-host"]["healthcheck"]["test"]
    assert check[:4] == ["CMD", "python", "-m", "config.trainer_host"] and arguments(check[4:]).check


def test_state_is_shared_and_kept() -> None:
    for service in OURS:
        (mount,) = SERVICES[service]["volumes"]
        volume, folder = mount.split(":")
        assert volume in COMPOSE["volumes"]
        assert folder == SERVICES[service]["environment"]["SLIPWAY_HOME"]
    (mount,) = SERVICES["postgres"]["volumes"]  # what the broker holds may be lost
    assert mount.split(":")[0] in COMPOSE["volumes"]


def test_each_waits_for_what_it_needs() -> None:
    for service in OURS:
        conditions = {name: wait["condition"] for name, wait in SERVICES[service]["depends_on"].items()}
        assert {conditions[store] for store in STORES} == {"service_healthy"}
        assert conditions.get("migrate") == (None if service == "migrate" else "service_completed_successfully")
    assert all("healthcheck" in SERVICES[service] for service in (*STORES, "trainer-host", "web", "worker"))


def test_only_web_is_published_on_loopback_and_has_room_to_scale() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert list(published) == ["web"]
    (port,) = published["web"]
    address, ports, _ = filled(port).split(":")
    first, last = map(int, ports.split("-"))
    assert (address, first) == ("127.0.0.1", 8000) and last > first
    assert not any("container_name" in service for service in SERVICES.values())


@pytest.mark.parametrize("service", [*OURS, *STORES])
def test_each_is_bounded_and_may_change_nothing_but_its_volume(service: str) -> None:
    said = SERVICES[service]
    assert said["read_only"] is True and "/tmp" in said["tmpfs"]
    assert (said["cap_drop"], said["security_opt"]) == (["ALL"], ["no-new-privileges:true"])
    assert not {"cap_add", "privileged", "network_mode", "pid"} & set(said)
    assert said["pids_limit"] and filled(str(said["mem_limit"]))
    assert service in OURS or said["user"] != "root"  # ours: the Dockerfile says


def test_web_may_hold_what_the_gateway_lets_in() -> None:
    assert SERVICES["web"]["ulimits"]["nofile"] == {"soft": MOST_FILES, "hard": MOST_FILES}
    assert MOST_FILES > 4 * MOST_OPEN


def test_commands_exist() -> None:
    steps = SERVICES["migrate"]["command"][-1].split("&&")
    commands = [shlex.split(step)[2] for step in steps]
    assert commands == ["make_keys", "migrate", "setup_accounts", "load_catalog"]
    assert set(commands) <= set(get_commands())
    for service in ("worker", "beat"):
        assert shlex.split(SERVICES[service]["command"])[:5] == ["celery", "-A", "config", "--quiet", service]


def test_the_image_is_not_root_and_takes_locked_requirements() -> None:
    said = instructions(ROOT)
    assert [argument for word, argument in said if word == "USER"] == ["slipway"]
    assert any("--require-hashes -r requirements/base.txt" in argument for _, argument in said)
    assert command(ROOT)[:3] == ["python", "-m", "config.web"], "as ./run starts it"
    for word, argument in said:
        if word == "COPY" and not argument.startswith("."):
            assert (ROOT / argument.split()[0]).exists()


def test_the_example_settings_are_enough() -> None:
    """What has no default is named in the comment at the top, so that a first start does not fail one by one."""
    text = (ROOT / "docker-compose.yml").read_text()
    required = {found["name"] for found in VARIABLE.finditer(text) if found["operator"] == "?"}
    head = text.split(f"{os.linesep}name:")[0]
    assert required
    assert all(f"{name}=" in head for name in required)
