"""Whether the disk has space for what a launch writes. Below the least of it nothing new is accepted or started."""

from __future__ import annotations

import os

from django.conf import settings

from wire.errors import ResourceExhausted

MEGABYTE = 1_000_000


def shortage() -> str:
    """Why nothing is accepted now, as a sentence; "" where there is space enough."""
    disk = os.statvfs(settings.SLIPWAY_HOME)
    free, least = disk.f_bavail * disk.f_frsize // MEGABYTE, settings.SLIPWAY_LEAST_FREE_MB
    if free >= least:
        return ""
    return (
        f"Slipway's disk is nearly full: {free:,} MB are free, and new launches are accepted from {least:,} MB on "
        "(SLIPWAY_LEAST_FREE_MB). What runs goes on. Free some space, then try again."
    )


def require_space() -> None:
    """Pass where there is space enough. Errors: `ResourceExhausted`."""
    if why := shortage():
        raise ResourceExhausted(why, reason="DISK_SPACE")
