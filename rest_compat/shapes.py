"""Umami's keys and formats for what the core answers (Umami v2 REST behaviour §1.6, §3)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from app.models import User, Website
from app.paging import Page

T = TypeVar("T")
Json = dict[str, Any]


def instant(at: dt.datetime | None) -> str | None:
    """ISO 8601 in UTC, always with milliseconds and `Z`."""
    if at is None:
        return None
    return at.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def bucket(at: dt.datetime) -> str:
    """The start of a bucket as wall-clock time, without a zone."""
    return at.isoformat(" ", "seconds")


def points(at: Sequence[dt.datetime], counts: Sequence[int]) -> list[Json]:
    """A series as Umami shows it: empty buckets are left out."""
    return [{"x": bucket(start), "y": count} for start, count in zip(at, counts, strict=True) if count]


def user(one: User) -> Json:
    return {
        "id": str(one.user_id),
        "username": one.username,
        "role": one.role,
        "createdAt": instant(one.created_at),
        "isAdmin": one.is_admin,
    }


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
    owner = one.owner
    return {
        **website(one),
        "user": {"username": owner.username, "id": str(owner.user_id)} if owner else None,
    }


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
