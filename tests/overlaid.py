"""What the documentation tells an administrator to do to a machine, done to a layer over this one, in a namespace."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

LAY_OVER = """
set -eu
mount --make-rprivate /
for folder in etc opt var/lib; do
    mkdir -p "$PLACE/upper/$folder" "$PLACE/own/$folder"
    mount -t overlay overlay -o "lowerdir=/$folder,upperdir=$PLACE/upper/$folder,workdir=$PLACE/own/$folder" "/$folder"
done
"""


def do(said: str, place: Path, stand_ins: Mapping[str, str], folder: Path, **variables: str) -> str:
    """Run commands of the documentation from a folder; what they print. What they change is in `upper` of the place.

    `stand_ins` are shell texts in place of programs. Skips where this machine lets nothing be laid over its folders.
    Errors: `AssertionError` where a command fails.
    """
    (place / "bin").mkdir()
    for name, does in stand_ins.items():
        (place / "bin" / name).write_text(f"#!/bin/sh\n{does}\n")
        (place / "bin" / name).chmod(0o755)
    path = f"{place}/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    environment = {"PATH": path, "PLACE": str(place), "LC_ALL": "C", **variables}

    def alone(script: str) -> subprocess.CompletedProcess[str]:
        argv = ["unshare", "--mount", "--net", "sh", "-c", LAY_OVER + script]
        return subprocess.run(argv, env=environment, cwd=folder, capture_output=True, text=True, check=False)

    if alone("").returncode:
        pytest.skip("this machine lets nothing be laid over its folders")
    done = alone(said)
    assert done.returncode == 0, done.stderr
    return done.stdout
