"""Addresses and the ranges they are in."""

from __future__ import annotations

import pytest

from app.addresses import Networks, entries, network_of, plain


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("81.2.69.142", True),
        ("81.2.69.143", False),
        ("81.2.69.142:5000", True),
        ("10.20.30.40", True),
        ("11.20.30.40", False),
        ("2001:DB8:0::1", True),
        ("[2001:db8::1]:443", True),
        ("2001:db9::1", False),
        ("fe80::1%eth0", True),
        ("::ffff:10.20.30.40", True),  # as a socket for both families shows it
        ("::a14:1e28", False),  # 10.20.30.40 as a number
        ("198.51.100.7", True),
        ("81.2.69", False),
        ("unknown", False),
        ("", False),
    ],
)
def test_ranges(text: str, inside: bool) -> None:
    listed = Networks(entries(" 81.2.69.142, 10.1.2.3/8,,2001:db8::/32 ,fe80::1, ::ffff:198.51.100.0/120"))
    assert (plain(text) in listed) is inside


def test_nothing_is_in_no_ranges() -> None:
    assert plain("127.0.0.1") not in Networks(entries(""))
    assert not Networks(entries(" , "))


@pytest.mark.parametrize("entry", ["localhost", "10.0.0.0/33", "10.0.0.256", "2001:db8::/129"])
def test_a_bad_entry_is_named(entry: str) -> None:
    with pytest.raises(ValueError, match=f"'{entry}' is neither an address nor a CIDR range"):
        Networks(entries(f"10.0.0.1, {entry}"))


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("81.2.69.142", "81.2.69.142"),
        ("::ffff:81.2.69.142", "81.2.69.142"),
        ("81.2.69.142:80", "81.2.69.142"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("unknown", "unknown"),
    ],
)
def test_what_one_client_has(address: str, network: str) -> None:
    assert network_of(address) == network
