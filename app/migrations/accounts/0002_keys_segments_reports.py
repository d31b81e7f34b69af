"""API keys, segments, saved reports; several shares for a website."""

import sqlalchemy as sa
from alembic import op

revision = "accounts_0002"
down_revision = "accounts_0001"
branch_labels = None
depends_on = None


def _id(name: str, *constraints: sa.ForeignKey, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.Uuid, *constraints, nullable=nullable)


def _of(table: str, key: str, nullable: bool = False) -> sa.Column[object]:
    return _id(key, sa.ForeignKey(f"{table}.{key}", ondelete="CASCADE"), nullable=nullable)


def _time(name: str, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime, nullable=nullable)


def upgrade() -> None:
    with op.batch_alter_table("share") as share:
        share.add_column(sa.Column("name", sa.String(100), nullable=False, server_default=""))
        share.add_column(sa.Column("password", sa.String(60)))
        share.add_column(_time("expires_at", nullable=True))
        share.add_column(sa.Column("is_default", sa.Boolean, nullable=False, server_default=sa.false()))
    _oldest_is_default()
    # Two requests at the same moment must not both make a default.
    only = sa.text("is_default")
    op.create_index(
        "share_default_key", "share", ["website_id"], unique=True, sqlite_where=only, postgresql_where=only
    )
    op.create_table(
        "api_key",
        _id("api_key_id"),
        _of("user_account", "user_id"),
        _of("website", "website_id", nullable=True),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("hint", sa.String(20), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("scopes", sa.String(50), nullable=False),
        _time("expires_at", nullable=True),
        _time("last_used_at", nullable=True),
        _time("created_at"),
        sa.PrimaryKeyConstraint("api_key_id"),
        sa.UniqueConstraint("digest", name="api_key_digest_key"),
    )
    op.create_index("ix_api_key_user_id", "api_key", ["user_id"])
    op.create_index("ix_api_key_website_id", "api_key", ["website_id"])
    op.create_table(
        "segment",
        _id("segment_id"),
        _of("website", "website_id"),
        sa.Column("type", sa.String(50), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("parameters", sa.JSON, nullable=False),
        _time("created_at"),
        _time("updated_at"),
        sa.PrimaryKeyConstraint("segment_id"),
    )
    op.create_index("ix_segment_website_id", "segment", ["website_id"])
    op.create_table(
        "saved_report",
        _id("report_id"),
        _of("user_account", "user_id"),
        _of("website", "website_id"),
        sa.Column("type", sa.String(50), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("description", sa.String(500), nullable=False),
        sa.Column("parameters", sa.JSON, nullable=False),
        _time("created_at"),
        _time("updated_at"),
        sa.PrimaryKeyConstraint("report_id"),
    )
    op.create_index("ix_saved_report_user_id", "saved_report", ["user_id"])
    op.create_index("ix_saved_report_website_id", "saved_report", ["website_id"])


def _oldest_is_default() -> None:
    """Until now REST showed the oldest share of a website as its `shareId`."""
    share = sa.table(
        "share",
        sa.column("share_id"),
        sa.column("website_id"),
        sa.column("created_at"),
        sa.column("is_default"),
    )
    place = sa.func.row_number().over(
        partition_by=share.c.website_id, order_by=(share.c.created_at, share.c.share_id)
    )
    ranked = sa.select(share.c.share_id, place.label("place")).subquery()
    oldest = sa.select(ranked.c.share_id).where(ranked.c.place == 1)
    op.execute(sa.update(share).where(share.c.share_id.in_(oldest)).values(is_default=sa.true()))


def downgrade() -> None:
    for table in ("saved_report", "segment", "api_key"):
        op.drop_table(table)
    op.drop_index("share_default_key", "share")
    with op.batch_alter_table("share") as share:
        for column in ("name", "password", "expires_at", "is_default"):
            share.drop_column(column)
