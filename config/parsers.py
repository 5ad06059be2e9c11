"""How the text of an environment variable becomes a value, one function a kind of value.

Each raises `ValueError` with the remedy where the text is none of its kind.
"""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

from accounts.roles import Role
from wire.client_address import Network, read_networks
from wire.manifests import public_half

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def flag(raw: str) -> bool:
    """1/0, true/false, yes/no, on/off in any case."""
    word = raw.strip().lower()
    if word in {"1", "true", "yes", "on"}:
        return True
    if word in {"0", "false", "no", "off"}:
        return False
    raise ValueError("use on or off")


def positive(raw: str) -> int:
    """A whole number of at least 1."""
    number = int(raw)
    if number < 1:
        raise ValueError("use a whole number of at least 1")
    return number


def whole(raw: str) -> int:
    """A whole number of at least 0."""
    if not raw.isdecimal():
        raise ValueError("use a whole number of at least 0")
    return int(raw)


def seconds(raw: str) -> float:
    """Seconds, more than 0 and a day at most."""
    number = float(raw)
    if not 0 < number <= 86_400:
        raise ValueError("use seconds, more than 0 and 86400 at most")
    return number


def hosts(raw: str) -> tuple[str, ...]:
    """Host names between commas; one that begins with a dot stands for all below it."""
    names = tuple(filter(None, (part.strip().lower() for part in raw.split(","))))
    for name in names:
        if not re.fullmatch(r"\.?[a-z0-9-]+(\.[a-z0-9-]+)*|\[[0-9a-f:]+\]", name):
            raise ValueError(f"{name!r} is no host name such as slipway.example or .example")
    return names


def proxies(raw: str) -> int | tuple[Network, ...]:
    """How many proxies stand in front, one behind another, or their addresses and networks between commas."""
    return int(raw) if raw.strip().isdecimal() else read_networks(raw)


def log_format(raw: str) -> str:
    """How lines of the log are written."""
    if raw not in {"logfmt", "json"}:
        raise ValueError("use logfmt or json")
    return raw


def mail_server(raw: str) -> str:
    """An address of a mail server, such as smtp+starttls://user:password@mail.example:587."""
    parts = urlsplit(raw)
    if parts.scheme not in {"smtp", "smtps", "smtp+starttls"} or not parts.hostname or parts.path.strip("/"):
        raise ValueError("use smtp://, smtps:// or smtp+starttls:// with user:password@host:port")
    port_in(parts)
    return raw


def port_in(parts: SplitResult) -> int | None:
    """The port of an address. Errors: `ValueError`, in words that hold nothing of the address, nor of its password."""
    try:
        return parts.port
    except ValueError:
        raise ValueError(
            "its port is none: use a number up to 65535, and write / ? # @ of a password as %2F %3F %23 %40"
        ) from None


def log_level(raw: str) -> str:
    """The least level of the log."""
    if raw.upper() not in LOG_LEVELS:
        raise ValueError(f"use one of {', '.join(LOG_LEVELS)}")
    return raw.upper()


def user_ids(raw: str) -> str:
    """Two numbers with a hyphen, such as 20000-59999: the first and the last user id."""
    first, _, last = raw.partition("-")
    if not (first.isdecimal() and last.isdecimal() and 1000 <= int(first) <= int(last) < 2**31):
        raise ValueError("use two numbers from 1000 on with a hyphen, such as 20000-59999")
    return raw


def fernet_keys(raw: str) -> tuple[str, ...]:
    """Keys of Fernet between commas, the newest first."""
    keys = tuple(key.strip() for key in raw.split(",") if key.strip())
    for key in keys:
        if not re.fullmatch(r"[A-Za-z0-9_-]{43}=", key):
            raise ValueError("use keys of 44 characters between commas; `./run manage make_sealing_key` prints one")
    return keys


def signing_key(raw: str) -> str:
    """A private key of ECDSA on P-256, as PEM."""
    try:
        public_half(raw)
    except (ValueError, TypeError):  # whose own words may quote it
        raise ValueError("use a private key of ECDSA on P-256 as PEM, without a password") from None
    return raw


def address(raw: str) -> str:
    """A public http(s) address without a path, such as https://slipway.example."""
    if not raw.startswith(("http://", "https://")) or raw.rstrip("/").count("/") != 2:
        raise ValueError("use http(s)://host[:port] without a path")
    return raw.rstrip("/")


def issuer(raw: str) -> str:
    """The address of an identity provider, under which its /.well-known/openid-configuration lies."""
    parts = urlsplit(raw)
    nearby = parts.hostname in {"localhost", "127.0.0.1", "::1"}
    if not parts.hostname or parts.query or parts.fragment or not (parts.scheme == "https" or nearby):
        raise ValueError("use https:// with host and path, as the provider's discovery document calls its issuer")
    port_in(parts)
    return raw.rstrip("/")


def roles(raw: str) -> tuple[Role, ...]:
    """Roles between commas."""
    named = tuple(filter(None, (part.strip() for part in raw.split(","))))
    if unknown := [name for name in named if name not in list(Role)]:
        raise ValueError(f"{unknown[0]!r} is no role: use some of {', '.join(Role)} between commas")
    return tuple(Role(name) for name in named)
