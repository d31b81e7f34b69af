"""The event store's tables: wide, append-only, without keys to maintain.

Text columns hold '' where a value is absent. DuckDB gets no indexes and no primary keys: other analytics servers lost
databases to index corruption after crashes. PostgreSQL gets the indexes declared here.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

import sqlalchemy as sa

from app.sql import UTC, AnyUTC

metadata = sa.MetaData()

PAGE_VIEW: Final = 1
CUSTOM_EVENT: Final = 2

# `data_type` of event and session data (Umami v2 REST behaviour §2.9).
STRING: Final = 1
NUMBER: Final = 2
BOOLEAN: Final = 3
DATE: Final = 4
ARRAY: Final = 5


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default="")


def _id(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.Uuid, nullable=False)


def _stored_in() -> sa.Column[int]:
    """The number of the write (`EventStore.apply`) that stored the row; 0 for rows older than the column.

    It stands among the columns of fixed width: PostgreSQL reads a row up to the last column that is asked for.
    """
    return sa.Column("stored_in", sa.BigInteger, nullable=False, server_default="0")


SESSION_COLUMNS: Final = (
    "distinct_id",
    "browser",
    "os",
    "device",
    "screen",
    "language",
    "country",
    "region",
    "city",
)
UTM_COLUMNS: Final = ("utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term")
CLICK_ID_COLUMNS: Final = ("gclid", "fbclid", "msclkid", "ttclid", "li_fat_id", "twclid")

# One row for each page view and custom event, the session's attributes on every row: no statistic needs a join.
event = sa.Table(
    "event",
    metadata,
    _id("event_id"),
    _id("website_id"),
    _id("session_id"),
    _id("visit_id"),
    sa.Column("created_at", UTC, nullable=False),
    _stored_in(),
    sa.Column("event_type", sa.SmallInteger, nullable=False),
    _text("event_name"),
    _text("url_path"),
    _text("url_query"),
    _text("hostname"),
    _text("page_title"),
    _text("referrer_domain"),
    _text("referrer_path"),
    _text("referrer_query"),
    *(_text(name) for name in UTM_COLUMNS),
    *(_text(name) for name in CLICK_ID_COLUMNS),
    _text("tag"),
    *(_text(name) for name in SESSION_COLUMNS),
)

_NUMBER = sa.Numeric(19, 4)

# One row for each flattened key of an event's data.
event_data = sa.Table(
    "event_data",
    metadata,
    _id("website_id"),
    _id("session_id"),
    _id("visit_id"),
    _id("event_id"),
    sa.Column("created_at", UTC, nullable=False),
    _stored_in(),
    _text("url_path"),
    _text("event_name"),
    _text("data_key"),
    sa.Column("data_type", sa.SmallInteger, nullable=False),
    _text("string_value"),
    sa.Column("number_value", _NUMBER),
    sa.Column("date_value", AnyUTC),
)

# One row for each key each time it was set; for a session and key the greatest `version` is the value.
session_data = sa.Table(
    "session_data",
    metadata,
    _id("website_id"),
    _id("session_id"),
    _text("distinct_id"),
    _text("data_key"),
    sa.Column("data_type", sa.SmallInteger, nullable=False),
    _text("string_value"),
    sa.Column("number_value", _NUMBER),
    sa.Column("date_value", AnyUTC),
    sa.Column("created_at", UTC, nullable=False),
    _stored_in(),
    sa.Column("version", sa.BigInteger, nullable=False),
)

revenue = sa.Table(
    "revenue",
    metadata,
    _id("website_id"),
    _id("session_id"),
    _id("visit_id"),
    _id("event_id"),
    _text("event_name"),
    _text("currency"),
    sa.Column("revenue", _NUMBER, nullable=False),
    sa.Column("created_at", UTC, nullable=False),
    _stored_in(),
    _text("country"),
)

# Events folded into as few rows as most questions need: a row for those of one visit within one half-hour of UTC, with the
# attributes of the session. Each write adds rows for its own events (`app.folding`), so several rows may be of the same
# visit, half-hour and attributes: they add up. It is what `event` says in other words, and holds nothing of its own.
visit_part = sa.Table(
    "visit_part",
    metadata,
    _id("website_id"),
    _id("session_id"),
    _id("visit_id"),
    sa.Column("half_hour", UTC, nullable=False),
    _stored_in(),
    sa.Column("first_at", UTC),  # first and last page view; NULL without any
    sa.Column("last_at", UTC),
    sa.Column("views", sa.Integer, nullable=False),
    sa.Column("events", sa.Integer, nullable=False),
    *(_text(name) for name in SESSION_COLUMNS),
)

# How far each journal has been applied, written in the same transaction as the rows: exactly once across crashes.
# `stored_in` is the number of that write. Writes take turns, so what a reader finds stored has the numbers up to the
# greatest it sees here, all of them.
applied_batch = sa.Table(
    "applied_batch",
    metadata,
    sa.Column("journal_id", sa.Uuid, nullable=False),
    sa.Column("batch", sa.BigInteger, nullable=False),
    _stored_in(),
)

# How far each step of tidying (`app.tidy`) has got in each table: it is done with the rows of writes before `stored_in`,
# and with those of that write up to the time `at`.
tidied = sa.Table(
    "tidied",
    metadata,
    sa.Column("table_name", sa.Text, nullable=False),
    sa.Column("step", sa.SmallInteger, nullable=False),
    _stored_in(),
    sa.Column("at", UTC, nullable=False),
)

# The journal of marks that are no journal's: numbers of writes that were passed over (`app.clickhouse_store`).
NOBODY: Final = UUID(int=0)

# The tables that hold a website's data, in the order the journal carries them.
DATA_TABLES: Final = (event, event_data, session_data, revenue)

# Whatever there is of a website.
WEBSITE_TABLES: Final = (*DATA_TABLES, visit_part)
