"""Makes an environment from hash-locked requirements: `prepare.py ENV_DIRECTORY [REQUIREMENTS_DIRECTORY]`.

Standard library only: it runs with whatever Python the dashboard has. REQUIREMENTS_DIRECTORY (trainer/requirements by
default) holds base.txt, locked with hashes, and, where torch is wanted, torch.txt, which is installed first and without
a hash so that each machine takes the build that fits it.

A stamp file, written last, says from which requirements the environment was made: with a fitting stamp a second call
does nothing, and without one the directory is made afresh, since virtual environments cannot be moved into place.
Concurrent calls wait for each other. Exit code 1, and one line on stderr, where it cannot be done.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

STAMP = "environment-stamp.json"
REQUIREMENTS = Path(__file__).resolve().parent / "requirements"


class CannotPrepareError(Exception):
    """What went wrong, in one line."""


def prepare(environment: Path, requirements: Path = REQUIREMENTS) -> None:
    """Make `environment` fit `requirements`, or leave it if it does. Prints a line for each stage."""
    environment.parent.mkdir(parents=True, exist_ok=True)
    with Path(f"{environment}.lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_ready(environment, requirements):
            _build(environment, requirements)
        say("Environment ready")


def is_ready(environment: Path, requirements: Path = REQUIREMENTS) -> bool:
    """Was this environment completed, from just these requirements and with this Python?"""
    try:
        stamp = json.loads((environment / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(stamp.get("digest") == digest(requirements)) and (environment / "bin" / "python").exists()


def digest(requirements: Path) -> str:
    """Of everything that the environment depends on."""
    state = hashlib.sha256(f"{sys.version_info[:2]}".encode())
    for name in ("torch.txt", "base.txt"):
        path = requirements / name
        state.update(f"\0{name}\0".encode() + (path.read_bytes() if path.exists() else b""))
    return state.hexdigest()


def _build(environment: Path, requirements: Path) -> None:
    started = time.monotonic()
    say("Creating environment")
    if environment.exists():
        shutil.rmtree(environment)
    pip = create(environment)
    torch, base = requirements / "torch.txt", requirements / "base.txt"
    if torch.exists():
        version = re.search(r"^torch==(\S+)", torch.read_text(encoding="utf-8"), re.MULTILINE)
        say(f"Installing torch {version[1] if version else ''} (about 200 MB, several GB where it brings CUDA)")
        _run(
            [*pip, "install", "--quiet", "--disable-pip-version-check", "-r", str(torch)],
            "torch could not be installed",
        )
    count = len(re.findall(r"^[A-Za-z0-9]", base.read_text(encoding="utf-8"), re.MULTILINE))
    say(f"Installing {count} packages")
    _install_locked(environment, pip, base)
    stamp = {"digest": digest(requirements), "seconds": round(time.monotonic() - started, 1)}
    part = environment / f"{STAMP}.part"
    part.write_text(json.dumps(stamp), encoding="utf-8")
    part.replace(environment / STAMP)


def create(environment: Path) -> list[str]:
    """Make the empty environment and return the pip command that installs into it."""
    python = str(environment / "bin" / "python")
    if _call([sys.executable, "-c", "import ensurepip, venv"]).returncode == 0:
        _run([sys.executable, "-m", "venv", str(environment)], "The environment could not be created")
        return [python, "-m", "pip"]
    # A bare Debian has no ensurepip: then the pip of another Python installs into the environment from outside.
    _run([sys.executable, "-m", "venv", "--without-pip", str(environment)], "The environment could not be created")
    for candidate in (sys.executable, "python3", "/usr/bin/python3"):
        if shutil.which(candidate) and _call([candidate, "-m", "pip", "--version"]).returncode == 0:
            return [candidate, "-m", "pip", "--python", python]
    raise CannotPrepareError("There is no pip. Install it (on Debian: apt-get install python3-venv) and try again.")


def _install_locked(environment: Path, pip: list[str], base: Path) -> None:
    options = ["install", "--quiet", "--no-deps", "--require-hashes", "-r", str(base)]
    uv = shutil.which("uv")
    if uv is not None:
        faster = [uv, "pip", *options, "--python", str(environment / "bin" / "python"), "--compile-bytecode"]
        if _call(faster).returncode == 0:
            return
        say("uv could not install them, trying pip")
    _run([*pip, *options, "--disable-pip-version-check"], "The packages could not be installed")


def install(pip: list[str], environment: Path, what: list[str], complaint: str) -> None:
    """Install what is no locked list into the environment, by uv where there is one. Errors: `CannotPrepareError`."""
    uv = shutil.which("uv")
    if uv is not None:
        python = str(environment / "bin" / "python")
        if _call([uv, "pip", "install", "--quiet", *what, "--python", python]).returncode == 0:
            return
        say("uv could not install them, trying pip")
    _run([*pip, "install", "--quiet", "--disable-pip-version-check", *what], complaint)


def _call(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command without the caller's PYTHONPATH: pip would take what lies there for installed already."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def _run(command: list[str], complaint: str) -> None:
    done = _call(command)
    if done.returncode:
        lines = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        errors = [line for line in lines if line.lower().startswith("error")] or lines[-1:] or ["no output"]
        raise CannotPrepareError(f"{complaint}: {errors[0][:400]}")


def say(line: str) -> None:
    print(line, flush=True)


def main(arguments: list[str]) -> int:
    if len(arguments) not in (1, 2):
        print("Usage: prepare.py ENV_DIRECTORY [REQUIREMENTS_DIRECTORY]", file=sys.stderr)
        return 1
    try:
        prepare(*(Path(argument).resolve() for argument in arguments))
    except (CannotPrepareError, OSError) as error:
        print(f"{error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
