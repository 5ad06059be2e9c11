"""Downloads through a real server: no connection to the database is held, and what is not whole does not look so."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest
from django.conf import settings
from django.utils import timezone

from accounts.roles import Role
from accounts.scopes import Scope
from catalog.usage import loading_code
from connections.opened import forget_opened
from connections.providers.checkpoints import CheckpointKind
from connections.providers.states import AttemptState
from launches.models import Checkpoint, Launch
from launches.pages.download_code import download_code
from tests.api.makers import make_key
from tests.launches.gateway_parts import front_door
from tests.launches.makers import bring_to, make_launch, make_tiny_version
from tests.makers import make_account, make_member
from tests.sdk.environments import ROOT, ensure_environment
from tests.waiting import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.e2e]  # a web server of its own
SIZE = 300_000_000
MOST_GROWTH = 60_000_000
STALLED = 15
"""More than the connections to the database that a process has."""


def test_a_download_holds_neither_memory_nor_the_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPWAY_HOME", str(tmp_path))
    monkeypatch.setenv("SLIPWAY_DEBUG", "true")  # no static files are collected there
    monkeypatch.setattr(settings, "SLIPWAY_HOME", tmp_path)
    forget_opened()
    address, key = _save(tmp_path)
    headers = {"X-Api-Key": key}
    with front_door(log=tmp_path / "log") as port, httpx.Client(base_url=f"http://127.0.0.1:{port}") as program:
        small = program.get(address, params={"path": "small"}, headers=headers)
        assert (small.status_code, small.content) == (200, b"small")
        assert "x-request-id" in small.headers
        server = _server_at(port)
        before = server.memory_info().rss
        with contextlib.ExitStack() as stalled:
            for _ in range(STALLED):
                wire = stalled.enter_context(socket.create_connection(("127.0.0.1", port)))
                request = f"GET {address}?path=large HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Api-Key: {key}\r\n\r\n"
                wire.sendall(request.encode())
                assert wire.recv(12) == b"HTTP/1.1 200"
            assert program.get("/v1/accounts", headers=headers).status_code == 200
        with program.stream("GET", address, params={"path": "large"}, headers=headers) as answer:
            assert sum(map(len, answer.iter_bytes())) == SIZE
        assert server.memory_info().rss - before < MOST_GROWTH
        wait_for(lambda: not [each for each in server.open_files() if each.path.endswith("large")])

        with program.stream("GET", address, params={"path": "altered"}, headers=headers) as answer:
            assert answer.status_code == 200
            with pytest.raises(httpx.RemoteProtocolError):
                answer.read()
        monkeypatch.setattr(settings, "SLIPWAY_URL", f"http://127.0.0.1:{port}")
        _run_each_line(tmp_path, address.removeprefix("/v1/").removesuffix("final:download") + "tiny", key)
    assert "download.broke_off" in (tmp_path / "log").read_text()


def _run_each_line(home: Path, name: str, key: str) -> None:
    """Each as the page shows it leaves the same folder, and what stands under Load it opens that."""
    there = home / "models" / "tiny-qwen3-v1"
    for line in download_code(name, folder="tiny", kind="SAMPLER"):
        desk = home / line.id
        desk.mkdir()
        match line.text.partition(" ")[0]:
            case "curl":
                command = ["sh", "-e", "-c", line.text]
            case "import":
                command = [sys.executable, "-c", line.text]
            case _:  # ./run, whose environment is this one
                command = [sys.executable, str(ROOT / "manage.py"), *shlex.split(line.text)[2:]]
        _run(command, desk, FIREWORKS_API_KEY=key)
        left = {path.name: path.read_bytes() for path in (desk / "tiny").iterdir()}
        assert left == {path.name: path.read_bytes() for path in there.iterdir()}, line.title
    opening = loading_code("tiny", base_model="", adapter=False)
    python = str(ensure_environment("trainer"))
    _run([python, "-c", f"{opening}\nassert tokenizer('a ship')['input_ids']"], desk)


def _run(command: list[str], folder: Path, **more: str) -> None:
    database = settings.DATABASES["default"]
    url = f"postgres://{database['USER']}:{database['PASSWORD']}@{database['HOST']}:{database['PORT']}"
    known = {"DATABASE_URL": f"{url}/{database['NAME']}", "SLIPWAY_SECRET_KEY": settings.SECRET_KEY}
    done = subprocess.run(
        command, cwd=folder, env=os.environ | known | more, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _save_tiny(home: Path, launch: Launch) -> None:
    """The demo model, as if the launch had saved it for sampling as `tiny`."""
    program = "import sys; from pathlib import Path; from trainer.tiny_model import ensure_tiny_model as ensure; "
    program += "ensure(Path(sys.argv[1]), 'tiny-qwen3')"
    _run([str(ensure_environment("trainer")), "-c", program, str(home / "models")], ROOT)
    made = home / "models" / "tiny-qwen3-v1"
    folder = home / "local" / "jobs" / "local" / launch.job_id / "sampler" / "tiny"
    shutil.copytree(made, folder)
    files = [
        {"path": path.name, "size_bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        for path in sorted(made.iterdir())
    ]
    Checkpoint.objects.create(
        launch=launch,
        kind=CheckpointKind.SAMPLER,
        name="tiny",
        step=1,
        size_bytes=sum(path.stat().st_size for path in made.iterdir()),
        saved_at=timezone.now(),
        files=files,
    )


def _save(home: Path) -> tuple[str, str]:
    """The address of a checkpoint with a large, a small and an altered file, and a key that may download it."""
    account = make_account(account_id="local")
    owner = make_member(account=account, role=Role.LAUNCHER)
    launch = make_launch(owner=owner, account=account, version=make_tiny_version())
    bring_to(launch, AttemptState.COMPLETED)
    folder = home / "local" / "jobs" / "local" / launch.job_id / "sampler" / "final"
    folder.mkdir(parents=True)
    (folder / "small").write_bytes(b"small")
    (folder / "altered").write_bytes(b"x" * 1_000_000)
    with (folder / "large").open("wb") as file:
        file.truncate(SIZE)
    with (folder / "large").open("rb") as file:
        large = hashlib.file_digest(file, "sha256").hexdigest()
    files = [
        {"path": "altered", "size_bytes": 1_000_000, "sha256": "0" * 64},
        {"path": "large", "size_bytes": SIZE, "sha256": large},
        {"path": "small", "size_bytes": 5, "sha256": hashlib.sha256(b"small").hexdigest()},
    ]
    Checkpoint.objects.create(
        launch=launch,
        kind=CheckpointKind.SAMPLER,
        name="final",
        step=1,
        size_bytes=SIZE,
        saved_at=timezone.now(),
        files=files,
    )
    _save_tiny(home, launch)
    address = f"/v1/{launch.name}/checkpoints/final:download"
    return address, make_key(account=account, user=owner, scope=Scope.LAUNCH)


def _server_at(port: int) -> psutil.Process:
    """The process that serves it: the child of the one that was started."""
    own = psutil.Process().children(recursive=True)
    listening = [each for each in own if any(place.laddr.port == port for place in each.net_connections())]
    return max(listening, key=lambda each: each.memory_info().rss)
