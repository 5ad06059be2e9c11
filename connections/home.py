"""Where this Slipway lives: what tells a copy on another machine, or in another folder, from the original."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

_MACHINE_ID = Path("/etc/machine-id")
"""Containers made from one image have none or the same one, and so are told apart by their folder alone."""


def this_home() -> str:
    """The machine's own id, where it has one, and the folder of the state."""
    machine = _MACHINE_ID.read_text().strip() if _MACHINE_ID.is_file() else ""
    return f"{machine}:{settings.SLIPWAY_HOME.resolve()}"
