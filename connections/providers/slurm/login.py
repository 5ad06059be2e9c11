"""The address of a login node, its host key, and the key that we show there, as people write them. Pure.

asyncssh takes longer to load than all else here, so whoever has no login node never loads it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncssh

LOGIN_EXAMPLE = "slipway@login1.cluster.internal"
HOST_KEY_EXAMPLE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI..."
SSH_PORT = 22
_LOGIN = re.compile(
    r"(?P<user>[A-Za-z_][A-Za-z0-9_.-]{0,63})@(?:\[(?P<inner>[0-9A-Fa-f:.]{2,45})\]|(?P<host>[A-Za-z0-9][A-Za-z0-9.-]{0,252}))"
    r"(?::(?P<port>[0-9]{1,5}))?"
)


@dataclass(frozen=True)
class Login:
    """Who we are where; `host_key` is the only one that is believed, "" where nobody has said yet which."""

    user: str
    host: str
    port: int
    host_key: str = ""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.user}@{host}" + (f":{self.port}" if self.port != SSH_PORT else "")


def parse_login(written: str, host_key: str = "") -> Login | None:
    """Of USER@HOST or USER@HOST:PORT; None for what is none."""
    found = _LOGIN.fullmatch(written)
    if not found or not 0 < int(found["port"] or SSH_PORT) < 2**16:
        return None
    return Login(found["user"], found["inner"] or found["host"], int(found["port"] or SSH_PORT), host_key)


def read_login(written: str) -> str:
    """A login as it is kept, or "". Errors: `ValueError`."""
    text = written.strip()
    if text and parse_login(text) is None:
        raise ValueError(f"use USER@HOST or USER@HOST:PORT, such as {LOGIN_EXAMPLE}")
    return text


def read_host_key(written: str) -> str:
    """A host key as it is kept: its type and its body, without names and comment; or "". Errors: `ValueError`."""
    words = written.split()
    if not words:
        return ""
    import asyncssh  # noqa: PLC0415

    # A line of ssh-keyscan or known_hosts names the host first.
    for start in (0, 1):
        try:
            return public_line(asyncssh.import_public_key(" ".join(words[start : start + 2])))
        except ValueError:
            continue
    raise ValueError(f"use a line of ssh_host_ed25519_key.pub on the login node, such as {HOST_KEY_EXAMPLE}")


def wrong_private_key(written: str) -> str:
    """Why it is no key that can be used, in a sentence; "" where it is one."""
    try:
        read_private_key(written)
    except ValueError as error:
        if "passphrase" in str(error).lower():
            return "The private key has a passphrase, which nobody would type here. Make one without: ssh-keygen -N ''."
        return (
            "This is no private key: paste the whole file, from -----BEGIN to END-----, not the one that ends in .pub."
        )
    return ""


def read_private_key(kept: str) -> asyncssh.SSHKey:
    """The key. Errors: `ValueError`."""
    import asyncssh  # noqa: PLC0415

    try:
        return asyncssh.import_private_key(_as_file(kept))
    except asyncssh.KeyEncryptionError as error:
        raise ValueError(str(error)) from None


def public_line(key: asyncssh.SSHKey) -> str:
    """Of a key or its private half the line for authorized_keys, without a comment."""
    return " ".join(key.export_public_key("openssh").decode().split()[:2])


def fingerprint_of(line: str) -> str:
    """As ssh-keygen -l says it."""
    import asyncssh  # noqa: PLC0415

    return asyncssh.import_public_key(line).get_fingerprint()


def _as_file(written: str) -> str:
    """With one end of line, whatever carried it here."""
    return written.replace("\r\n", "\n").strip() + "\n"
