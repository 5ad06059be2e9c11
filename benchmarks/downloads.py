"""What leaves: 10 GB as a file and as an archive, beside the same bytes sent bare by the same kind of server.

bare       the file in pieces as large, sent by an ASGI application that does nothing else, under the same server
digest     that whole files are compared with, of the same bytes in this process: what a download does besides
memory     how much more the web processes hold at most, while it runs, than before
"""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from benchmarks.noted import note
from benchmarks.results import Figure
from benchmarks.session import BASE_URL, make_api_key, seconds_of, set_up_django

SIZE = 10_000_000_000
GOAL_BYTES = 100_000_000
READ = 1 << 20
MODEL = "bench-ten-gigabytes"
LOOK_SECONDS = 0.2
START_SECONDS = 30


def main() -> None:
    """Print each figure beside its floor and its goal."""
    with _made() as file:
        digest = seconds_of(lambda: _digest(file))
        key, name = make_api_key("bench downloads"), f"/v1/accounts/local/models/{MODEL}:download"
        web = _processes(urlsplit(BASE_URL).port or 80)
        _take(BASE_URL, f"{name}?path=config.json", key)  # so that all is loaded that it takes
        print(f"{'10 GB':20}{'took s':>8}{'GB/s':>8}{'bare s':>8}{'ratio':>8}{'memory MB':>11}")
        with _bare_server(file) as bare:
            for what, path in (("a file", f"{name}?path=model.safetensors"), ("the archive", name)):
                floor = seconds_of(lambda: _take(bare, "/", key))
                with _watched(web) as grown:
                    took = seconds_of(lambda path=path: _take(BASE_URL, path, key))  # type: ignore[misc]
                floor = (floor + seconds_of(lambda: _take(bare, "/", key))) / 2
                note(Figure(f"download of 10 GB, {what}", took, floor))
                within = "" if grown() < GOAL_BYTES else f"  above the goal of {GOAL_BYTES / 1e6:.0f}"
                figures = f"{took:8.1f}{SIZE / took / 1e9:8.2f}{floor:8.1f}{took / floor:8.2f}{grown() / 1e6:11.1f}"
                print(f"{what:20}{figures}{within}", flush=True)
        print(f"their digest alone takes {digest:.1f} s")


@contextmanager
def _made() -> Iterator[Path]:
    """A model of the admin's account whose weights are a file of zeros, of which the disk holds nothing."""
    set_up_django()
    from accounts.models import Account  # noqa: PLC0415 -- models can be imported only once Django is set up
    from catalog.models import TrainedModel  # noqa: PLC0415
    from catalog.weights import folder_of  # noqa: PLC0415

    account = Account.objects.get(account_id="local")
    folder = folder_of(account.account_id, MODEL)
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    with (folder / "model.safetensors").open("wb") as file:
        file.truncate(SIZE)
    files = [
        {"path": path, "size_bytes": (folder / path).stat().st_size, "sha256": _digest(folder / path)}
        for path in ("config.json", "model.safetensors")
    ]
    base = "accounts/local/models/tiny-qwen3"
    made = TrainedModel.objects.create(
        account=account,
        model_id=MODEL,
        kind="full",
        state="READY",
        base_model=base,
        root_model=base,
        job_id="bench",
        checkpoint="final",
        provenance={"checkpoint": "of no launch"},
        files=files,
        size_bytes=SIZE,
        search_text="",
        finished_at=account.created_at,
    )
    try:
        yield folder / "model.safetensors"
    finally:
        made.delete()
        shutil.rmtree(folder)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _take(base: str, path: str, key: str) -> None:
    """Read all of it and keep nothing. Errors: `RuntimeError` for any other answer, and where it broke off."""
    parts = urlsplit(base)
    assert parts.hostname
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=120)
    connection.request("GET", path, headers={"X-Api-Key": key})
    answer = connection.getresponse()
    expected, got, piece = int(answer.headers["Content-Length"]), 0, memoryview(bytearray(READ))
    while read := answer.readinto(piece):
        got += read
    connection.close()
    if (answer.status, got) != (http.client.OK, expected):
        raise RuntimeError(f"{path} was answered with {answer.status} and {got:,} of {expected:,} bytes.")


def _processes(port: int) -> list[psutil.Process]:
    """The server at the port and what it started."""
    listening = [each for each in psutil.net_connections("tcp") if each.status == psutil.CONN_LISTEN]
    held = {each.pid for each in listening if getattr(each.laddr, "port", 0) == port}
    found = [psutil.Process(pid) for pid in held if pid]
    return list({process.pid: process for one in found for process in (one, *one.children(recursive=True))}.values())


@contextmanager
def _watched(processes: list[psutil.Process]) -> Iterator[Callable[[], int]]:
    """Looks at the memory for as long as the block lasts; answers by how many bytes it grew at most."""
    before = sum(process.memory_info().rss for process in processes)
    most, over = before, threading.Event()

    def look() -> None:
        nonlocal most
        while not over.wait(LOOK_SECONDS):
            most = max(most, sum(process.memory_info().rss for process in processes))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield lambda: most - before
    finally:
        over.set()
        looking.join()


@contextmanager
def _bare_server(file: Path) -> Iterator[str]:
    """The address of the bare application, which is run as the web processes are."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "granian", "--interface", "asginl", "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(
        [*command, "--workers", "1", "--backpressure", "4096", "benchmarks.bare_file:application"],
        env=os.environ | {"BARE_FILE": str(file)},
        stdout=subprocess.DEVNULL,
    ) as process:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
        process.terminate()
