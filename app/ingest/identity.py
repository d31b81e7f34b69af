"""Who visits: session and visit ids, made from what the sender gives and the server's secret.

The recipes are Umami's, bit for bit, so that a site that moves here keeps its visitors (Umami v2 REST
behaviour §2.5).
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final
from uuid import NAMESPACE_DNS, UUID

# Not strftime: its names follow the process's locale, and one other letter would give every visitor a new id.
_WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Identity:
    """Makes session and visit ids from S, the hex text of `app.security.server_secret`. Times must be aware."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def session(self, hit_website: str, ip: str, agent: str, distinct_id: str, at: datetime) -> UUID:
        """The same visitor for a calendar month (UTC), or for good where the sender names a distinct id.

        `hit_website` is the website's id as sent, not as normalised: its case is part of the hashed text.
        """
        if distinct_id:
            return self._uuid(hit_website + distinct_id)
        at = at.astimezone(UTC)
        return self._uuid(hit_website + ip + agent + _salt(at.year, at.month, 1, 0))

    def visit(self, session_id: UUID, at: datetime) -> UUID:
        """The visit that starts at this time: one for each session and clock hour (UTC)."""
        at = at.astimezone(UTC)
        return self._uuid(str(session_id) + _salt(at.year, at.month, at.day, at.hour))

    def _uuid(self, text: str) -> UUID:
        name = _sha512(text + self._secret)
        digest = hashlib.sha1(NAMESPACE_DNS.bytes + name.encode(), usedforsecurity=False).digest()
        return UUID(bytes=digest[:16], version=5)


# Hits of one moment share two salts, imported ones reach back over years of hours.
@lru_cache(maxsize=1024)
def _salt(year: int, month: int, day: int, hour: int) -> str:
    weekday = _WEEKDAYS[datetime(year, month, day).weekday()]
    return _sha512(f"{weekday}, {day:02} {_MONTHS[month - 1]} {year:04} {hour:02}:00:00 GMT")


def _sha512(text: str) -> str:
    return hashlib.sha512(text.encode()).hexdigest()
