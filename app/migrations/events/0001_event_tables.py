"""The event store's tables; indexes on PostgreSQL only."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "events_0001"
down_revision = None
branch_labels = None
depends_on = None

_EVENT_TEXTS = [
    "event_name",
    "url_path",
    "url_query",
    "hostname",
    "page_title",
    "referrer_domain",
    "referrer_path",
    "referrer_query",
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "utm_content",
    "utm_term",
    "gclid",
    "fbclid",
    "msclkid",
    "ttclid",
    "li_fat_id",
    "twclid",
    "tag",
    "distinct_id",
    "browser",
    "os",
    "device",
    "screen",
    "language",
    "country",
    "region",
    "city",
]

# Partitions of PostgreSQL's event table, see docs/decisions/0003-postgresql-event-table.md.
_PARTITIONS = 16

# Each index begins with the website, so that a range of one website is read without touching another's rows.
_INDEXES = {
    "event": ["website_id", "created_at"],
    "event_data": ["website_id", "created_at"],
    "session_data": ["website_id", "session_id"],
    "revenue": ["website_id", "created_at"],
}


def _id(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.Uuid, nullable=False)


def _stored_in() -> sa.Column[int]:
    # Came with events_0003, which gives it to stores that were made before. A new store has it among the columns of
    # fixed width: as the last one it would cost PostgreSQL a third more of what a list of sessions takes.
    return sa.Column("stored_in", sa.BigInteger, nullable=False, server_default="0")


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default="")


def _value_columns() -> list[sa.Column[Any]]:
    return [
        _text("data_key"),
        sa.Column("data_type", sa.SmallInteger, nullable=False),
        _text("string_value"),
        sa.Column("number_value", sa.Numeric(19, 4)),
        sa.Column("date_value", sa.DateTime),
    ]


def upgrade() -> None:
    if op.get_bind().dialect.name == "clickhousedb":
        return  # its tables are made by events_0006
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    partitioned: dict[str, Any] = {"postgresql_partition_by": "HASH (website_id)"} if on_postgresql else {}
    op.create_table(
        "event",
        *map(_id, ("event_id", "website_id", "session_id", "visit_id")),
        sa.Column("created_at", sa.DateTime, nullable=False),
        _stored_in(),
        sa.Column("event_type", sa.SmallInteger, nullable=False),
        *map(_text, _EVENT_TEXTS),
        # DuckDB's dialect descends from PostgreSQL's and would print this too.
        **partitioned,
    )
    op.create_table(
        "event_data",
        *map(_id, ("website_id", "session_id", "visit_id", "event_id")),
        sa.Column("created_at", sa.DateTime, nullable=False),
        _stored_in(),
        _text("url_path"),
        _text("event_name"),
        *_value_columns(),
    )
    op.create_table(
        "session_data",
        *map(_id, ("website_id", "session_id")),
        _text("distinct_id"),
        *_value_columns(),
        sa.Column("created_at", sa.DateTime, nullable=False),
        _stored_in(),
        sa.Column("version", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "revenue",
        *map(_id, ("website_id", "session_id", "visit_id", "event_id")),
        _text("event_name"),
        _text("currency"),
        sa.Column("revenue", sa.Numeric(19, 4), nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        _stored_in(),
        _text("country"),
    )
    op.create_table(
        "applied_batch", _id("journal_id"), sa.Column("batch", sa.BigInteger, nullable=False), _stored_in()
    )
    if on_postgresql:
        for number in range(_PARTITIONS):
            op.execute(
                f"CREATE TABLE event_{number} PARTITION OF event "
                f"FOR VALUES WITH (MODULUS {_PARTITIONS}, REMAINDER {number})"
            )
        for table, columns in _INDEXES.items():
            op.create_index(f"ix_{table}_{'_'.join(columns)}", table, columns)


def downgrade() -> None:
    for table in ("applied_batch", "revenue", "session_data", "event_data", "event"):
        op.drop_table(table)
