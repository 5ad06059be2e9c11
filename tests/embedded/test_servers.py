"""The embedded Postgres and broker: real servers, real kills."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from embedded.addresses import free_port
from embedded.broker import Broker, find_server
from embedded.console import Console, Trouble
from embedded.home import ROOT, Home
from embedded.postgres import Postgres, find_binaries
from embedded.processes import kill, working_in
from embedded.servers import Servers, start_servers
from tests.waiting import wait_for

pytestmark = pytest.mark.e2e


@contextmanager
def started(home: Home) -> Iterator[Servers]:
    servers = start_servers(home, Console(silent=True), given=False)
    try:
        yield servers
    finally:
        servers.stop(time.monotonic() + 5)


def query(servers: Servers, statement: str) -> object:
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchone()[0] if cursor.description else None  # type: ignore[index]


def test_they_keep_what_was_committed_over_a_stop_and_over_a_kill(home: Home) -> None:
    with started(home) as servers:
        query(servers, "CREATE TABLE kept AS SELECT 1 AS row")
        redis.Redis.from_url(servers.redis_url).set("kept", "yes")
        assert query(servers, "SELECT version()") is not None
    with started(home) as servers:
        assert query(servers, "SELECT row FROM kept") == 1
        assert redis.Redis.from_url(servers.redis_url).get("kept") is None, "the broker keeps nothing on the disk"
        query(servers, "INSERT INTO kept VALUES (2)")
        # The postmaster alone: its children linger for a moment, in which a restart may be refused.
        servers.processes[0][1].kill()
        servers.processes[1][1].kill()
        servers.processes[0][1].wait()
        with started(home) as again:
            assert query(again, "SELECT sum(row) FROM kept") == 3


def test_they_are_not_root_and_ask_for_a_password(home: Home) -> None:
    with started(home) as servers:
        for _, process in servers.processes:
            uid = Path(f"/proc/{process.pid}/status").read_text().split("Uid:")[1].split()[0]
            capabilities = Path(f"/proc/{process.pid}/status").read_text().split("CapEff:")[1].split()[0]
            assert int(capabilities, 16) == 0
            if os.geteuid() == 0 and home.path.parent.stat().st_mode & 0o001:
                assert int(uid) == 65534
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(servers.database_url.replace("slipway:", "slipway:x"))
        with pytest.raises(redis.AuthenticationError):
            redis.Redis.from_url(servers.redis_url.replace("redis://:", "redis://:x")).ping()


def test_they_die_with_whoever_started_them(home: Home) -> None:
    program = (
        "import sys, time; from pathlib import Path; from embedded.home import Home;"
        "from embedded.console import Console; from embedded.servers import start_servers;"
        "start_servers(Home(Path(sys.argv[1])), Console(silent=True), given=False); print('up', flush=True);"
        "time.sleep(600)"
    )
    owner = subprocess.Popen([sys.executable, "-c", program, str(home.path)], cwd=ROOT, stdout=subprocess.PIPE)
    assert owner.stdout
    assert owner.stdout.readline() == b"up\n"
    children = psutil.Process(owner.pid).children(recursive=True)
    assert len(children) > 2
    owner.kill()
    owner.wait()
    gone, alive = psutil.wait_procs(children, timeout=60)
    assert not alive
    assert gone


def test_a_half_made_data_folder_is_not_taken_for_one(home: Home) -> None:
    half = home.postgres / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with started(home) as servers:
        assert query(servers, "SELECT 1") == 1
    assert not half.exists()


def test_data_of_another_major_version_is_refused_in_words(home: Home) -> None:
    with started(home):
        pass
    (home.postgres / "data/PG_VERSION").write_text("12\n")
    with pytest.raises(Trouble, match=r"made by Postgres 12 .* pg_dump 12"), started(home):
        pass
    assert not working_in(home.postgres / "data")


def test_a_data_folder_changes_hands_when_the_state_folder_moves(home: Home) -> None:
    with started(home) as servers:
        query(servers, "CREATE TABLE kept AS SELECT 1 AS row")
    parent = home.path.parent
    parent.chmod(0o700 if parent.stat().st_mode & 0o001 else 0o711)
    with started(home) as servers:
        assert query(servers, "SELECT row FROM kept") == 1


def test_the_broker_leaves_nothing_on_the_disk_and_removes_what_was_left_there(home: Home) -> None:
    left = home.broker / "appendonlydir/appendonly.aof.1.incr.aof"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"of an earlier release")
    with started(home) as servers:
        redis.Redis.from_url(servers.redis_url).set("kept", "x" * 1000)
        assert not home.broker.exists()
    assert not home.broker.exists()


def test_a_server_that_cannot_start_says_why(home: Home) -> None:
    binaries, program = find_binaries(), find_server()
    assert binaries
    assert program
    with started(home) as servers:
        port = int(servers.database_url.rsplit(":", 1)[1].split("/")[0])
        other = Home(home.path.with_name("other"))
        other.prepare()
        account = servers.processes[0][0]._account
        postgres = Postgres(other.postgres, binaries=binaries, port=port, log=other.log("postgres"), account=account)
        postgres.prepare()
        with pytest.raises(Trouble, match=r"Postgres did not start: could not bind .*Address already in use"):
            postgres.start()
        broker = Broker(other.broker, program=program, port=port, log=other.log("broker"), account=account)
        broker.prepare()
        with pytest.raises(Trouble, match="broker did not start"):
            broker.start()


def test_a_stop_past_its_deadline_still_ends_everything(home: Home) -> None:
    with started(home) as servers:
        processes = [psutil.Process(process.pid) for _, process in servers.processes]
        query(servers, "SELECT 1")
        os.kill(servers.processes[1][1].pid, signal.SIGSTOP)
        servers.stop(deadline=time.monotonic())
        wait_for(lambda: not any(process.is_running() for process in processes))
        assert not working_in(home.postgres / "data")
        kill([])


def test_free_ports_are_outside_of_the_range_of_outgoing_connections() -> None:
    low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    assert not low <= free_port() <= high
