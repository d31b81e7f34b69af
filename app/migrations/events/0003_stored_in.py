"""Each row says which write stored it, see docs/decisions/0018-pages-of-one-moment.md."""

from alembic import op

revision = "events_0003"
down_revision = "events_0002"
branch_labels = None
depends_on = None

_TABLES = ("event", "event_data", "session_data", "revenue", "applied_batch")


def upgrade() -> None:
    if op.get_bind().dialect.name == "clickhousedb":
        return  # its tables are made by events_0006
    # Added with its constraint PostgreSQL reads no row for it; DuckDB adds no column with a constraint.
    one_step = op.get_bind().dialect.name == "postgresql"
    for table in _TABLES:
        constraint = "NOT NULL " if one_step else ""
        op.execute(f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS stored_in BIGINT {constraint}DEFAULT 0")
        if not one_step:
            op.execute(f"ALTER TABLE {table} ALTER COLUMN stored_in SET NOT NULL")


def downgrade() -> None:
    for table in _TABLES:
        op.drop_column(table, "stored_in")
