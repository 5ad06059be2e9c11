"""How the connections to the database that a process has are divided among what it does at once."""

from __future__ import annotations

from dataclasses import dataclass

from config.environment_variable import SettingError

UNPOOLED = 10
"""Without a pool nobody waits for a connection, and as much is enough for a process."""
USUAL_PAGES = 3
"""A process makes one page after the other, whatever waits for the database: more at once only keep the API waiting."""
HEALTH_CHECKS = 1


@dataclass(frozen=True)
class Shares:
    """How many pages, requests to the API and look-ups of the gateway are served at once."""

    pages: int
    api: int
    gateway: int


def shares_of(pool: int, *, streams: int, pages: int | None, api: int | None, gateway: int | None) -> Shares:
    """Of a pool of so many connections, 0 where there is none, beside event streams and health checks.

    What was chosen is taken as it is. Errors: `SettingError` where the pool is too small for that.
    """
    others = streams + HEALTH_CHECKS
    shared = (pool or UNPOOLED) - others
    of_gateway = gateway or max(1, shared // 5)
    half = max(1, (shared - of_gateway) // 2)
    shares = Shares(pages or min(half, USUAL_PAGES), api or half, of_gateway)
    needed = shares.pages + shares.api + shares.gateway + others
    if 0 < pool < needed and any((pages, api, gateway)):
        raise SettingError(
            f"SLIPWAY_DATABASE_POOL={pool} is not usable: use {needed} at least, which is SLIPWAY_PAGES_AT_ONCE, "
            "SLIPWAY_API_AT_ONCE and SLIPWAY_GATEWAY_AT_ONCE together, and two for event streams and health checks"
        )
    return shares
