"""Makes the Python environments of ./run from the hash-locked requirement files.

    environment.py PURPOSE COMMAND...   make the environment, then become `python -m embedded COMMAND`
    environment.py PURPOSE              make it, and print the path of its Python
    environment.py lock                 compile the lock files

Runs before anything is installed, as a script, so it uses the standard library alone. What is meant for people goes to
standard error, because standard output belongs to the command.
"""

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements"
LOCKS = {"app": ("base", "embedded"), "test": ("base", "embedded", "test")}
STAMP = ".complete"
NEEDED_BYTES = {"app": 400_000_000, "test": 1_200_000_000}
# Settings of a person's pip that would install somewhere else than into the environment.
STRAY_PIP_SETTINGS = ("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_REQUIRE_VIRTUALENV")


class Unprepared(Exception):
    """Something the reader can put right; its text is one clear line."""


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def home() -> Path:
    """The state folder."""
    return Path(os.environ.get("SLIPWAY_HOME") or ROOT / "var").absolute()


def folder() -> Path:
    """Where environments live: SLIPWAY_ENV_DIR, else env/ in the state folder."""
    return Path(os.environ.get("SLIPWAY_ENV_DIR") or home() / "env").absolute()


def digest(names: tuple[str, ...]) -> str:
    """A short digest of what decides an environment's content: the lock files and the Python that runs it."""
    sha = hashlib.sha256(f"{sys.implementation.cache_tag} {sys.base_prefix}".encode())
    for name in names:
        sha.update((REQUIREMENTS / f"{name}.txt").read_bytes())
    return sha.hexdigest()[:12]


def place(purpose: str) -> Path:
    """The environment's folder. A test environment carries the digest of the app environment that it contains."""
    app = f"app-{digest(LOCKS['app'])}"
    return folder() / (app if purpose == "app" else f"{app}-test-{digest(LOCKS['test'])}")


def complete(environment: Path) -> bool:
    return (environment / STAMP).exists() and (environment / "bin/python").exists()


def find(purpose: str) -> Path | None:
    """A complete environment for the purpose; the app runs in a test environment made from the same locks, too."""
    exact = place(purpose)
    if complete(exact):
        return exact
    supersets = sorted(folder().glob(f"{exact.name}-test-*")) if purpose == "app" else []
    return next((candidate for candidate in supersets if complete(candidate)), None)


def run(argv: list[str], what: str) -> None:
    """Run an installer quietly; on failure raise Unprepared with its own last words.

    Raises:
        Unprepared: the command could not be started or failed.
    """
    environ = {name: value for name, value in os.environ.items() if name not in STRAY_PIP_SETTINGS}
    environ["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    result = subprocess.run(argv, check=False, env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if result.returncode:
        lines = [line.strip() for line in result.stdout.splitlines() if line.strip()]
        errors = [line for line in lines if "error" in line.lower()]
        last = (errors or lines or [f"exit code {result.returncode}"])[-1]
        raise Unprepared(f"{what} failed: {last}")


def has_module(name: str) -> bool:
    return subprocess.run([sys.executable, "-c", f"import {name}"], check=False, capture_output=True).returncode == 0


def create(environment: Path) -> list[str]:
    """Make an empty environment; returns the start of the command line that installs into it.

    Raises:
        Unprepared: there is neither uv, nor venv with ensurepip, nor a pip on this machine.
    """
    python = str(environment / "bin/python")
    if uv := shutil.which("uv"):
        run([uv, "venv", "--quiet", "--python", sys.executable, str(environment)], "Making the environment with uv")
        return [uv, "pip", "install", "--quiet", "--python", python]
    if has_module("venv") and has_module("ensurepip"):
        run([sys.executable, "-m", "venv", str(environment)], "Making the environment with venv")
        return [python, "-m", "pip", "install", "--quiet"]
    if not has_module("pip"):
        install_venv_by_apt()
        return create(environment)
    run([sys.executable, "-m", "venv", "--without-pip", str(environment)], "Making the environment with venv")
    return [sys.executable, "-m", "pip", "--python", python, "install", "--quiet"]


def install_venv_by_apt() -> None:
    """Raises Unprepared where apt or the right to use it is missing, or where the package did not bring ensurepip."""
    apt = shutil.which("apt-get")
    if os.geteuid() != 0 or not apt:
        raise Unprepared(
            "This Python has no pip: install python3-venv (apt-get install python3-venv) or put uv on PATH, "
            "then run this again."
        )
    say("  installing python3-venv with apt-get, because this Python has no pip")
    run([apt, "update", "-qq"], "apt-get update")
    run([apt, "install", "-y", "-qq", "--no-install-recommends", "python3-venv"], "apt-get install python3-venv")
    if not has_module("ensurepip"):
        raise Unprepared(f"{sys.executable} still has no pip after installing python3-venv: put uv on PATH.")


def servers_on_path() -> bool:
    brokers = ("valkey-server", "redis-server")
    return bool(shutil.which("postgres")) and any(shutil.which(name) for name in brokers)


def install(installer: list[str], names: tuple[str, ...]) -> None:
    files = [argument for name in names for argument in ("-r", str(REQUIREMENTS / f"{name}.txt"))]
    run([*installer, "--require-hashes", *files], "Installing the requirements")


def make(purpose: str) -> Path:
    """Make the environment anew; the stamp comes last, so that a half-made one is never used.

    Raises:
        Unprepared: the disk is full, the installer failed, or there is no installer.
    """
    environment = place(purpose)
    if environment.exists():
        say("  a half-made environment is removed first")
        shutil.rmtree(environment)
    free = shutil.disk_usage(environment.parent).free
    if free < NEEDED_BYTES[purpose]:
        need = NEEDED_BYTES[purpose] // 1_000_000
        raise Unprepared(f"{environment.parent} has {free // 1_000_000} MB free; the environment needs {need} MB.")
    say(f"Making the Python environment in {environment} (once; half a minute or so)")
    started = time.monotonic()
    installer = create(environment)
    try:
        install(installer, LOCKS[purpose])
    except Unprepared:
        if purpose != "app" or not servers_on_path():
            raise
        say("  no embedded servers for this machine; using postgres and the broker on PATH")
        install(installer, ("base",))
    (environment / STAMP).touch()
    say(f"  made in {time.monotonic() - started:.0f} s")
    return environment


def remove_outdated(current: Path) -> None:
    """Remove environments of other lock files, unless somebody may be running in one."""
    if os.environ.get("SLIPWAY_ENV_DIR"):
        return
    with (home() / "run.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        for other in current.parent.glob("app-*"):
            if not other.name.startswith(place("app").name):
                shutil.rmtree(other, ignore_errors=True)


def ensure(purpose: str) -> Path:
    """The path of the Python of a complete environment, made if need be; one process at a time makes it."""
    found = find(purpose)
    if found is None:
        # Others may pass through the state folder (the account of the embedded servers must) but not list it.
        home().mkdir(parents=True, exist_ok=True, mode=0o711)
        folder().mkdir(parents=True, exist_ok=True)
        with (folder() / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            found = find(purpose) or make(purpose)
            remove_outdated(found)
    return found / "bin/python"


def compile_locks() -> None:
    """Compile every requirements/*.in, base first because the others are constrained by it.

    Raises:
        Unprepared: uv is missing or failed.
    """
    uv = shutil.which("uv")
    if not uv:
        raise Unprepared("./run lock needs uv on PATH (pip install uv).")
    options = ["--universal", "--python-version", "3.11", "--generate-hashes", "--no-header", "--no-annotate"]
    os.chdir(REQUIREMENTS)
    for name in LOCKS["test"]:
        say(f"requirements/{name}.txt")
        run([uv, "pip", "compile", "--quiet", *options, f"{name}.in", "-o", f"{name}.txt"], f"Compiling {name}.in")


def become(python: Path, command: list[str]) -> None:
    """Become the command. Any working directory will do, so that its relative paths are the caller's."""
    os.environ["PYTHONPATH"] = str(ROOT)
    if command[0] == "start":  # by which all that it forks is found
        os.environ["SLIPWAY_SUPERVISED_BY"] = str(home())
    os.execv(python, [str(python), "-P", "-m", "embedded", *command])  # noqa: S606


def stop(number: int, _frame: object) -> None:
    sys.exit(128 + number)


def main(purpose: str, command: list[str]) -> int:
    # An installer at work is ended with us, and its half-made environment is removed by the next start.
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGHUP, stop)
    try:
        if purpose == "lock":
            compile_locks()
            return 0
        python = ensure(purpose)
        if command:
            become(python, command)
        print(python)
    except Unprepared as trouble:
        say(f"slipway: {trouble}")
        return 1
    except OSError as error:
        say(f"slipway: {error.strerror}: {error.filename or folder()}")
        return 1
    except KeyboardInterrupt:
        say("slipway: interrupted; the next start makes the environment anew")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
