"""The browser of the browser tests and the screenshots: Debian's Chromium, or whatever is there."""

from __future__ import annotations

import os
import shutil
import subprocess

from embedded.console import Console

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


def find_browser() -> str | None:
    """Path of a Chromium: SLIPWAY_CHROMIUM, else one on PATH."""
    if given := os.environ.get("SLIPWAY_CHROMIUM"):
        return shutil.which(given)
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def find_or_install_browser(console: Console) -> str | None:
    """The browser's path, installed by apt where we may; None where there is none and it cannot be installed."""
    if found := find_browser():
        return found
    apt = shutil.which("apt-get")
    if os.geteuid() != 0 or not apt:
        return None
    console.say("Installing Chromium with apt-get for the browser tests (once; a minute or so)")
    environ = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "chromium"]):
        result = subprocess.run([apt, *arguments], check=False, env=environ, text=True, capture_output=True)
        if result.returncode:
            reason = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
            console.say(f"  apt-get {arguments[0]} failed: {reason}")
            return None
    return find_browser()
