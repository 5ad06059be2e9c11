"""What a connection of the kind `control_plane` says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from connections.providers.catalogs import Following
from connections.providers.configs import setting
from wire.hosts import is_this_machine
from wire.names import ID_RULE, is_id

PUBLIC = "fireworks"
LONGEST_URL = 100
LONGEST_SOURCE = 300
_FILE_REMEDY = "use a path on the worker's machine that starts with /, or https://HOST/PATH"


def read_url(written: str) -> str:
    """The address without a path. Errors: `ValueError`."""
    text = written.strip().rstrip("/")
    remedy = "use https://HOST or https://HOST:PORT, without a path"
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError(remedy) from None
    plain = f"{f'[{host}]' if ':' in host else host}{'' if port is None else f':{port}'}"
    if not host or not text.isascii() or any(letter.isspace() for letter in text) or parts.netloc.lower() != plain:
        raise ValueError(remedy)
    if len(text) > LONGEST_URL:
        raise ValueError(f"use at most {LONGEST_URL} characters")
    if parts.path or parts.query or parts.fragment or parts.scheme not in ("http", "https"):
        raise ValueError(remedy)
    if parts.scheme == "http" and not is_this_machine(host):
        raise ValueError("without TLS the key could be read on its way: use https://")
    return f"{parts.scheme}://{plain}"


def read_account(written: str) -> str:
    """An account's id, or "". Errors: `ValueError`."""
    account = written.strip().removeprefix("accounts/")
    if account and not is_id(account):
        raise ValueError(ID_RULE)
    return account


def read_accounts(written: str) -> str:
    """Pairs HERE=THERE between commas, as they are kept. Errors: `ValueError`."""
    pairs: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in written.split(","))):
        here, sign, there = (word.strip() for word in part.partition("="))
        if not sign or not is_id(here) or not is_id(there):
            raise ValueError(f"{part[:60]!r} is no pair such as {PUBLIC}={PUBLIC}; in it, {ID_RULE}")
        if pairs.setdefault(here, there) != there:
            raise ValueError(f"{here} stands there twice, for {pairs[here]} and for {there}")
    return ", ".join(f"{here}={there}" for here, there in pairs.items())


def read_source(written: str) -> str:
    """Where a catalog file is, as it is kept; "" for nowhere. Errors: `ValueError`."""
    text = written.strip()
    if len(text) > LONGEST_SOURCE:
        raise ValueError(f"use at most {LONGEST_SOURCE} characters")
    if not text or text.startswith("/"):
        return text
    try:
        parts = urlsplit(text)
        host, has_login, _ = parts.hostname, "@" in parts.netloc, parts.port
    except ValueError:
        raise ValueError(_FILE_REMEDY) from None
    if not host or has_login or parts.fragment or not text.isascii() or any(letter.isspace() for letter in text):
        raise ValueError(_FILE_REMEDY)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_this_machine(host)):
        raise ValueError(_FILE_REMEDY)
    return text


def read_following(written: str) -> Following:
    """How the catalog here follows. Errors: `ValueError`."""
    try:
        return Following(written.strip().lower())
    except ValueError:
        raise ValueError(f"use one of {', '.join(Following)}") from None


@dataclass(frozen=True)
class ControlPlaneConfig:
    """Where another control plane is, and whose catalog there is which here."""

    url: str = setting(
        "Address",
        "Where its API answers: https, or http on this machine where SLIPWAY_CONNECTION_NETWORKS has 127.0.0.0/8.",
        read=read_url,
        required=True,
        placeholder="https://api.fireworks.ai",
    )
    account: str = setting(
        "Account there",
        "The id of the account in which jobs are made; empty for the one that the key shows. Launches are looked for "
        "in it, so change it only while none is under way.",
        read=read_account,
    )
    accounts: str = setting(
        "Catalogs",
        "Whose shapes and models here are whose there: pairs HERE=THERE between commas. Only those can be launched "
        "through it. A shape that was made here is never changed: where both have an account local of their own, "
        "map that one to another account here, such as north=local.",
        default=f"{PUBLIC}={PUBLIC}",
        read=read_accounts,
        placeholder=f"{PUBLIC}={PUBLIC}, team=local",
    )
    following: str = setting(
        "Catalog follows",
        "automatic: what is offered there is looked at regularly, from the first minute on, and the catalogs above "
        "follow it; reviewed: a superuser agrees to each difference first; off: only when somebody asks.",
        default=Following.AUTOMATIC,
        read=read_following,
        choices=tuple(Following),
    )
    published: str = setting(
        "Catalog file",
        "Where its catalog is published as a file, for a key that may not list it: a path on the worker's machine, or "
        "an https address, which is asked without the key. Empty: its API lists what it offers.",
        read=read_source,
        placeholder="https://catalog.example/fireworks.yaml",
    )

    @property
    def accounts_there(self) -> Mapping[str, str]:
        """By account here, the account there."""
        pairs = (pair.partition("=") for pair in self.accounts.split(", ") if pair)
        return {here: there for here, _, there in pairs}
