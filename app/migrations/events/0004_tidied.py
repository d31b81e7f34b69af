"""How far each table is sorted by website, see docs/decisions/0020-sorted-by-website.md."""

import sqlalchemy as sa
from alembic import op

revision = "events_0004"
down_revision = "events_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tidied",
        sa.Column("table_name", sa.Text, nullable=False),
        sa.Column("stored_in", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("created_at", sa.DateTime, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("tidied")
