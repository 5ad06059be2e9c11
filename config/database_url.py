"""What Django is told of Postgres, of an address such as postgres://user:password@host:port/name."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from config.environment_variable import SettingError
from config.parsers import port_in


def database_at(url: str, *, most: int, wait: float) -> dict[str, Any]:
    """DATABASE_URL as Django's dictionary, with psycopg's pool of `most` connections, without one where that is 0.

    `wait` is for how many seconds one of these is waited for. Errors: `SettingError`.
    """
    parts = urlsplit(url)
    try:
        port = port_in(parts)
    except ValueError as error:
        raise SettingError(f"DATABASE_URL is not usable: {error}") from None
    if parts.scheme not in {"postgres", "postgresql"} or not parts.path.strip("/"):
        raise SettingError("DATABASE_URL is not usable: use postgres://user:password@host:port/name")
    # Given up soon and begun anew by whoever asks next: its pauses grow, and would go on for minutes after an outage.
    pool = {"min_size": 1, "max_size": most, "timeout": wait, "reconnect_timeout": 3}
    return {
        "ENGINE": "config.postgres",
        "NAME": unquote(parts.path.strip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or ""),
        "PORT": str(port or ""),
        "CONN_HEALTH_CHECKS": True,  # else a restart of Postgres fails one request per pooled connection
        # A host that is gone without a word is given up after as many milliseconds.
        # Without a pool of ours a pooler may be in front, which need not keep what is prepared (`lists.prepared`).
        "OPTIONS": {"connect_timeout": 2, "tcp_user_timeout": 2500}
        | ({"pool": pool, "prepare_threshold": 5} if most else {})
        | dict(parse_qsl(parts.query)),
    }
