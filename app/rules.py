"""Which hits a website takes: the hosts whose pages count, and the hosts and addresses that do not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from re import compile as pattern
from typing import Final

from ada_url import URL

from app.addresses import Networks, plain, to_network
from app.errors import Invalid

MAX_ENTRIES: Final = 100  # of each list
MAX_HOST: Final = 255  # characters: 253 of the longest name, and `*.`
_ANY: Final = "*."
# What would end the host in an address, or is none of it.
_FOREIGN: Final = pattern(r"[\x00-\x20/\\?#@*%<>^|]")


def bare_host(text: str) -> str:
    """A host as names are compared: lower case, international ones in punycode, without port and trailing dot.

    '' if the text is no host.
    """
    # What is longer is in no list, and not to be remembered: a sender could fill the memory with it.
    return "" if len(text) > MAX_HOST else _bare_host(text)


@lru_cache(maxsize=4096)
def _bare_host(text: str) -> str:
    if _FOREIGN.search(text):
        return ""
    try:
        return URL(f"https://{text}").hostname.removesuffix(".")
    except ValueError:
        return ""


class _Hosts:
    """Names of hosts, `*.example.com` for all below one."""

    def __init__(self, listed: Iterable[str]) -> None:
        entries = list(listed)
        self._exact = frozenset(entry for entry in entries if not entry.startswith(_ANY))
        self._below = tuple(entry[1:] for entry in entries if entry.startswith(_ANY))

    def __bool__(self) -> bool:
        return bool(self._exact or self._below)

    def __contains__(self, host: str) -> bool:
        return host in self._exact or host.endswith(self._below)


@dataclass(frozen=True, slots=True)
class Rules:
    """A website's rules, as they are asked for each hit."""

    allowed_hosts: _Hosts
    excluded_hosts: _Hosts
    excluded_addresses: Networks

    @classmethod
    def of(cls, allowed: Sequence[str], excluded: Sequence[str], addresses: Sequence[str]) -> Rules:
        """From lists as `hosts` and `addresses` return them."""
        return cls(_Hosts(allowed), _Hosts(excluded), Networks(addresses))

    def about_hosts(self) -> bool:
        """Whether the host of a hit matters."""
        return bool(self.allowed_hosts or self.excluded_hosts)

    def take_host(self, host: str, vouched: bool) -> bool:
        """Whether hits of a page on this host are taken; '' for a hit of no page.

        `vouched` says that an API key came with the hit: then it need not be of a page.
        """
        bare = bare_host(host) if host else ""
        if self.allowed_hosts and bare not in self.allowed_hosts and (host or not vouched):
            return False
        return bare not in self.excluded_hosts

    def take_from(self, *addresses: str) -> bool:
        """Whether hits are taken that come from all these addresses."""
        return not any(plain(address) in self.excluded_addresses for address in addresses)


def hosts(given: Sequence[str], column: str) -> list[str]:
    """A list of hosts as it is kept. Raises Invalid naming the field and the entry that is none."""

    def read(entry: str) -> str:
        name = entry.removeprefix(_ANY)
        bare = bare_host(name) if len(entry) <= MAX_HOST else ""
        if not bare:
            raise ValueError(f"{entry[:MAX_HOST]!r} is not a host name, nor *. before one")
        return entry[: len(entry) - len(name)] + bare

    return _checked(given, column, read)


def addresses(given: Sequence[str], column: str) -> list[str]:
    """A list of addresses and CIDR ranges as it is kept. Raises Invalid naming the field and the entry that is neither."""

    def read(entry: str) -> str:
        network = to_network(entry)
        single = network.num_addresses == 1
        return str(network.network_address if single else network)

    return _checked(given, column, read)


def _checked(given: Sequence[str], column: str, read: Callable[[str], str]) -> list[str]:
    first, *rest = column.split("_")
    field = first + "".join(word.title() for word in rest)  # as callers know it
    if len(given) > MAX_ENTRIES:
        raise Invalid(f"{field} has at most {MAX_ENTRIES} entries", field=field)
    try:
        return list(dict.fromkeys(read(entry.strip()) for entry in given))
    except ValueError as error:
        raise Invalid(f"{field}: {error}", field=field) from None
