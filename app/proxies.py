"""Where a request comes from, as far as those can be believed who passed it on (docs/decisions/0024).

Header maps have lower-case names; a header that came several times is joined by commas, in order.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from app.addresses import PRIVATE_NETWORKS, Networks, entries, parsed, plain

# What proxies and CDNs name the visitor's address in, in the order of Umami v2 REST behaviour §2.4.
HEADERS: Final = (
    "cf-connecting-ip",
    "x-client-ip",
    "x-forwarded-for",
    "do-connecting-ip",
    "fastly-client-ip",
    "true-client-ip",
    "x-real-ip",
    "x-cluster-client-ip",
    "x-forwarded",
    "forwarded",
    "x-appengine-user-ip",
)
_FORWARDED_FOR: Final = re.compile(r"(?:^|[;,\s])for=\"?(?:\[([^\]\[;,\s]*)\]|([^\s;,\":]*))", re.IGNORECASE)

# TRUSTED_PROXIES: words that may stand for lists.
PRIVATE: Final = "private"
EVERYONE: Final = "*"
NOBODY: Final = "none"
_NEAR: Final = Networks(PRIVATE_NETWORKS)


def listed(setting: str) -> list[str]:
    """The ranges of a TRUSTED_PROXIES. Raises ValueError naming the entry that is none."""
    ranges: list[str] = []
    for entry in entries(setting):
        if entry == PRIVATE:
            ranges += PRIVATE_NETWORKS
        elif entry == EVERYONE:
            ranges += ("0.0.0.0/0", "::/0")
        elif entry != NOBODY:
            ranges.append(entry)
    Networks(ranges)
    return ranges


def joined(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """The headers of a request as a map: lower-case names, latin-1 texts, a repeated one joined by commas."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in raw:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


@lru_cache(maxsize=4096)
def near(peer: str) -> bool:
    """Whether a peer is this machine or in a private network; a Unix socket, which has no address, is."""
    return not peer or plain(peer) in _NEAR


class Proxies:
    """Whose forwarding headers are believed, and what they say.

    Where the operator has named the proxies, visitors and callers are the same, and nobody can claim another address
    than the one from which the outermost of these proxies was reached. By default, and with `*`, visitors are read as
    Umami reads them, of any header: that needs no settings behind any CDN, and who comes through a proxy that passes
    such headers on can forge them. What is limited goes by the caller, which cannot be forged through a proxy that
    appends to X-Forwarded-For.
    """

    def __init__(self, trusted: str = PRIVATE, header_name: str = "") -> None:
        """`trusted` is a TRUSTED_PROXIES, `header_name` a CLIENT_IP_HEADER."""
        self._ranges = Networks(listed(trusted))
        self._named = trusted.strip() not in (PRIVATE, EVERYONE)
        # Where everybody is believed, the hops that are taken for proxies are those that are near: else the walk would end
        # at what the client itself has sent.
        self._hops = _NEAR if trusted.strip() == EVERYONE else self._ranges
        self._header = header_name.strip().lower()
        self._order = (self._header, *HEADERS) if self._header else HEADERS
        # Most requests come from few peers: the proxies.
        self.believes = lru_cache(maxsize=4096)(self._believes)

    def visitor(self, headers: Mapping[str, str], peer: str) -> str:
        """The address whose visit it is, as text. `peer` is the socket's, '' where it has none (a Unix socket).

        Not named, headers are taken at their word, well-formed or not; only `forwarded` must name an address, since
        its `for=` may also be `unknown` or a made-up word.
        """
        if self._named or not self.believes(peer):
            return self.caller(headers, peer)
        for name in self._order:
            if (value := headers.get(name, "")) and (first := _first(name, value)):
                return first
        return _text(peer)

    def caller(self, headers: Mapping[str, str], peer: str) -> str:
        """The address that limits go by: of the header that was named, else the nearest in X-Forwarded-For that is
        no proxy's; where neither tells, the peer's.
        """
        if not self.believes(peer):
            return _text(peer)
        name = self._header or "x-forwarded-for"
        value = headers.get(name, "")
        nearest = _text(peer)
        for hop in reversed(_hops(name, value)):
            address = plain(hop)
            if address is None:
                break  # `unknown`, or made up: what stands before it was not seen by anyone who is believed
            nearest = str(address)
            if address not in self._hops:
                break
        return nearest

    def _believes(self, peer: str) -> bool:
        # Who may connect to a Unix socket is on this machine.
        return bool(self._ranges) if not peer else plain(peer) in self._ranges


@lru_cache(maxsize=4096)
def _text(peer: str) -> str:
    address = plain(peer)
    return peer if address is None else str(address)


def _first(name: str, value: str) -> str:
    """The address furthest away, as Umami reads it; '' if there is none."""
    if name == "x-forwarded-for":
        return value.partition(",")[0].strip()
    if name == "forwarded":
        first = next(iter(_hops(name, value)), "")
        return first if parsed(first) else ""
    return value


def _hops(name: str, value: str) -> list[str]:
    """The addresses of a header, the furthest first."""
    if name == "forwarded":
        return [found[1] or found[2] or "" for found in _FORWARDED_FOR.finditer(value)]
    return [hop.strip() for hop in value.split(",")] if value else []
