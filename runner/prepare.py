"""Makes the environment of a checkout's recipes: `python -m runner.prepare ENVIRONMENT CHECKOUT COMMIT SDK`.

ENVIRONMENT gets a copy of the checkout's folder `training` as it is in COMMIT, a virtual environment with the official
SDK in version SDK, and what `training/pyproject.toml` asks for, with tinker in the version that `training/uv.lock`
names where there is one. The checkout itself is only read. Standard library only, but for what makes the trainer's
environment.

A stamp, written last, says that all is there: with it a second call does nothing. Concurrent calls wait for each other,
by ENVIRONMENT.lock; ENVIRONMENT.state says which stage it is in, or why it could not be made. Exit code 1, and one line
on stderr, where it cannot be done.
"""

from __future__ import annotations

import fcntl
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from trainer.prepare import CannotPrepareError, create, install, say

STAMP = "complete"
CODE, VENV, FOLDER = "checkout", "venv", "training"
SDK = "fireworks-ai"
PLAIN = ("100644 ", "100755 ")
"""How git lists plain files; links and other repositories are left out."""
HELD = frozenset({"tinker"})
"""Of the lock: what speaks the wire. The rest of it goes with another SDK than the one that was named."""


def prepare(environment: Path, checkout: Path, commit: str, sdk: str) -> None:
    """Make it, or leave it where it is complete. Prints a line for each stage. Errors: `CannotPrepareError`."""
    environment.parent.mkdir(parents=True, exist_ok=True)
    with Path(f"{environment}.lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (environment / STAMP).exists():
            shutil.rmtree(environment, ignore_errors=True)
            try:
                _build(environment, checkout, commit, sdk)
            except (CannotPrepareError, OSError) as error:
                note(environment, str(error), failed=True)
                raise
        say("Environment ready")


def note(environment: Path, line: str, *, failed: bool = False) -> None:
    """Leave what it does, or why it could not, for whoever asks how the environment stands."""
    part = Path(f"{environment}.part")
    with suppress(OSError):  # a full disk: it goes on or ends, noted or not
        part.write_text(json.dumps({"line": line, "failed": failed}), encoding="utf-8")
        part.replace(f"{environment}.state")


def _stage(environment: Path, line: str) -> None:
    say(line)
    note(environment, line)


def _build(environment: Path, checkout: Path, commit: str, sdk: str) -> None:
    _stage(environment, f"Copying commit {commit[:12]} of the checkout")
    code = environment / CODE
    code.mkdir(parents=True)
    _export(checkout, commit, code)
    wanted = list(_requirements(code / FOLDER, sdk))
    _stage(environment, "Creating environment")
    pip = create(environment / VENV)
    (environment / "requirements.txt").write_text("\n".join(wanted), encoding="utf-8")
    (environment / "constraints.txt").write_text("\n".join(_locked(code / FOLDER)), encoding="utf-8")
    if wanted:
        _stage(environment, f"Installing {', '.join(wanted)} (some GB, minutes)")
        files = ["-r", str(environment / "requirements.txt"), "-c", str(environment / "constraints.txt")]
        install(pip, environment / VENV, files, "The packages could not be installed")
    (environment / STAMP).touch()


def _export(checkout: Path, commit: str, target: Path) -> None:
    """The plain files of that commit's folder; whatever else lies in the checkout has no part, its filters neither."""
    listed = _git(checkout, commit, "ls-tree", "-r", "-z", commit, f"{FOLDER}/")
    found = [line.split("\t", 1) for line in listed.decode("utf-8", "surrogateescape").split("\0") if line]
    plain = [(Path(name), told.split()[2]) for told, name in found if told.startswith(PLAIN) and _is_below(Path(name))]
    asked = "".join(f"{blob}\n" for _, blob in plain).encode()
    answer = io.BytesIO(_git(checkout, commit, "cat-file", "--batch", given=asked))
    for path, blob in plain:
        said = answer.readline().split()
        if len(said) != 3:
            raise CannotPrepareError(f"git cannot read commit {commit[:12]} of {checkout}: it lacks {path} ({blob}).")
        content = answer.read(int(said[2]))
        answer.readline()
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_bytes(content)


def _git(checkout: Path, commit: str, *arguments: str, given: bytes = b"") -> bytes:
    """What it says. Of a folder of another owner it reads nothing. Errors: `CannotPrepareError`."""
    command = ["git", "-C", str(checkout), *arguments]
    nothing_fetched = {**os.environ, "GIT_NO_LAZY_FETCH": "1"}
    done = subprocess.run(command, input=given, capture_output=True, check=False, env=nothing_fetched)
    if done.returncode:
        words = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no output"]
        said = next((line for line in words if line.startswith("fatal:")), words[-1])
        raise CannotPrepareError(f"git cannot read commit {commit[:12]} of {checkout}: {said[:300]}")
    return done.stdout


def _is_below(path: Path) -> bool:
    return not path.is_absolute() and ".." not in path.parts


def _requirements(folder: Path, sdk: str) -> Iterator[str]:
    """What the project asks for, the SDK in the version that was named where it asks for it."""
    try:
        told = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
        asked = [str(each) for each in told["project"].get("dependencies", ())]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CannotPrepareError(f"{FOLDER}/pyproject.toml of the checkout cannot be read: {error!r}") from None
    for requirement in asked:
        found = re.match(rf"{SDK}(\[[^\]]*\])?", requirement)
        yield f"{SDK}{found[1] or ''}=={sdk}" if found else requirement


def _locked(folder: Path) -> Iterator[str]:
    """The versions of what is held, where the lock names one alone."""
    try:
        packages = tomllib.loads((folder / "uv.lock").read_text(encoding="utf-8")).get("package", ())
    except (OSError, ValueError):
        return
    versions: dict[str, set[str]] = {}
    for package in packages:
        if "registry" in package.get("source", {}) and "version" in package:
            versions.setdefault(package["name"], set()).add(package["version"])
    for name, found in sorted(versions.items()):
        if len(found) == 1 and name in HELD:
            yield f"{name}=={found.pop()}"


def main(arguments: list[str]) -> int:
    if len(arguments) != 4:
        print("Usage: python -m runner.prepare ENVIRONMENT CHECKOUT COMMIT SDK", file=sys.stderr)
        return 1
    environment, checkout, commit, sdk = arguments
    try:
        prepare(Path(environment).resolve(), Path(checkout), commit, sdk)
    except (CannotPrepareError, OSError) as error:
        print(f"{error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
