"""Debian's packages that tests need, installed where we may."""

from __future__ import annotations

import os
import shutil
import subprocess

from embedded.console import Console


def install(console: Console, packages: tuple[str, ...], why: str) -> bool:
    """Whether apt-get installed them: only root can, and only where there is one. `why` is a line for people."""
    apt = shutil.which("apt-get")
    if os.geteuid() != 0 or not apt:
        return False
    console.say(why)
    environ = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *packages]):
        result = subprocess.run([apt, *arguments], check=False, env=environ, text=True, capture_output=True)
        if result.returncode:
            reason = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
            console.say(f"  apt-get {arguments[0]} failed: {reason}")
            return False
    return True
