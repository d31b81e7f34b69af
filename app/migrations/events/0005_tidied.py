"""How far each table has been tidied, see docs/decisions/0020-sorted-by-website.md."""

import sqlalchemy as sa
from alembic import op

revision = "events_0005"
down_revision = "events_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "clickhousedb":
        return  # its tables are made by events_0006
    op.create_table(
        "tidied",
        sa.Column("table_name", sa.Text, nullable=False),
        sa.Column("step", sa.SmallInteger, nullable=False),
        sa.Column("stored_in", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("at", sa.DateTime, nullable=False),
    )
    if op.get_bind().dialect.name == "postgresql":
        # What was stored last is found by it without reading all the rest; it takes a few pages, and nearly no time.
        op.create_index("ix_visit_part_stored_in", "visit_part", ["stored_in"], postgresql_using="brin")


def downgrade() -> None:
    op.drop_table("tidied")
    if op.get_bind().dialect.name == "postgresql":
        op.drop_index("ix_visit_part_stored_in", "visit_part")
