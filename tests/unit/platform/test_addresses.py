"""Tests of network addresses: one address has one value."""

from ipaddress import ip_address

import pytest

from mcp_runtime.platform.addresses import address_of


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:DB8::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::1", "::1"),
    ],
)
def test_an_address_is_one_however_it_is_written(text: str, found: str) -> None:
    assert address_of(text) == ip_address(found)


@pytest.mark.parametrize(
    "text", ["", "unix:", "/run/mcp.sock", "localhost", "203.0.113.7:80", "203.0.113.0/24", "1.2.3", "%"]
)
def test_what_is_no_address_is_none(text: str) -> None:
    assert address_of(text) is None
