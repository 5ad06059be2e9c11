"""Whose address a request came from, where proxies stand in between. Pure.

One rule: the address is the one that connected. As long as the address at hand is a trusted proxy's, it is replaced by
the one that this proxy noted last in X-Forwarded-For, from the right. Whatever stands further left is what somebody
claimed, and is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
_IPV6_PREFIX = 64
"""Bits of an IPv6 address that a network gives out as one: whoever has it changes the others at will."""


def client_address(peer: str, forwarded: Iterable[str], proxies: int | Sequence[Network]) -> str:
    """The client's address in its plain form; "" where there is none, as on a Unix socket.

    `peer` connected; `forwarded` are the X-Forwarded-For fields in the order of their coming. `proxies` are trusted; a
    number stands for so many one behind another, whoever they are.
    """
    address = read_address(peer)
    named = [text for field in forwarded for text in field.split(",")]
    for passed, text in enumerate(reversed(named)):
        if isinstance(proxies, int):
            is_proxy = passed < proxies
        else:
            is_proxy = any(address in network for network in proxies if address)
        before = read_address(text) if is_proxy else None
        if before is None:
            break
        address = before
    return str(address or "")


def read_address(text: str) -> Address | None:
    """The address, also in brackets, with a port or a zone; None where there is none. ::ffff:192.0.2.1 is 192.0.2.1."""
    bare = text.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        address = ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def read_networks(text: str) -> tuple[Network, ...]:
    """Addresses and networks between commas. Errors: `ValueError`, naming the one that is none."""
    networks: list[Network] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        try:
            networks.append(ip_network(part, strict=False))
        except ValueError:
            raise ValueError(f"{part!r} is no address or network such as 10.0.0.2 or 10.0.0.0/24") from None
    return tuple(networks)


def neighbourhood(address: str) -> str:
    """What one place can call itself: an IPv4 address as it is, of an IPv6 address its /64 network."""
    read = read_address(address)
    return str(ip_network(f"{read}/{_IPV6_PREFIX}", strict=False)) if isinstance(read, IPv6Address) else address
