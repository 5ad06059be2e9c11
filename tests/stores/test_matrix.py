"""Each supported Postgres with each supported broker: the tables, and the tests of what people and the SDK do on them.

The newest of both have all tests: they are what `./run test` starts. The other releases are installed once and kept.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from embedded.addresses import free_port
from embedded.broker import Broker, find_server
from embedded.checks import find_node
from embedded.postgres import Postgres
from embedded.privileges import account_for
from embedded.redis import find_redis
from tests.sdk.environments import KEPT, ROOT

HERE = Path(__file__).parent
FRONT_DOORS = (
    "api/test_jobs.py",
    "api/test_lists.py",
    "catalog/test_browse.py",
    "catalog/test_frozen.py",
    "catalog/test_load_catalog.py",
    "catalog/test_publish_at_once.py",
    "catalog/test_search.py",
    "launches/test_list.py",
    "launches/test_retention.py",
    "launches/test_streams.py",
    "test_key_limit.py",
    "test_tidying.py",
)
"""Lists, search and paging; triggers and constraints; locks; jobs; live pages; limits by key; and deleting."""
NOT_OURS = ("PYTEST_", "SLIPWAY_TEST_")
pytestmark = [
    pytest.mark.e2e,  # servers of their own, and all migrations
    pytest.mark.skipif(platform.machine() != "x86_64", reason="npm has older Postgres releases for x86_64 alone"),
]


@pytest.fixture(scope="module")
def releases() -> Path:
    """The folder of the older Postgres releases, by npm, whose lock knows their digests."""
    folder = KEPT / "stores"
    lock = (HERE / "package-lock.json").read_bytes()
    stamp = folder / ".installed-from"
    if not stamp.exists() or stamp.read_bytes() != lock:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, folder)
        path, npm = find_node()
        argv = [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        done = subprocess.run(
            argv, cwd=folder, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        for package in (folder / "node_modules").iterdir():
            _link_libraries(package)
        stamp.write_bytes(lock)
    return folder / "node_modules"


def _link_libraries(package: Path) -> None:
    """npm's archives hold no symbolic links; a list beside says which there were."""
    listed = package / "native" / "pg-symlinks.json"
    for link in json.loads(listed.read_text()) if listed.exists() else ():
        (package / link["target"]).symlink_to((package / link["source"]).name)


@contextmanager
def _servers(tmp_path: Path, binaries: Path, broker_program: Path) -> Iterator[tuple[str, str]]:
    """The addresses of a Postgres and a broker, which are gone afterwards."""
    account = account_for(tmp_path, binaries / "postgres")
    (tmp_path / "postgres").mkdir()
    postgres = Postgres(
        tmp_path / "postgres",
        binaries=binaries,
        port=free_port(),
        log=tmp_path / "postgres-log",
        account=account,
        durable=False,
    )
    broker = Broker(
        tmp_path / "broker", program=broker_program, port=free_port(), log=tmp_path / "broker-log", account=None
    )
    postgres.prepare()
    broker.prepare()
    database = postgres.start()
    try:
        queue = broker.start()
        try:
            yield postgres.url, broker.url
        finally:
            broker.stop(queue, time.monotonic() + 10)
    finally:
        postgres.stop(database, time.monotonic() + 10)


@pytest.mark.parametrize(
    ("release", "broker"), [("15", "Redis 7"), ("16", "Valkey 9"), ("17", "Redis 7")], ids=lambda name: name
)
def test_what_people_do_works_on(release: str, broker: str, releases: Path, tmp_path: Path) -> None:
    program = find_redis() if broker == "Redis 7" else find_server()
    if program is None:
        pytest.skip(f"there is no {broker}; install redis-server")
    tmp_path.chmod(0o755)  # Postgres runs as another user than root
    binaries = releases / f"postgres-{release}" / "native" / "bin"
    with _servers(tmp_path, binaries, program) as (database, queue):
        own = {name: value for name, value in os.environ.items() if not name.startswith(NOT_OURS)}
        own |= {"DATABASE_URL": database, "REDIS_URL": queue, "SLIPWAY_HOME": str(tmp_path / "home")}
        options = ["-q", "-p", "no:xdist", "-p", "no:cacheprovider", "-p", "no:schemathesis", "-m", "not e2e"]
        argv = [sys.executable, "-m", "pytest", *options, f"--basetemp={tmp_path / 'tests'}"]
        argv += [f"tests/{name}" for name in FRONT_DOORS]
        done = subprocess.run(argv, cwd=ROOT, env=own, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
