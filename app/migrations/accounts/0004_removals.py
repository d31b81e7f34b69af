"""What is being removed from the event store, and what of a website no longer counts."""

import sqlalchemy as sa
from alembic import op

revision = "accounts_0004"
down_revision = "accounts_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("website") as website:
        website.add_column(sa.Column("removed_upto", sa.BigInteger))
        website.add_column(sa.Column("kept_since", sa.DateTime))
    op.create_table(
        "removal",
        sa.Column("removal_id", sa.Uuid, nullable=False),
        sa.Column("website_id", sa.Uuid, nullable=False),
        sa.Column("reason", sa.String(20), nullable=False),
        sa.Column("upto", sa.BigInteger),
        sa.Column("rows", sa.BigInteger),
        sa.Column("removed", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("requested_by", sa.Uuid),
        sa.Column("requested_at", sa.DateTime, nullable=False),
        sa.Column("finished_at", sa.DateTime),
        sa.PrimaryKeyConstraint("removal_id"),
    )
    op.create_index("ix_removal_website_id", "removal", ["website_id"])
