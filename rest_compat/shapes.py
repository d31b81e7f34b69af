"""Umami's keys and formats for what the core answers (Umami v2 REST behaviour §1.6, §3)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from app import teams
from app.context import Ctx
from app.models import Membership, Team, User, Website, iso
from app.paging import Page

T = TypeVar("T")
Json = dict[str, Any]


def instant(at: dt.datetime | None) -> str | None:
    """ISO 8601 in UTC, always with milliseconds and `Z`."""
    return None if at is None else iso(at)


def bucket(at: dt.datetime) -> str:
    """The start of a bucket as wall-clock time, without a zone."""
    return at.isoformat(" ", "seconds")


def points(at: Sequence[dt.datetime], counts: Sequence[int]) -> list[Json]:
    """A series as Umami shows it: empty buckets are left out."""
    return [{"x": bucket(start), "y": count} for start, count in zip(at, counts, strict=True) if count]


def number(value: float | None) -> float | int | None:
    """A number as JavaScript writes it: a whole one without a fraction."""
    return int(value) if value is not None and value.is_integer() and abs(value) < 2**53 else value


def account(one: User) -> Json:
    """A user as its own routes show it."""
    return {
        "id": str(one.user_id),
        "username": one.username,
        "role": one.role,
        "createdAt": instant(one.created_at),
    }


def user(one: User) -> Json:
    """A user as logging in and `me` show it."""
    return {**account(one), "isAdmin": one.is_admin}


def person(one: User | None) -> Json | None:
    """A user beside something else."""
    return {"id": str(one.user_id), "username": one.username} if one else None


def user_row(one: User, websites: int) -> Json:
    """A user in the list of all; never its password's hash, which Umami leaks there."""
    return {
        **account(one),
        "logoUrl": one.logo_url,
        "displayName": one.display_name,
        "updatedAt": instant(one.updated_at),
        "deletedAt": None,
        "_count": {"websiteUser": websites},
    }


def team(ctx: Ctx, one: Team) -> Json:
    """A team; its access code is null for those who must not pass it on."""
    return {
        "id": str(one.team_id),
        "name": one.name,
        "accessCode": teams.invitation(ctx, one),
        "logoUrl": one.logo_url,
        "createdAt": instant(one.created_at),
        "updatedAt": instant(one.updated_at),
        "deletedAt": None,
    }


def membership(one: Membership) -> Json:
    return {
        "id": str(one.membership_id),
        "teamId": str(one.team_id),
        "userId": str(one.user_id),
        "role": one.role,
        "createdAt": instant(one.created_at),
        "updatedAt": instant(one.updated_at),
    }


def member(one: Membership) -> Json:
    """A membership with who it is."""
    return {**membership(one), "user": person(one.user)}


def team_row(ctx: Ctx, one: Team, websites: int) -> Json:
    """A team in a list of a user's."""
    members = [member(row) for row in one.memberships]
    counts = {"website": websites, "teamUser": len(members)}
    return {**team(ctx, one), "teamUser": members, "_count": counts}


def website(one: Website) -> Json:
    """Always all keys. There is no soft deletion here, so `deletedAt` is null."""
    return {
        "id": str(one.website_id),
        "name": one.name,
        "domain": one.domain,
        "shareId": one.share_slug,
        "resetAt": instant(one.reset_at),
        "userId": str(one.user_id) if one.user_id else None,
        "teamId": str(one.team_id) if one.team_id else None,
        "createdBy": str(one.created_by) if one.created_by else None,
        "createdAt": instant(one.created_at),
        "updatedAt": instant(one.updated_at),
        "deletedAt": None,
    }


def website_row(one: Website) -> Json:
    """A website in a list of its owner's."""
    return {**website(one), "user": person(one.owner)}


def team_website(one: Website, creator: User | None) -> Json:
    """A website in a list of its team's."""
    return {**website(one), "createUser": person(creator)}


def reachable_website(ctx: Ctx, one: Website) -> Json:
    """A website in an admin's list of what a user reaches."""
    owners = [membership(row) for row in one.team.memberships if row.role == "team-owner"] if one.team else []
    return {**website_row(one), "team": {**team(ctx, one.team), "teamUser": owners} if one.team else None}


def page(found: Page[T], row: Callable[[T], Json], params: Mapping[str, Any], order_by: str = "") -> Json:
    """The envelope of every list; without an order there is no `orderBy`."""
    envelope: Json = {
        "data": [row(one) for one in found.rows],
        "count": found.count,
        "page": params["page"],
        "pageSize": params["pageSize"],
    }
    return {**envelope, "orderBy": order_by} if order_by else envelope


def merged_languages(rows: Sequence[tuple[str | None, int]]) -> list[Json]:
    """Counts by the lower-case part before `-` (`en-US` and `en-GB` are `en`), in order of first appearance.

    Umami merges after limit and offset and sorts no more (§3.6).
    """
    merged: dict[str | None, int] = {}
    for value, count in rows:
        language = value.partition("-")[0].lower() if value else value
        merged[language] = merged.get(language, 0) + count
    return [{"x": language, "y": count} for language, count in merged.items()]
