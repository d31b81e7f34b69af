"""Events folded into parts of visits, see docs/decisions/0019-parts-of-visits.md; those that are stored are folded here."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "events_0004"
down_revision = "events_0003"
branch_labels = None
depends_on = None

_ATTRIBUTES = ["distinct_id", "browser", "os", "device", "screen", "language", "country", "region", "city"]
# As the event table (docs/decisions/0003-postgresql-event-table.md).
_PARTITIONS = 16

_FOLD = """
INSERT INTO visit_part (website_id, session_id, visit_id, half_hour, stored_in, first_at, last_at, views, events, {names})
SELECT website_id, session_id, visit_id, {half_hour} AS half_hour, 0,
    min(created_at) FILTER (WHERE event_type = 1), max(created_at) FILTER (WHERE event_type = 1),
    count(*) FILTER (WHERE event_type = 1), count(*) FILTER (WHERE event_type = 2), {names}
FROM event GROUP BY website_id, session_id, visit_id, {half_hour}, {names} ORDER BY {half_hour}
"""
_HALF_HOUR = {
    "postgresql": "date_bin('30 minutes', created_at, TIMESTAMP '1970-01-01')",
    "duckdb": "time_bucket(INTERVAL '30 minutes', created_at, TIMESTAMP '1970-01-01')",
}


def upgrade() -> None:
    if op.get_bind().dialect.name == "clickhousedb":
        return  # its tables are made by events_0006
    engine = op.get_bind().dialect.name
    on_postgresql = engine == "postgresql"
    partitioned: dict[str, Any] = {"postgresql_partition_by": "HASH (website_id)"} if on_postgresql else {}
    op.create_table(
        "visit_part",
        *(sa.Column(name, sa.Uuid, nullable=False) for name in ("website_id", "session_id", "visit_id")),
        sa.Column("half_hour", sa.DateTime, nullable=False),
        sa.Column("stored_in", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("first_at", sa.DateTime),
        sa.Column("last_at", sa.DateTime),
        sa.Column("views", sa.Integer, nullable=False),
        sa.Column("events", sa.Integer, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False, server_default="") for name in _ATTRIBUTES),
        **partitioned,
    )
    if on_postgresql:
        for number in range(_PARTITIONS):
            op.execute(
                f"CREATE TABLE visit_part_{number} PARTITION OF visit_part "
                f"FOR VALUES WITH (MODULUS {_PARTITIONS}, REMAINDER {number})"
            )
    # No text from outside.
    op.execute(_FOLD.format(names=", ".join(_ATTRIBUTES), half_hour=_HALF_HOUR[engine]))
    if on_postgresql:
        op.create_index("ix_visit_part_website_id_half_hour", "visit_part", ["website_id", "half_hour"])


def downgrade() -> None:
    op.drop_table("visit_part")
