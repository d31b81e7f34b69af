"""On PostgreSQL, one session's events are found without reading the website's."""

from alembic import op

revision = "events_0002"
down_revision = "events_0001"
branch_labels = None
depends_on = None

_NAME = "ix_event_website_id_session_id"


def upgrade() -> None:
    if op.get_bind().dialect.name == "clickhousedb":
        return  # its tables are made by events_0006
    if op.get_bind().dialect.name == "postgresql":
        op.create_index(_NAME, "event", ["website_id", "session_id"])


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.drop_index(_NAME, "event")
