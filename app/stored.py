"""What has just been stored, as it is told to those who follow a website."""

from __future__ import annotations

import base64
import datetime as dt
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import orjson

# An event's id and its time, in milliseconds since 1970.
_RECORD: Final = struct.Struct(">16sq")
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MILLISECOND: Final = dt.timedelta(milliseconds=1)
# PostgreSQL's NOTIFY carries less than 8,000 bytes: these are 6,400, in base64, and the website's id.
MOST: Final = 200


@dataclass(frozen=True, slots=True)
class Stored:
    """Events of one website that are in the store now, at most MOST; of none, something else of it has changed."""

    website_id: UUID
    records: bytes = b""

    def __len__(self) -> int:
        return len(self.records) // _RECORD.size

    def events(self) -> Iterator[tuple[UUID, dt.datetime]]:
        """(event id, its time) of each, in the order in which they came."""
        for event_id, at in _RECORD.iter_unpack(self.records):
            yield UUID(bytes=event_id), _EPOCH + at * _MILLISECOND

    def written(self) -> str:
        return f"{self.website_id.hex}{base64.b64encode(self.records).decode()}"

    @classmethod
    def read(cls, text: str) -> Stored:
        """What `written` wrote."""
        return cls(UUID(text[:32]), base64.b64decode(text[32:]))


def stored(rows: str | None) -> list[Stored]:
    """What is told of rows of `event`, a JSON array as the journal holds it; nothing of None."""
    found: dict[str, list[bytes]] = {}
    for row in orjson.loads(rows) if rows else ():
        at = dt.datetime.fromisoformat(row["created_at"]).replace(tzinfo=dt.UTC)
        record = _RECORD.pack(bytes.fromhex(row["event_id"].replace("-", "")), (at - _EPOCH) // _MILLISECOND)
        found.setdefault(row["website_id"], []).append(record)
    return [
        Stored(UUID(website_id), b"".join(part))
        for website_id, records in found.items()
        for part in _parts(records)
    ]


def _parts(records: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(records), MOST):
        yield records[start : start + MOST]
