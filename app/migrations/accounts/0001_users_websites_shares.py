"""Users, teams, websites and shares."""

import sqlalchemy as sa
from alembic import op

revision = "accounts_0001"
down_revision = None
branch_labels = None
depends_on = None


def _id(name: str, *constraints: sa.ForeignKey, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.Uuid, *constraints, nullable=nullable)


def _time(name: str, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime, nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "user_account",
        _id("user_id"),
        sa.Column("username", sa.String(255), nullable=False),
        sa.Column("password", sa.String(60), nullable=False),
        sa.Column("role", sa.String(50), nullable=False),
        sa.Column("display_name", sa.String(255)),
        sa.Column("logo_url", sa.String(2183)),
        _time("created_at"),
        _time("updated_at", nullable=True),
        sa.PrimaryKeyConstraint("user_id"),
        sa.UniqueConstraint("username", name="user_account_username_key"),
    )
    op.create_table(
        "team",
        _id("team_id"),
        sa.Column("name", sa.String(50), nullable=False),
        sa.Column("access_code", sa.String(50)),
        sa.Column("logo_url", sa.String(2183)),
        _time("created_at"),
        _time("updated_at"),
        sa.PrimaryKeyConstraint("team_id"),
        sa.UniqueConstraint("access_code", name="team_access_code_key"),
    )
    op.create_table(
        "membership",
        _id("membership_id"),
        _id("team_id", sa.ForeignKey("team.team_id", ondelete="CASCADE")),
        _id("user_id", sa.ForeignKey("user_account.user_id", ondelete="CASCADE")),
        sa.Column("role", sa.String(50), nullable=False),
        _time("created_at"),
        _time("updated_at"),
        sa.PrimaryKeyConstraint("membership_id"),
        sa.UniqueConstraint("team_id", "user_id", name="membership_team_id_user_id_key"),
    )
    op.create_index("ix_membership_user_id", "membership", ["user_id"])
    op.create_table(
        "website",
        _id("website_id"),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("domain", sa.String(500), nullable=False),
        _time("reset_at", nullable=True),
        _id("user_id", sa.ForeignKey("user_account.user_id", ondelete="SET NULL"), nullable=True),
        _id("team_id", sa.ForeignKey("team.team_id", ondelete="SET NULL"), nullable=True),
        _id("created_by", nullable=True),
        _time("created_at"),
        _time("updated_at"),
        sa.PrimaryKeyConstraint("website_id"),
    )
    op.create_index("ix_website_user_id", "website", ["user_id"])
    op.create_index("ix_website_team_id", "website", ["team_id"])
    op.create_table(
        "share",
        _id("share_id"),
        _id("website_id", sa.ForeignKey("website.website_id", ondelete="CASCADE")),
        sa.Column("slug", sa.String(50), nullable=False),
        _time("created_at"),
        sa.PrimaryKeyConstraint("share_id"),
        sa.UniqueConstraint("slug", name="share_slug_key"),
    )
    op.create_index("ix_share_website_id", "share", ["website_id"])


def downgrade() -> None:
    for table in ("share", "website", "membership", "team", "user_account"):
        op.drop_table(table)
