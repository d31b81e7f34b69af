"""Usage: what counts, on both stores."""

from __future__ import annotations

import datetime as dt
from uuid import UUID, uuid4

import pytest

from app.context import ANONYMOUS
from app.errors import Denied, Hidden, Unauthenticated
from app.stats.period import Period
from app.stats.usage import Usage, usage
from app.stats.zones import UTC
from tests.populate import A, happening, populate, view
from tests.rest_compat.people import Person, add_person
from tests.server import Actor, Kind, Server

DAY = Period(dt.datetime(2026, 11, 10, tzinfo=dt.UTC), dt.datetime(2026, 11, 11, tzinfo=dt.UTC), UTC)


def add_site(server: Server, owner: Person) -> str:
    answer = server.client.post(
        "/api/websites", json={"name": "S", "domain": "example.com"}, headers=owner.headers
    )
    return str(answer.json()["id"])


def figures(found: Usage) -> tuple[int, int, list[tuple[str, int, int]]]:
    rows = [(str(row.website.website_id), row.events, row.event_data) for row in found.websites]
    return found.events, found.event_data, rows


def test_each_websites_rows_are_its_own(server: Server) -> None:
    owner = add_person(server)
    many, few, none = (add_site(server, owner) for _ in range(3))
    neighbour = add_site(server, add_person(server))
    for site, count in ((many, 3), (few, 1), (neighbour, 5)):
        populate(server, site, [happening(A, "2026-11-10 10:00:00", "/", "e", {"a": 1, "b": 2})] * count)
    # The ends belong to it, and what lies a second outside does not.
    populate(
        server,
        few,
        [view(A, f"2026-11-{at}") for at in ("10 00:00:00", "11 00:00:00", "09 23:59:59", "11 00:00:01")],
    )
    with server.ctx() as ctx:
        rows = sorted([(many, 3, 6), (few, 3, 2)], key=lambda row: UUID(row[0]))
        assert figures(usage(ctx, UUID(owner.id), DAY)) == (6, 8, rows)
        ever = usage(ctx, UUID(owner.id), Period.all_time(UTC))
        assert figures(ever) == (8, 8, [(few, 5, 2), (many, 3, 6)])
    # A reset takes away what it takes away from every figure.
    server.client.post(f"/api/websites/{few}/reset", headers=owner.headers).raise_for_status()
    with server.ctx() as ctx:
        assert figures(usage(ctx, UUID(owner.id), DAY)) == (3, 6, [(many, 3, 6)])
    assert none not in [row[0] for row in rows]


def test_for_admins_alone(server: Server) -> None:
    ann, bob = add_person(server), add_person(server)
    with server.ctx() as ctx, pytest.raises(Hidden):
        usage(ctx, uuid4(), DAY)
    with server.ctx(ANONYMOUS) as ctx, pytest.raises(Unauthenticated):
        usage(ctx, UUID(ann.id), DAY)
    with server.ctx(Actor(Kind.USER, user_id=UUID(ann.id))) as ctx:
        with pytest.raises(Denied):
            usage(ctx, UUID(ann.id), DAY)
        with pytest.raises(Hidden):
            usage(ctx, UUID(bob.id), DAY)
