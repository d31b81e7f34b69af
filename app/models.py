"""Accounts: what people edit. Names and lengths follow what Umami's clients show and send."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from app.sql import UTC


def utc_now() -> dt.datetime:
    """Now, to the millisecond: what every answer shows."""
    now = dt.datetime.now(dt.UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def iso(instant: dt.datetime) -> str:
    """An instant as every answer shows it: UTC, milliseconds, `Z`."""
    return instant.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


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

    memberships: Mapped[list[Membership]] = relationship(
        back_populates="team",
        cascade="all, delete-orphan",
        order_by="Membership.created_at",
        passive_deletes=True,
    )


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

    team: Mapped[Team] = relationship(back_populates="memberships")
    user: Mapped[User] = relationship()


class Website(Base):
    __tablename__ = "website"
    # Another request may have deleted it a moment ago, which is what this one wants too.
    __mapper_args__ = {"confirm_deleted_rows": False}  # noqa: RUF012 - SQLAlchemy's own protocol

    website_id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    name: Mapped[str] = mapped_column(sa.String(100))
    domain: Mapped[str] = mapped_column(sa.String(500))
    reset_at: Mapped[dt.datetime | None]
    # Whose hits are taken: those of pages on these hosts (none: on any), but not of these hosts and addresses.
    allowed_hosts: Mapped[list[str]] = mapped_column(sa.JSON, server_default="[]", default=list)
    excluded_hosts: Mapped[list[str]] = mapped_column(sa.JSON, server_default="[]", default=list)
    excluded_addresses: Mapped[list[str]] = mapped_column(sa.JSON, server_default="[]", default=list)
    retention_days: Mapped[int | None]  # None: everything is kept
    # The events of before were removed, or are to be, when less was kept than is now. They do not come back.
    kept_since: Mapped[dt.datetime | None]
    # The number of the last write to the event store of whose rows some are still to be removed; none of them counts.
    removed_upto: Mapped[int | None] = mapped_column(sa.BigInteger)
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
    team: Mapped[Team | None] = relationship()
    # Read when they are asked for: questions, which are most of what is asked of a website, ask for none.
    shares: Mapped[list[Share]] = relationship(
        back_populates="website", cascade="all, delete-orphan", order_by="Share.created_at"
    )

    @property
    def default_share(self) -> Share | None:
        """The one share that Umami's clients know."""
        return next((share for share in self.shares if share.is_default), None)

    @property
    def share_slug(self) -> str | None:
        """The slug of the one share that Umami's clients know, their `shareId`."""
        return self.default_share.slug if self.default_share else None


class Share(Base):
    """A link that lets anyone who knows it read one website."""

    __tablename__ = "share"
    __table_args__ = (
        sa.Index(
            "share_default_key",
            "website_id",
            unique=True,
            sqlite_where=sa.text("is_default"),
            postgresql_where=sa.text("is_default"),
        ),
    )
    __mapper_args__ = {"confirm_deleted_rows": False}  # noqa: RUF012 - as for Website

    share_id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    website_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("website.website_id", ondelete="CASCADE"), index=True
    )
    slug: Mapped[str] = mapped_column(sa.String(50), unique=True)
    name: Mapped[str] = mapped_column(sa.String(100), server_default="", default="")
    password: Mapped[str | None] = mapped_column(sa.String(60))  # bcrypt; None: the link is enough
    expires_at: Mapped[dt.datetime | None]
    is_default: Mapped[bool] = mapped_column(server_default=sa.false(), default=False)
    created_at: Mapped[dt.datetime] = mapped_column(default=utc_now)

    website: Mapped[Website] = relationship(back_populates="shares")

    def is_over(self, now: dt.datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= now


class ApiKey(Base):
    """What a program proves itself with: it acts as its user, within its scopes and, if it has one, its website."""

    __tablename__ = "api_key"
    __mapper_args__ = {"confirm_deleted_rows": False}  # noqa: RUF012 - as for Website

    api_key_id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    user_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("user_account.user_id", ondelete="CASCADE"), index=True
    )
    website_id: Mapped[UUID | None] = mapped_column(
        sa.ForeignKey("website.website_id", ondelete="CASCADE"), index=True
    )
    name: Mapped[str] = mapped_column(sa.String(100))
    hint: Mapped[str] = mapped_column(sa.String(20))  # its first characters, to tell keys apart
    digest: Mapped[str] = mapped_column(sa.String(64), unique=True)  # SHA-256; the key itself is not kept
    scopes: Mapped[str] = mapped_column(sa.String(50))  # space-separated
    expires_at: Mapped[dt.datetime | None]
    last_used_at: Mapped[dt.datetime | None]
    created_at: Mapped[dt.datetime] = mapped_column(default=utc_now)

    user: Mapped[User] = relationship()
    website: Mapped[Website | None] = relationship()

    def is_over(self, now: dt.datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= now


class Segment(Base):
    """Filters of a website under a name: a `segment` of events, or a `cohort` of sessions."""

    __tablename__ = "segment"

    segment_id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    website_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("website.website_id", ondelete="CASCADE"), index=True
    )
    type: Mapped[str] = mapped_column(sa.String(50))
    name: Mapped[str] = mapped_column(sa.String(200))
    parameters: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    created_at: Mapped[dt.datetime] = mapped_column(default=utc_now)
    updated_at: Mapped[dt.datetime] = mapped_column(default=utc_now, onupdate=utc_now)


class SavedReport(Base):
    """A report's parameters under a name, as Umami's clients write them."""

    __tablename__ = "saved_report"

    report_id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    user_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("user_account.user_id", ondelete="CASCADE"), index=True
    )
    website_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("website.website_id", ondelete="CASCADE"), index=True
    )
    type: Mapped[str] = mapped_column(sa.String(50))
    name: Mapped[str] = mapped_column(sa.String(200))
    description: Mapped[str] = mapped_column(sa.String(500))
    parameters: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    created_at: Mapped[dt.datetime] = mapped_column(default=utc_now)
    updated_at: Mapped[dt.datetime] = mapped_column(default=utc_now, onupdate=utc_now)

    author: Mapped[User] = relationship()
    website: Mapped[Website] = relationship()


class Removal(Base):
    """Rows of a website that are to go from the event store, in the background: those of writes up to `upto`.

    None there stands for all that there are: nothing is collected for the website any more.
    """

    __tablename__ = "removal"

    removal_id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    website_id: Mapped[UUID] = mapped_column(index=True)  # which may be gone
    reason: Mapped[str] = mapped_column(sa.String(20))
    upto: Mapped[int | None] = mapped_column(sa.BigInteger)
    rows: Mapped[int | None] = mapped_column(sa.BigInteger)  # None until they are counted
    removed: Mapped[int] = mapped_column(sa.BigInteger, server_default="0", default=0)
    requested_by: Mapped[UUID | None]
    requested_at: Mapped[dt.datetime] = mapped_column(default=utc_now)
    finished_at: Mapped[dt.datetime | None]


class LoginTry(Base):
    """What is remembered of wrong passwords where several processes share accounts (`app.tries`).

    `key` names an account, a network or both to nobody but this server; times are in seconds since 1970.
    """

    __tablename__ = "login_try"

    key: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    amount: Mapped[float] = mapped_column(sa.Double)
    at: Mapped[float] = mapped_column(sa.Double)
    until: Mapped[float] = mapped_column(sa.Double)  # it may be forgotten then
