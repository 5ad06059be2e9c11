"""The browser of the browser tests and the screenshots: Debian's Chromium, or whatever is there."""

from __future__ import annotations

import os
import shutil

from embedded import apt
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
    apt.install(console, ("chromium",), "Installing Chromium with apt-get for the browser tests (once; a minute or so)")
    return find_browser()
