"""Addresses of the network: read from text, and told which ranges they are in."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from re import compile as pattern
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# On this machine or in a network of one's own. Not `is_private`: that also covers the documentation ranges.
PRIVATE_NETWORKS: Final = (
    "10.0.0.0/8",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
)

_WITH_PORT: Final = pattern(r"(?:\[([^\]]+)\]|([0-9.]+))(?::\d*)?")


def parsed(text: str) -> Address | None:
    """The address in the text, with or without a port or zone; None if there is none."""
    with_port = _WITH_PORT.fullmatch(text)
    plain = (with_port[1] or with_port[2]) if with_port else text
    try:
        return ip_address(plain.partition("%")[0])
    except ValueError:
        return None


def plain(text: str) -> Address | None:
    """As `parsed`, an IPv4 address in IPv6 unwrapped: so a socket that listens for both families shows its peers."""
    address = parsed(text)
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


@lru_cache(maxsize=4096)
def network_of(text: str) -> str:
    """What one client has at least: an IPv4 address, or the /64 of an IPv6 one. Text that is no address is itself."""
    address = plain(text)
    if isinstance(address, IPv6Address):
        return str(ip_network((int(address), 64), strict=False))
    return text if address is None else str(address)


def entries(text: str) -> list[str]:
    """What a setting lists with commas."""
    return [entry.strip() for entry in text.split(",") if entry.strip()]


def to_network(entry: str) -> Network:
    """An address or a CIDR range, IPv4 in IPv6 unwrapped. Raises ValueError, naming it, for anything else."""
    try:
        network = ip_network(entry, strict=False)
    except ValueError:
        raise ValueError(f"{entry[:100]!r} is neither an address nor a CIDR range") from None
    if isinstance(network, IPv6Network) and network.prefixlen >= 96:
        inner = network.network_address.ipv4_mapped
        return IPv4Network((int(inner), network.prefixlen - 96)) if inner else network
    return network


class Networks:
    """Addresses and CIDR ranges. `address in networks` asks whether one of them has it.

    A range has addresses of its own family only.
    """

    def __init__(self, listed: Iterable[str]) -> None:
        """Raises ValueError naming the entry that is neither an address nor a range."""
        self._networks = tuple(to_network(entry) for entry in listed)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def __contains__(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self._networks)
