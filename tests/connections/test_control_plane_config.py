"""What a connection to another control plane may say, and where it may go."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from connections.providers.configs import read_config, stored_config
from connections.providers.control_plane.config import ControlPlaneConfig
from connections.providers.control_plane.transport import may_connect
from wire.client_address import read_networks


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (" https://api.fireworks.ai/ ", "https://api.fireworks.ai"),
        ("https://Slipway.Example:8443", "https://slipway.example:8443"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("https://[2001:db8::1]:443", "https://[2001:db8::1]:443"),
    ],
)
def test_takes_an_address(written: str, read: str) -> None:
    config, violations = read_config(ControlPlaneConfig, {"url": written})
    assert violations == ()
    assert config.url == read


@pytest.mark.parametrize(
    "written",
    [
        "api.fireworks.ai",
        "ftp://api.fireworks.ai",
        "http://api.fireworks.ai",
        "http://10.0.0.1",
        "https://user:pass@api.fireworks.ai",
        "https://api.fireworks.ai/v1",
        "https://api.fireworks.ai?x=1",
        "https://api.fireworks.ai:port",
        "https://api.fire works.ai",
        "https://",
        "https://" + "a" * 100,
        "https://ünï.example",
    ],
)
def test_refuses_what_is_no_address_with_a_remedy(written: str) -> None:
    _, violations = read_config(ControlPlaneConfig, {"url": written})
    (violation,) = violations
    assert violation.field == "url"
    assert "use " in violation.description


def test_catalogs_are_pairs() -> None:
    config, violations = read_config(
        ControlPlaneConfig, {"url": "https://a.example", "accounts": "team = local,fireworks=fireworks"}
    )
    assert violations == ()
    assert config.accounts == "team=local, fireworks=fireworks"
    assert config.accounts_there == {"team": "local", "fireworks": "fireworks"}
    again, violations = read_config(ControlPlaneConfig, stored_config(config))
    assert (again, violations) == (config, ())
    assert ControlPlaneConfig().accounts_there == {"fireworks": "fireworks"}


@pytest.mark.parametrize("written", ["team", "team=", "=local", "Team=local", "a=b, a=c"])
def test_refuses_what_is_no_pair(written: str) -> None:
    _, violations = read_config(ControlPlaneConfig, {"url": "https://a.example", "accounts": written})
    assert [violation.field for violation in violations] == ["accounts"]


@pytest.mark.parametrize(
    ("address", "networks", "allowed"),
    [
        ("8.8.8.8", "", True),
        ("2606:4700::1111", "", True),
        ("127.0.0.1", "", False),
        ("127.0.0.1", "127.0.0.0/8", True),
        ("::1", "127.0.0.0/8", False),
        ("::ffff:127.0.0.1", "", False),
        ("::ffff:10.1.2.3", "10.0.0.0/8", True),
        ("10.1.2.3", "", False),
        ("10.1.2.3", "10.0.0.0/8", True),
        ("192.168.1.1", "10.0.0.0/8", False),
        ("169.254.169.254", "", False),
        ("100.64.0.1", "", False),
        ("0.0.0.0", "", False),
        ("224.0.0.1", "", False),
        ("fe80::1", "", False),
        ("fd00::1", "fd00::/8", True),
        ("64:ff9b::a00:1", "", False),
        ("64:ff9b::808:808", "", True),
        ("2002:7f00:1::", "", False),
    ],
)
def test_goes_to_public_addresses_and_named_networks(address: str, networks: str, allowed: bool) -> None:
    assert may_connect(ip_address(address), read_networks(networks)) is allowed
