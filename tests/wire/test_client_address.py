"""Whose word on a client's address is believed."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.client_address import client_address, neighbourhood, read_address, read_networks

PROXY, OTHER_PROXY, CLIENT, CLAIMED = "10.0.0.2", "172.18.0.7", "203.0.113.9", "198.51.100.66"
PROXIES = read_networks("10.0.0.2, 172.18.0.0/16")


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        (CLIENT, [], CLIENT),
        (CLIENT, [CLAIMED], CLIENT),  # who connects past the proxy is not believed
        (PROXY, [CLIENT], CLIENT),
        (PROXY, [f"{CLAIMED}, {CLIENT}"], CLIENT),
        (PROXY, [CLAIMED, CLIENT], CLIENT),  # as two fields
        (PROXY, [f"{CLAIMED}, {CLIENT}, {OTHER_PROXY}"], CLIENT),
        (PROXY, [f"{CLIENT}, {PROXY}, {OTHER_PROXY}"], CLIENT),
        (PROXY, [], PROXY),
        (PROXY, [""], PROXY),
        (PROXY, [f"{CLAIMED}, unknown"], PROXY),
        (PROXY, [f"{CLAIMED}, 10.0.0.999"], PROXY),
        (PROXY, [f"{CLIENT}:4711"], CLIENT),
        (PROXY, ["[2001:db8::1]:4711"], "2001:db8::1"),
        (f"::ffff:{PROXY}", [CLIENT], CLIENT),
        ("", [CLAIMED], ""),
    ],
)
def test_only_trusted_proxies_are_believed(peer: str, forwarded: list[str], client: str) -> None:
    assert client_address(peer, forwarded, PROXIES) == client


def test_the_one_proxy_in_front_is_believed_once() -> None:
    assert client_address(PROXY, [f"{CLAIMED}, {CLIENT}"], 1) == CLIENT
    assert client_address("", [f"{CLAIMED}, {CLIENT}"], 1) == CLIENT  # it connects by a Unix socket
    assert client_address(PROXY, [], 1) == PROXY


texts = st.one_of(st.ip_addresses().map(str), st.text("0123456789abcdef.:,[]% unknow\u0661", max_size=30))


@given(st.lists(texts, max_size=6))
def test_nothing_that_a_client_sends_makes_it_somebody_else(sent: list[str]) -> None:
    assert client_address(CLIENT, sent, ()) == CLIENT
    assert client_address(PROXY, [", ".join([*sent, CLIENT])], PROXIES) == CLIENT
    assert client_address(PROXY, [*sent, CLIENT], 1) == CLIENT


@given(texts)
def test_an_address_is_read_or_it_is_none(text: str) -> None:
    read = read_address(text)
    assert read is None or read == ip_address(str(read))


def test_an_ipv6_address_counts_as_its_network() -> None:
    assert neighbourhood("2001:db8:1:2:aaaa::1") == neighbourhood("2001:db8:1:2:bbbb::2") == "2001:db8:1:2::/64"
    assert (neighbourhood(CLIENT), neighbourhood("")) == (CLIENT, "")


def test_proxies_are_addresses_and_networks() -> None:
    assert read_networks(" 10.0.0.2,fd00::/8 ,") == (ip_network("10.0.0.2/32"), ip_network("fd00::/8"))
    with pytest.raises(ValueError, match=r"'proxy.example' is no address or network such as 10\.0\.0\.2"):
        read_networks("10.0.0.2, proxy.example")
