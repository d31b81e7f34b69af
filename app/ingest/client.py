"""Where a request comes from: the client's address and, as far as it can be told, its place.

Behaviour: Umami v2 REST behaviour §2.4. Header maps have lower-case names; values are decoded as Latin-1, as
ASGI servers deliver them. Nothing here uses the network.
"""

from __future__ import annotations

import logging
import re
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Final
from urllib.parse import unquote_to_bytes

import maxminddb
from iptocc import country_code

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_log = logging.getLogger(__name__)

_IP_HEADERS: Final = (
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

# Country, region, city; the first set with a country counts.
_LOCATION_HEADERS: Final = (
    ("cf-ipcountry", "cf-region-code", "cf-ipcity"),
    ("x-vercel-ip-country", "x-vercel-ip-country-region", "x-vercel-ip-city"),
)

# Not `is_private`: that also covers the documentation ranges, which header locations do apply to.
_LOCAL_NETWORKS: Final = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/32",
        "10.0.0.0/8",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "::/127",  # :: and ::1
        "fc00::/7",
        "fe80::/10",
    )
)

_FORWARDED_FOR: Final = re.compile(r"(?:^|[;,\s])for=\"?(?:\[([^\]]*)\]|([^\s;,\":]*))", re.IGNORECASE)
_WITH_PORT: Final = re.compile(r"(?:\[([^\]]+)\]|([0-9.]+))(?::\d*)?")


@dataclass(frozen=True, slots=True)
class Location:
    """A place: ISO 3166-1 alpha-2 country, ISO 3166-2 region (`US-CA`), plain city name. '' if not known."""

    country: str = ""
    region: str = ""
    city: str = ""


def client_ip(given: str, headers: Mapping[str, str], peer: str, header_name: str = "") -> str:
    """The client's address as text: as given, else of the named header, else of a known one, else the peer.

    Headers are taken at their word, well-formed or not; only `forwarded` must name an address, since its
    `for=` may also be `unknown` or a made-up word.
    """
    if given:
        return given
    for name in (header_name.lower(), *_IP_HEADERS):
        if value := headers.get(name, ""):
            ip = _ip_in(name, value)
            if ip:
                return ip
    return peer


def _ip_in(name: str, value: str) -> str:
    if name == "x-forwarded-for":
        return value.partition(",")[0].strip()
    if name == "forwarded":
        found = _FORWARDED_FOR.search(value)
        ip = (found[1] or found[2] or "") if found else ""
        return ip if _address(ip) else ""
    return value


def _address(ip: str) -> Address | None:
    """The address in the text, with or without a port or zone; None if there is none."""
    with_port = _WITH_PORT.fullmatch(ip)
    text = (with_port[1] or with_port[2]) if with_port else ip
    try:
        return ip_address(text.partition("%")[0])
    except ValueError:
        return None


class Addresses:
    """The setting `IGNORE_IP`: addresses and CIDR ranges, comma-separated. `ip in addresses` asks it.

    A range matches addresses of its own family only; text that is no address matches nothing.
    """

    def __init__(self, setting: str = "") -> None:
        """Raises ValueError naming the entry that is neither an address nor a range."""
        entries = [entry.strip() for entry in setting.split(",")]
        self._networks = tuple(_network(entry) for entry in entries if entry)

    def __contains__(self, ip: str) -> bool:
        address = _address(ip) if self._networks else None
        return address is not None and any(address in network for network in self._networks)


def _network(entry: str) -> Network:
    try:
        return ip_network(entry, strict=False)
    except ValueError:
        raise ValueError(f"IGNORE_IP: {entry!r} is neither an address nor a CIDR range") from None


class Locator:
    """Tells where an address is: by a CDN's headers, by an MMDB file, or the country by the offline table."""

    def __init__(self, geolite_path: Path | None, skip_headers: bool = False) -> None:
        """Opens the MMDB file, of the shape of GeoLite2-City. A missing file is logged and done without.

        Raises maxminddb.InvalidDatabaseError if there is a file of another kind.
        """
        self._skip_headers = skip_headers
        self._reader = _open(geolite_path)

    def locate(self, ip: str, headers: Mapping[str, str], ip_given: bool) -> Location:
        """The place of a request, empty for local addresses. Never raises.

        `ip_given` says that the sender named the address: headers, which describe the sender's own connection,
        do not apply then.
        """
        address, local = _resolve(ip[:_IP_LIMIT])
        if local:
            return Location()
        if not (ip_given or self._skip_headers):
            for country, region, city in _LOCATION_HEADERS:
                code = headers.get(country, "")
                if _COUNTRY.fullmatch(code):
                    text = _header_text(headers, region)
                    return Location(code, _region(code, text), _header_text(headers, city))
        if address is None:
            return Location()
        return _read(self._reader, address) if self._reader else Location(country_code(str(address)) or "")

    def close(self) -> None:
        """Closes the MMDB file. What it told is not told any more."""
        if self._reader:
            self._reader.close()


_COUNTRY: Final = re.compile("[A-Za-z0-9]{2}")  # Cloudflare's codes for "unknown" and Tor are XX and T1.
_IP_LIMIT: Final = 64  # characters; the longest address with zone and port is shorter


def _open(path: Path | None) -> maxminddb.Reader | None:
    if path is None:
        return None
    try:
        return maxminddb.open_database(path)
    except FileNotFoundError:
        _log.warning("No file at GEOLITE_DB_PATH (%s): countries come from the offline table.", path)
        return None


def _read(reader: maxminddb.Reader, address: Address) -> Location:
    try:
        record = reader.get(address)
    except (ValueError, maxminddb.InvalidDatabaseError):
        # An IPv6 address in a file for IPv4, a closed file, a damaged record: the event is worth more.
        return Location()
    country = _at(record, "country", "iso_code") or _at(record, "registered_country", "iso_code")
    region = _region(country, _at(record, "subdivisions", 0, "iso_code"))
    return Location(country, region, _at(record, "city", "names", "en"))


def _at(record: object, *path: str | int) -> str:
    """The text at a path of an MMDB record; '' if the record has no such path."""
    for step in path:
        if isinstance(record, dict):
            record = record.get(step)
        else:
            record = record[0] if isinstance(record, list) and record and step == 0 else None
    return record if isinstance(record, str) else ""


def _region(country: str, code: str) -> str:
    if not (country and code) or "-" in code:
        return code if country else ""
    return f"{country}-{code}"


def _header_text(headers: Mapping[str, str], name: str) -> str:
    """A header's text: bytes re-read as UTF-8, then percent-decoded; as it was where that cannot be done."""
    value = headers.get(name, "")
    with suppress(UnicodeError):
        value = value.encode("latin-1").decode()
    with suppress(UnicodeError):
        value = value if _BAD_ESCAPE.search(value) else unquote_to_bytes(value).decode()
    return value.replace("\0", "")  # which PostgreSQL refuses in a text, and with it the whole batch


_BAD_ESCAPE: Final = re.compile("%(?![0-9A-Fa-f]{2})")


@lru_cache(maxsize=4096)
def _resolve(ip: str) -> tuple[Address | None, bool]:
    """The address in the text, IPv4 in IPv6 unwrapped, and whether it is on this side of the network."""
    address = _address(ip)
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if address is None:
        return None, False
    return address, any(address in network for network in _LOCAL_NETWORKS) or _is_own(address)


def _is_own(address: Address) -> bool:
    """Whether an interface of this machine has the address: only then can a socket be bound to it."""
    return _can_bind(address) and not _binds_anything()


@lru_cache(maxsize=1)
def _binds_anything() -> bool:
    """Whether the kernel binds foreign addresses too (`ip_nonlocal_bind`), so that binding tells nothing."""
    # Not from a documentation range: those are seen on interfaces, this one is reserved for good.
    return _can_bind(IPv4Address("240.0.0.1"))


def _can_bind(address: Address) -> bool:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True
