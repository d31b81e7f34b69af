"""Texts that no test can know beforehand, compared by their form."""

from __future__ import annotations

import re


class Like:
    """Equal to every text that the whole pattern matches."""

    def __init__(self, pattern: str) -> None:
        self._pattern = re.compile(pattern)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and self._pattern.fullmatch(other) is not None

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<like {self._pattern.pattern}>"


AN_ID = Like(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
AN_INSTANT = Like(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
A_MINUTE = Like(r"\d{4}-\d\d-\d\d \d\d:\d\d:00")
A_JWT = Like(r"[\w-]+\.[\w-]+\.[\w-]+")
AN_ENCRYPTED_TOKEN = Like(r"[A-Za-z0-9+/]{300,}={0,2}")
AN_ACCESS_CODE = Like(r"team_[a-zA-Z0-9]{16}")
