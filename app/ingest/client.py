"""Where an address is, as far as it can be told.

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
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final
from urllib.parse import unquote_to_bytes

import maxminddb
from iptocc import country_code

from app.addresses import PRIVATE_NETWORKS, Address, Networks, plain

_log = logging.getLogger(__name__)

# Country, region, city; the first set with a country counts.
_LOCATION_HEADERS: Final = (
    ("cf-ipcountry", "cf-region-code", "cf-ipcity"),
    ("x-vercel-ip-country", "x-vercel-ip-country-region", "x-vercel-ip-city"),
)

# Nor has the address that stands for none a place.
_LOCAL_NETWORKS: Final = Networks((*PRIVATE_NETWORKS, "0.0.0.0/32", "::/128"))


@dataclass(frozen=True, slots=True)
class Location:
    """A place: ISO 3166-1 alpha-2 country, ISO 3166-2 region (`US-CA`), plain city name. '' if not known."""

    country: str = ""
    region: str = ""
    city: str = ""


class Locator:
    """Tells where an address is: by a CDN's headers, by an MMDB file, or the country by the offline table."""

    def __init__(self, geolite_path: Path | None, skip_headers: bool = False) -> None:
        """Opens the MMDB file, of the shape of GeoLite2-City. A missing file is logged and done without.

        Raises maxminddb.InvalidDatabaseError if there is a file of another kind.
        """
        self._skip_headers = skip_headers
        self._reader = _open(geolite_path)

    def locate(self, ip: str, headers: Mapping[str, str], believed: bool) -> Location:
        """The place of a request, empty for local addresses. Never raises.

        `believed` says whether headers may tell it: they may not where the sender named the address, since they
        describe the sender's own connection, nor where nobody who is believed passed them on.
        """
        address, local = _resolve(ip[:_IP_LIMIT])
        if local:
            return Location()
        if believed and not self._skip_headers:
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
    address = plain(ip)
    if address is None:
        return None, False
    return address, address in _LOCAL_NETWORKS or _is_own(address)


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
