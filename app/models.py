"""Accounts: what people edit. Names and lengths follow what Umami's clients show and send."""

from __future__ import annotations

import datetime as dt
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from app.sql import UTC


def utc_now() -> dt.datetime:
    """Now, to the millisecond: what every answer shows."""
    now = dt.datetime.now(dt.UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


class Base(DeclarativeBase):
    type_annotation_map = {dt.datetime: UTC, UUID: sa.Uuid}  # noqa: RUF012 - SQLAlchemy's own protocol


class User(Base):
    __tablename__ = "user_account"  # "user" is a reserved word in PostgreSQL

    user_id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    username: Mapped[str] = mapped_column(sa.String(255), unique=True)
    password: Mapped[str] = mapped_column(sa.String(60))  # bcrypt
    role: Mapped[str] = mapped_column(sa.String(50))
    display_name: Mapped[str | None] = mapped_column(sa.String(255))
    logo_url: Mapped[str | None] = mapped_column(sa.String(2183))
    created_at: Mapped[dt.datetime] = mapped_column(default=utc_now)
    updated_at: Mapped[dt.datetime | None] = mapped_column(onupdate=utc_now)

    @property
    def is_admin(self) -> bool:
        return self.role == "admin"


class Team(Base):
    __tablename__ = "team"

    team_id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    name: Mapped[str] = mapped_column(sa.String(50))
    access_code: Mapped[str | None] = mapped_column(sa.String(50), unique=True)
    logo_url: Mapped[str | None] = mapped_column(sa.String(2183))
    created_at: Mapped[dt.datetime] = mapped_column(default=utc_now)
    updated_at: Mapped[dt.datetime] = mapped_column(default=utc_now, onupdate=utc_now)


class Membership(Base):
    __tablename__ = "membership"
    __table_args__ = (sa.UniqueConstraint("team_id", "user_id"),)

    membership_id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    team_id: Mapped[UUID] = mapped_column(sa.ForeignKey("team.team_id", ondelete="CASCADE"))
    user_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("user_account.user_id", ondelete="CASCADE"), index=True
    )
    role: Mapped[str] = mapped_column(sa.String(50))
    created_at: Mapped[dt.datetime] = mapped_column(default=utc_now)
    updated_at: Mapped[dt.datetime] = mapped_column(default=utc_now, onupdate=utc_now)


class Website(Base):
    __tablename__ = "website"
    # Another request may have deleted it a moment ago, which is what this one wants too.
    __mapper_args__ = {"confirm_deleted_rows": False}  # noqa: RUF012 - SQLAlchemy's own protocol

    website_id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    name: Mapped[str] = mapped_column(sa.String(100))
    domain: Mapped[str] = mapped_column(sa.String(500))
    reset_at: Mapped[dt.datetime | None]
    user_id: Mapped[UUID | None] = mapped_column(
        sa.ForeignKey("user_account.user_id", ondelete="SET NULL"), index=True
    )
    team_id: Mapped[UUID | None] = mapped_column(
        sa.ForeignKey("team.team_id", ondelete="SET NULL"), index=True
    )
    created_by: Mapped[UUID | None]
    created_at: Mapped[dt.datetime] = mapped_column(default=utc_now)
    updated_at: Mapped[dt.datetime] = mapped_column(default=utc_now, onupdate=utc_now)

    owner: Mapped[User | None] = relationship()
    shares: Mapped[list[Share]] = relationship(
        back_populates="website", cascade="all, delete-orphan", order_by="Share.created_at", lazy="selectin"
    )

    @property
    def share_slug(self) -> str | None:
        """The one share that Umami's clients know: the oldest."""
        return self.shares[0].slug if self.shares else None


class Share(Base):
    __tablename__ = "share"
    __mapper_args__ = {"confirm_deleted_rows": False}  # noqa: RUF012 - as for Website

    share_id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    website_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("website.website_id", ondelete="CASCADE"), index=True
    )
    slug: Mapped[str] = mapped_column(sa.String(50), unique=True)
    created_at: Mapped[dt.datetime] = mapped_column(default=utc_now)

    website: Mapped[Website] = relationship(back_populates="shares")
