"""What a website takes, and for how long it keeps it."""

import sqlalchemy as sa
from alembic import op

revision = "accounts_0003"
down_revision = "accounts_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("website") as website:
        for name in ("allowed_hosts", "excluded_hosts", "excluded_addresses"):
            website.add_column(sa.Column(name, sa.JSON, nullable=False, server_default="[]"))
        website.add_column(sa.Column("retention_days", sa.Integer))
