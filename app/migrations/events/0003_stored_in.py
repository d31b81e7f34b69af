"""Each row says which write stored it, see docs/decisions/0018-pages-of-one-moment.md."""

from alembic import op

revision = "events_0003"
down_revision = "events_0002"
branch_labels = None
depends_on = None

_TABLES = ("event", "event_data", "session_data", "revenue", "applied_batch")


def upgrade() -> None:
    for table in _TABLES:
        # In steps, because DuckDB adds no column with a constraint. No row is rewritten.
        op.execute(f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS stored_in BIGINT DEFAULT 0")
        op.execute(f"ALTER TABLE {table} ALTER COLUMN stored_in SET NOT NULL")


def downgrade() -> None:
    for table in _TABLES:
        op.drop_column(table, "stored_in")
