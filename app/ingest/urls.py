"""Page addresses and referrers: from the text a browser sends to the parts that are stored.

Addresses resolve by the WHATWG rules and parts decode as JavaScript does, because what is stored has to equal
what the reference stores (Umami v2 REST behaviour §2.3, §6.2). Texts must be free of lone surrogates
(`data.without_lone_surrogates`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NamedTuple
from urllib.parse import unquote_plus

from ada_url import URL

from app.tables import CLICK_ID_COLUMNS, UTM_COLUMNS

# A page view without an address: the reference resolves the word "undefined" and knows its path again (§2.3).
MISSING_URL: Final = "/undefined"

_LOCALHOST: Final = "https://localhost"
_NO_HOST: Final = "no-host.invalid"
_MAX_PART: Final = 500
_MAX_PARAMETER: Final = 255
_MAX_HOSTNAME: Final = 100
_PARAMETERS: Final = frozenset(UTM_COLUMNS + CLICK_ID_COLUMNS)

# Addresses that resolving leaves as they are: most of those that browsers send. They are read by this expression alone,
# in a tenth of the time, because each of the ten calls into the library gives other threads the interpreter. Hosts are
# names (numbers, ports and punycode have rules of their own), no segment of the path is empty or begins with a dot, which
# may stand encoded, and all characters are such as no part encodes.
_PLAIN_HOST: Final = r"(?:(?!xn--)[a-z0-9-]+\.)++(?!xn--)[a-z][a-z0-9-]*+"
_KEPT: Final = r"\w.~!$&()*+,;=:@%\-"
_PLAIN: Final = re.compile(
    rf"(?:https?://({_PLAIN_HOST}))?((?:/(?![/.]|%2[Ee])[{_KEPT}]*+)++)(?:\?([{_KEPT}/?]*+))?(?:#([{_KEPT}/?]*+))?",
    re.ASCII,
)
_PLAIN_BASE: Final = re.compile(_PLAIN_HOST)

_TRAILING_SLASH: Final = re.compile(r"/(?=(?:#.*)?\Z)")
_BROKEN_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ESCAPES: Final = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
# The characters that decodeURI leaves encoded are ; / ? : @ & = + $ , and #. All are ASCII, so ending a run
# of escapes at one of them cannot cut a valid UTF-8 sequence in two.
_UNRESERVED_ESCAPES: Final = re.compile(r"(?:%(?!2[346BCFbcf]|3[ABDFabdf]|40)[0-9A-Fa-f]{2})+")


class _Address(NamedTuple):
    """The parts of a resolved address; '' where one is absent or empty."""

    hostname: str
    path: str
    query: str  # without the question mark
    fragment: str  # without the number sign


@dataclass(frozen=True, slots=True)
class PageUrl:
    """A page's address as it is stored; '' where a part is absent, each cut to its limit."""

    path: str
    query: str
    hostname: str
    utm_source: str = ""
    utm_medium: str = ""
    utm_campaign: str = ""
    utm_content: str = ""
    utm_term: str = ""
    gclid: str = ""
    fbclid: str = ""
    msclkid: str = ""
    ttclid: str = ""
    li_fat_id: str = ""
    twclid: str = ""


@dataclass(frozen=True, slots=True)
class Referrer:
    """Where a visitor came from; '' where a part is absent."""

    domain: str = ""
    path: str = ""
    query: str = ""


def resolvable(url: str) -> bool:
    """Whether the text is an address, or a path that makes one on https://localhost."""
    return _PLAIN.fullmatch(url) is not None or URL.can_parse(url, _LOCALHOST)


def host_of(url: str) -> str:
    """The host that an address names itself, '' if it is a path. Raises ValueError unless `resolvable(url)`."""
    plain = _PLAIN.fullmatch(url)
    if plain:
        return plain[1] or ""
    # Against a name that nobody can have, so that it is told from what the address says.
    host = URL(url, base=f"https://{_NO_HOST}").hostname
    return "" if host == _NO_HOST else host


def split_url(url: str, hostname: str, remove_trailing_slash: bool = False) -> PageUrl:
    """The parts of a page's address, resolved against its site; '' as hostname stands for localhost.

    The path carries the fragment, and MISSING_URL gives ''. Raises ValueError unless `resolvable(url)`.
    """
    address = _resolve(url, hostname)
    path = f"{address.path}#{address.fragment}" if address.fragment else address.path
    if address.path == MISSING_URL:
        path = ""
    if remove_trailing_slash:
        path = _TRAILING_SLASH.sub("", path, count=1)
    query = address.query
    return PageUrl(
        path=_decode(path, _UNRESERVED_ESCAPES)[:_MAX_PART],
        query=query[:_MAX_PART],
        hostname=hostname or address.hostname.removeprefix("www.")[:_MAX_HOSTNAME],
        **(_campaign(query) if "=" in query else {}),
    )


def split_referrer(referrer: str, hostname: str) -> Referrer:
    """The parts of a referrer; a relative one gets the site's own host, and localhost is no domain.

    Raises ValueError unless `resolvable(referrer)`.
    """
    if not referrer:
        return Referrer()
    address = _resolve(referrer, hostname)
    host = address.hostname
    return Referrer(
        domain="" if host == "localhost" else host.removeprefix("www.")[:_MAX_PART],
        path=_decode(address.path, _UNRESERVED_ESCAPES)[:_MAX_PART],
        query=address.query[:_MAX_PART],
    )


def decode_title(title: str) -> str:
    """The title decoded like decodeURIComponent and cut to 500: trackers may send it either way."""
    return _decode(title, _ESCAPES)[:_MAX_PART]


def _resolve(url: str, hostname: str) -> _Address:
    plain = _PLAIN.fullmatch(url)
    if plain and (plain[1] or not hostname or _PLAIN_BASE.fullmatch(hostname)):
        return _Address(plain[1] or hostname or "localhost", plain[2], plain[3] or "", plain[4] or "")
    address = _parse(url, hostname)
    return _Address(address.hostname, address.pathname, address.search[1:], address.hash[1:])


def _parse(url: str, hostname: str) -> URL:
    if hostname:
        try:
            return URL(url, base=f"https://{hostname}")
        except ValueError:
            # Host names come as sent, and "a b" makes no base. The address still has its own parts.
            pass
    return URL(url, base=_LOCALHOST)


def _decode(text: str, escapes: re.Pattern[str]) -> str:
    """Percent escapes replaced by their UTF-8 text; one bad escape anywhere leaves the whole as it is."""
    if "%" not in text or _BROKEN_ESCAPE.search(text):
        return text
    try:
        decoded = escapes.sub(lambda run: bytes.fromhex(run[0].replace("%", "")).decode(), text)
    except UnicodeDecodeError:
        return text
    return decoded.replace("\0", "")  # %00 decodes to what PostgreSQL cannot store


def _campaign(query: str) -> dict[str, str]:
    """The first value of each campaign parameter and click id, decoded like a form field."""
    found: dict[str, str] = {}
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if "%" in name:
            name = unquote_plus(name)
        if name in _PARAMETERS and name not in found:
            found[name] = unquote_plus(value).replace("\0", "")[:_MAX_PARAMETER]
    return found
