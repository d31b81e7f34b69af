"""What events are grouped and filtered by: one table, from which both doors take their names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.sql.expression import ColumnElement

from app.errors import Invalid
from app.tables import CLICK_ID_COLUMNS, SESSION_COLUMNS, UTM_COLUMNS, event


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """A text column of `event` under its public name.

    `nullable`: '' stands for an absent value, which reads as None and which no comparison matches; elsewhere '' is a
    value like any other. `present` says which rows have a value.
    """

    name: str
    column: ColumnElement[str]
    nullable: bool
    present: ColumnElement[bool]

    @property
    def of_session(self) -> bool:
        """Whether it is an attribute of the session rather than of the event."""
        return self.column.name in SESSION_COLUMNS


# A site's own pages are no referrers. Referrer domains are stored without "www.", host names with it, so both forms
# are compared (Umami v2 REST behaviour §2.3, quirk).
_FOREIGN: Final = sa.and_(
    event.c.referrer_domain != "",
    event.c.referrer_domain != event.c.hostname,
    sa.literal("www.") + event.c.referrer_domain != event.c.hostname,
)

# Public name → column, where the two differ.
_COLUMNS: Final = {
    "path": "url_path",
    "query": "url_query",
    "title": "page_title",
    "referrer": "referrer_domain",
    "event": "event_name",
}
_NAMES: Final = (
    "path",
    "query",
    "title",
    "hostname",
    "referrer",
    "event",
    "tag",
    "browser",
    "os",
    "device",
    "screen",
    "language",
    "country",
    "region",
    "city",
    "distinct_id",
    *UTM_COLUMNS,
    *CLICK_ID_COLUMNS,
)
# Every page has a path and a raw query, if only an empty one.
_NEVER_NULL: Final = {"path", "query"}


def _field(name: str) -> Field:
    column = event.c[_COLUMNS.get(name, name)]
    present = _FOREIGN if name == "referrer" else column != ""
    return Field(name, column, name not in _NEVER_NULL, present)


FIELDS: Final[Mapping[str, Field]] = {name: _field(name) for name in _NAMES}

# Found for each visit or each source, not read off a row: a breakdown by one of these is by nothing else.
ENTRY: Final = "entry"
EXIT: Final = "exit"
CHANNEL: Final = "channel"

# What a breakdown can be by.
DIMENSIONS: Final = (*FIELDS, ENTRY, EXIT, CHANNEL)


def field(name: str) -> Field:
    """The field of this name. Raises Invalid."""
    if name not in FIELDS:
        raise Invalid(f"There is no field {name!r}", field=name)
    return FIELDS[name]
