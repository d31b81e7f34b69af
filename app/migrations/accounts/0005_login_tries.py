"""Wrong passwords, counted by all processes together."""

import sqlalchemy as sa
from alembic import op

revision = "accounts_0005"
down_revision = "accounts_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "login_try",
        sa.Column("key", sa.String(32), nullable=False),
        sa.Column("amount", sa.Double, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("until", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    if op.get_bind().dialect.name == "postgresql":
        # Each login writes a row, none of which has to outlive a crash.
        op.execute("ALTER TABLE login_try SET UNLOGGED")
