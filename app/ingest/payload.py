"""What a sender may say: one JSON body checked and read into a `Hit`.

The rules are those of Umami v2 REST behaviour §2.1, the message texts those of its §1.2. Checked by hand,
because this runs for every request and must cost microseconds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, Final, Literal
from uuid import UUID

from app.errors import Malformed
from app.ingest.data import js_number, storable, too_large, without_lone_surrogates
from app.ingest.urls import MISSING_URL, resolvable

_KINDS: Final = ("event", "identify")
_KINDS_TEXT: Final = "'event' | 'identify'"
_LAST_SECOND: Final = 4_102_444_799  # 2099-12-31T23:59:59Z: what lies after is milliseconds, or a forgery
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_ABSENT: Final = object()


@dataclass(frozen=True, slots=True)
class Hit:
    """One page view, custom event or identification as sent. Texts are '' where nothing was sent."""

    kind: Literal["event", "identify"]
    website: str  # as sent, because the session id hashes this text
    website_id: UUID
    url: str  # urls.MISSING_URL where none was sent: '' is the site's root
    referrer: str
    hostname: str
    language: str
    screen: str
    title: str
    name: str
    tag: str
    data: dict[str, Any] | None
    ip: str
    user_agent: str | None  # None = not given: the header counts
    timestamp: int | None  # seconds since 1970
    distinct_id: str


def parse_hit(body: object) -> Hit:
    """Reads one body of `POST /api/send`.

    Raises Malformed: without problems if the body is no object, otherwise with one for `type` and one for
    `payload`, as far as they are at fault. Anything wrong inside the payload reads ("payload", "").
    """
    if not isinstance(body, dict):
        raise Malformed([])
    kind = body.get("type", _ABSENT)
    # `in` compares; a list as type must not be hashed, so this is a tuple and no set.
    problems = [] if kind in _KINDS else [("type", _kind_problem(kind))]
    payload = body.get("payload", _ABSENT)
    if not isinstance(payload, dict):
        raise Malformed([*problems, ("payload", _object_problem(payload))])
    try:
        hit = _read(kind, payload)
    except _Unfit:
        raise Malformed([*problems, ("payload", "")]) from None
    if problems:
        raise Malformed(problems)
    return hit


class _Unfit(Exception):
    """Something inside the payload breaks its rule."""


def _read(kind: Literal["event", "identify"], payload: dict[str, Any]) -> Hit:
    website = payload.get("website")
    if not isinstance(website, str):
        raise _Unfit
    return Hit(
        kind=kind,
        website=website,
        website_id=_website_id(website),
        url=_address(payload, "url", MISSING_URL),
        referrer=_address(payload, "referrer", ""),
        hostname=_text(payload, "hostname", 100),
        language=_text(payload, "language", 35),
        screen=_text(payload, "screen", 11),
        title=_text(payload, "title"),
        name=_text(payload, "name", 50),
        tag=_text(payload, "tag", 50),
        data=_data(payload),
        ip=_ip(payload),
        user_agent=_text(payload, "userAgent") or None,
        timestamp=_timestamp(payload),
        distinct_id=_text(payload, "id"),
    )


# The same few websites come with every request.
@lru_cache(maxsize=4096)
def _website_id(text: str) -> UUID:
    if not _UUID.fullmatch(text):
        raise _Unfit
    return UUID(text)


def _text(payload: dict[str, Any], field: str, limit: int = 0) -> str:
    """An optional text of at most `limit` UTF-16 units, which is how the reference counts; 0 = no limit."""
    value = payload.get(field, "")
    if not isinstance(value, str):
        raise _Unfit
    value = storable(value)
    if limit and (len(value) if value.isascii() else len(value.encode("utf-16-le")) // 2) > limit:
        raise _Unfit
    return value


def _address(payload: dict[str, Any], field: str, absent: str) -> str:
    value = payload.get(field, absent)
    # NUL may stay: address rules strip or encode it.
    if not isinstance(value, str) or not resolvable(value := without_lone_surrogates(value)):
        raise _Unfit
    return value


def _data(payload: dict[str, Any]) -> dict[str, Any] | None:
    if "data" not in payload:
        return None
    data = payload["data"]
    if not isinstance(data, dict) or too_large(data):
        raise _Unfit
    return data


def _ip(payload: dict[str, Any]) -> str:
    if "ip" not in payload:
        return ""
    ip = payload["ip"]
    # A zone ("fe80::1%eth0") means nothing outside the sender's machine; Python would take it.
    if not isinstance(ip, str) or "%" in ip:
        raise _Unfit
    try:
        ip_address(ip)
    except ValueError:
        raise _Unfit from None
    return ip


def _timestamp(payload: dict[str, Any]) -> int | None:
    if "timestamp" not in payload:
        return None
    value = payload["timestamp"]
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _Unfit
    seconds = js_number(value)
    if seconds is None or not 0 <= seconds <= _LAST_SECOND or not seconds.is_integer():
        raise _Unfit
    return int(seconds)


def _kind_problem(kind: object) -> str:
    if kind is _ABSENT:
        return "Required"
    if isinstance(kind, str):
        return f"Invalid enum value. Expected {_KINDS_TEXT}, received '{storable(kind)}'"
    return f"Expected {_KINDS_TEXT}, received {_json_type(kind)}"


def _object_problem(payload: object) -> str:
    return "Required" if payload is _ABSENT else f"Expected object, received {_json_type(payload)}"


def _json_type(value: object) -> str:
    names = {type(None): "null", bool: "boolean", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "number")
