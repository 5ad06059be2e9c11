"""Settings as somebody gives them who runs a deployment: by variables and by files, and what each then does."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.models import Account
from accounts.roles import Role
from config.environment import KNOWN, read
from config.environment_variable import SettingError
from tests.mail_server import mail_server
from tests.makers import make_member, sign_in

ROOT = Path(__file__).resolve().parent.parent
SECRETS = [name for name, setting in KNOWN.items() if setting.is_secret]
SHOW = "from config import settings as s; print({})"


def show(expression: str, **given: str) -> str:
    """What a new process makes of these variables; its last words where it refuses them."""
    dropped = {f"SLIPWAY_{name}" for name in ("SECRET_KEY", "EMBEDDED")}
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    argv = [sys.executable, "-c", SHOW.format(expression)]
    done = subprocess.run(argv, cwd=ROOT, env=kept | given, capture_output=True, text=True, check=False)
    return done.stdout.strip() or done.stderr.splitlines()[-1]


@pytest.mark.parametrize("name", SECRETS)
def test_every_secret_may_stand_in_a_file(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret"
    path.write_text("of a file\n")
    monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(f"{name}_FILE", str(path))
    assert KNOWN[name].raw() == "of a file"
    assert f"`{name}`" in (ROOT / "docs/CONFIGURATION.md").read_text().partition("### Secrets in files")[2]
    path.write_text("\n")
    with pytest.raises(SettingError, match=f"^{name}_FILE={path} is empty"):
        KNOWN[name].read()
    path.unlink()
    with pytest.raises(SettingError, match=f"^{name}_FILE={path} cannot be read: No such file"):
        KNOWN[name].read()
    monkeypatch.setenv(name, "too")
    with pytest.raises(SettingError, match=f"^{name} and {name}_FILE are both set"):
        KNOWN[name].read()


def test_what_is_no_secret_is_read_from_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPWAY_URL_FILE", str(tmp_path))
    assert read("SLIPWAY_URL") == ""


def test_hosts_proxies_and_the_pool_are_what_the_variables_say(tmp_path: Path) -> None:
    given = {
        "SLIPWAY_URL": "https://slipway.example",
        "SLIPWAY_ALLOWED_HOSTS": "web.internal, .svc.cluster.local",
        "SLIPWAY_PROXIES": "2",
        "SLIPWAY_DATABASE_POOL": "6",
        "SLIPWAY_DATABASE_WAIT": "0.5",
    }
    pool = "s.DATABASES['default']['OPTIONS']"
    shown = show(f"s.ALLOWED_HOSTS, s.SLIPWAY_PROXIES, [{pool}['pool'][n] for n in ('max_size', 'timeout')]", **given)
    assert ".svc.cluster.local" in shown and "web.internal" in shown and "slipway.example" in shown
    assert shown.endswith("2 [6, 0.5]")
    assert show(f"'pool' in {pool}", SLIPWAY_DATABASE_POOL="0") == "False"
    assert show("s.SLIPWAY_PROXIES", SLIPWAY_URL="https://slipway.example") == "1"
    assert show("s.SLIPWAY_PROXIES", SLIPWAY_PROXIES="10.0.0.0/8") == "(IPv4Network('10.0.0.0/8'),)"
    assert "'*' is no host name" in show("1", SLIPWAY_ALLOWED_HOSTS="*")
    assert "LOG_LEVEL='loud' is not usable: use one of DEBUG" in show("1", SLIPWAY_LOG_LEVEL="loud")


@pytest.mark.parametrize("name", ["DATABASE_URL", "SLIPWAY_SMTP_URL"])
def test_a_password_that_looks_like_a_port_is_told_to_nobody(name: str) -> None:
    address = {
        "DATABASE_URL": "postgres://user:sesame/street@host/name",
        "SLIPWAY_SMTP_URL": "smtp://user:sesame#1@host",
    }
    told = show("1", **{name: address[name]})
    assert told.startswith(f"config.environment_variable.SettingError: {name} is not usable: its port is none")
    assert "sesame" not in told


@pytest.mark.e2e  # processes of their own
@pytest.mark.parametrize(
    "argv",
    [
        ("config.web", "--host", "127.0.0.1", "--port", "0", "--workers", "1"),
        ("celery", "-A", "config", "worker", "--pool", "solo"),
        ("celery", "-A", "config", "beat", "--pidfile", ""),
    ],
    ids=["web", "worker", "beat"],
)
def test_nothing_serves_without_the_keys_of_the_others(argv: tuple[str, ...], tmp_path: Path) -> None:
    home = tmp_path / "home"
    environment = {name: value for name, value in os.environ.items() if name != "SLIPWAY_EMBEDDED"}
    environment |= {"SLIPWAY_HOME": str(home)}
    began = [sys.executable, "-m", *argv]
    done = subprocess.run(began, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode != 0
    assert "slipway: SLIPWAY_SECRET_KEY, SLIPWAY_SEALING_KEYS, SLIPWAY_SIGNING_KEY not set" in done.stderr + done.stdout
    assert not list(home.glob("*-key"))


def test_keys_are_made_once_where_all_share_a_folder(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "SLIPWAY_EMBEDDED"}
    environment |= {"SLIPWAY_HOME": str(tmp_path)}

    def manage(command: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "manage.py", command]
        return subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    assert "SLIPWAY_SECRET_KEY" in manage("signing_key").stderr
    assert len(re.findall("^made ", manage("make_keys").stdout, re.MULTILINE)) == 3
    assert manage("make_keys").stdout == ""
    assert "PUBLIC KEY" in manage("signing_key").stdout
    assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("*-key")} == {0o600}


@pytest.mark.django_db
def test_an_invitation_is_mailed_where_there_is_a_server_and_shown_in_any_case(
    team: Account, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = sign_in(Client(), make_member(account=team, role=Role.ADMIN))
    fields = {"account": "team-a", "role": "viewer", "username": "emil", "email": "emil@example.org"}
    assert "Nothing is sent to it" in admin.get("/members").content.decode()
    assert "Hand this link over" in admin.post("/members", fields).content.decode()
    with mail_server() as server:
        address = f"smtp://us%40er:pass@127.0.0.1:{server.port}"
        monkeypatch.setenv("SLIPWAY_SMTP_URL", address)
        names = ("EMAIL_BACKEND", "EMAIL_HOST", "EMAIL_PORT", "EMAIL_HOST_USER", "EMAIL_HOST_PASSWORD")
        shown = show(f"'|'.join(str(getattr(s, n)) for n in {names})", SLIPWAY_SMTP_URL=address)
        for name, value in zip(names, shown.split("|"), strict=True):
            setattr(settings, name, int(value) if name == "EMAIL_PORT" else value)
        settings.SLIPWAY_SMTP_URL = address
        assert "The link is sent to it" in admin.get("/members").content.decode()
        page = admin.post("/members", fields).content.decode()
        assert "It was sent to emil@example.org." in page
        link = re.findall(r"http://[^\s<\"]+/invitations/[\w-]+", page)[0]
        assert [link in mail.replace("=\r\n", "") and "To: emil@example.org" in mail for mail in server.mails] == [True]
        assert base64.b64decode(server.logins[0]) == b"\0us@er\0pass"
        server.refuses = True
        page = admin.post("/members", fields).content.decode()
        assert "could not be sent to emil@example.org" in page and "/invitations/" in page
