"""Segments and cohorts in the core: what they stand for, and whose they are."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from app import segments, websites
from app.context import Ctx
from app.errors import Conflict, Hidden, Invalid, NotFound
from app.keep import KEEP
from app.models import Segment
from app.segments import SegmentType
from app.stats.filters import And, Cohort, Condition, Operator
from tests.rest_compat.people import add_person
from tests.server import Actor, Kind, Server

US = Condition("country", Operator.EQ, ("US",))
DAY = dt.datetime(2026, 11, 10, tzinfo=dt.UTC)
DATES = {"startDate": "2026-11-10T00:00:00.000Z", "endDate": "2026-11-11T23:59:59.999Z"}


@pytest.fixture
def site(ctx: Ctx) -> UUID:
    made: UUID = websites.create(ctx, name="S", domain="example.com").website_id
    return made


def made(kind: str, parameters: dict[str, Any]) -> Segment:
    return Segment(segment_id=uuid4(), website_id=UUID(int=7), type=kind, name="n", parameters=parameters)


@pytest.mark.parametrize(
    ("parameters", "start", "end"),
    [
        (DATES, DAY, dt.datetime(2026, 11, 11, 23, 59, 59, 999000, tzinfo=dt.UTC)),
        # A client's own print of a date, and milliseconds since 1970.
        (
            {"startDate": "Tue Nov 10 2026 01:00:00 GMT+0100 (CET)", "endDate": 1794268800000},
            DAY,
            DAY,
        ),
        # Without an end of its own it is open there, as far as calendars go.
        ({"startDate": "2026-11-10"}, DAY, dt.datetime(9997, 12, 31, 23, 59, 59, 999000, tzinfo=dt.UTC)),
        ({"startDate": None, "endDate": ""}, dt.datetime(2, 1, 1, tzinfo=dt.UTC), ...),
    ],
    ids=str,
)
def test_what_a_cohort_stands_for(parameters: dict[str, Any], start: dt.datetime, end: Any) -> None:
    found = segments.filter_of(made("cohort", {"country": "US", **parameters}))
    assert isinstance(found, Cohort)
    assert (found.website_id, found.where, found.start) == (UUID(int=7), And((US,)), start)
    assert end is ... or found.end == end


@pytest.mark.parametrize(
    ("kind", "parameters", "conditions"),
    [
        ("segment", {"country": "US", **DATES}, (US,)),
        ("segment", {}, ()),
        ("cohort", {}, ()),
        # Without filters it is everybody, and its dates are not looked at (§1.8).
        ("cohort", DATES, ()),
        ("cohort", {"startDate": "x", "unknown": 1, "url": None}, ()),
    ],
    ids=str,
)
def test_what_stands_for_filters_of_events(
    kind: str, parameters: dict[str, Any], conditions: tuple[Condition, ...]
) -> None:
    assert segments.filter_of(made(kind, parameters)) == And(conditions)


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"country": 1}, "country"),
        ({"url": ["/"]}, "url"),
        ({"url": "/", "startDate": "x"}, "startDate"),
        ({"url": "/", "endDate": True}, "endDate"),
        ({"url": "/", "endDate": 1e300}, "endDate"),
    ],
    ids=str,
)
def test_a_cohort_that_makes_no_sense(parameters: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        segments.filter_of(made("cohort", parameters))
    assert refused.value.field == field


def test_parameters_are_written_as_clients_write_them() -> None:
    filters = [
        US,
        Condition("path", Operator.NOT_CONTAINS, ("pric",)),
        Condition("hostname", Operator.NE, ("a.example",)),
        Condition("query", Operator.CONTAINS, ("",)),
        Condition("title", Operator.EQ, ("",)),
    ]
    before = {"country": "DE", "browser": "ios", "client": {"kept": True}, "endDate": "2026-12-31"}
    written = segments.written(SegmentType.COHORT, filters, DAY, KEEP, before)
    assert written == {
        "country": "US",
        "url": "!~pric",
        "host": "!a.example",
        "query": "~",
        "title": "",
        "client": {"kept": True},
        "startDate": "2026-11-10T00:00:00.000Z",
        "endDate": "2026-12-31",
    }
    assert list(segments.conditions_of(made("cohort", written)).values()) != filters  # in the table's order
    assert set(segments.conditions_of(made("cohort", written)).values()) == set(filters)
    assert segments.written(SegmentType.COHORT, KEEP, KEEP, None, written) == {
        key: value for key, value in written.items() if key != "endDate"
    }


@pytest.mark.parametrize(
    ("kind", "filters", "start", "end", "field"),
    [
        (SegmentType.SEGMENT, [Condition("country", Operator.EQ, ("!US",))], None, None, "country"),
        (SegmentType.SEGMENT, [Condition("path", Operator.EQ, ("~/",))], None, None, "path"),
        (SegmentType.SEGMENT, [Condition("path", Operator.NE, ("~/",))], None, None, "path"),
        (SegmentType.SEGMENT, [Condition("screen", Operator.EQ, ("1x1",))], None, None, "screen"),
        (SegmentType.SEGMENT, [Condition("path", Operator.IN, ("/",))], None, None, "path"),
        (SegmentType.SEGMENT, [US, US], None, None, "filters"),
        (SegmentType.SEGMENT, [US], DAY, None, "start"),
        (SegmentType.SEGMENT, [US], None, DAY, "end"),
        (SegmentType.COHORT, [US], DAY, DAY - dt.timedelta(milliseconds=1), "start"),
    ],
    ids=str,
)
def test_what_cannot_be_written(
    kind: SegmentType,
    filters: list[Condition],
    start: dt.datetime | None,
    end: dt.datetime | None,
    field: str,
) -> None:
    with pytest.raises(Invalid) as refused:
        segments.written(kind, filters, start, end)
    assert refused.value.field == field


@pytest.mark.parametrize("name", ["", "x" * 201, "a\0b", "\ud83d"], ids=repr)
def test_names_refused(ctx: Ctx, site: UUID, name: str) -> None:
    kept = segments.create(ctx, site, kind=SegmentType.SEGMENT, name="kept", parameters={})
    with pytest.raises(Invalid):
        segments.create(ctx, site, kind=SegmentType.SEGMENT, name=name, parameters={})
    with pytest.raises(Invalid):
        segments.update(ctx, kept.segment_id, name=name)
    assert [row.name for row in segments.listed(ctx, site)] == ["kept"]


def test_a_search_for_what_no_store_holds_is_refused(ctx: Ctx, site: UUID) -> None:
    for search in ("a\0b", "\ud83d"):
        with pytest.raises(Invalid):
            segments.listed(ctx, site, search=search)


def test_a_website_has_no_more_than_so_many(ctx: Ctx, site: UUID) -> None:
    row = {"website_id": site, "type": "segment", "name": "n", "parameters": {}}
    ctx.db.execute(sa.insert(Segment), [row] * (segments.MAX_SEGMENTS - 1))
    segments.create(ctx, site, kind=SegmentType.COHORT, name="last", parameters={})
    with pytest.raises(Conflict):
        segments.create(ctx, site, kind=SegmentType.COHORT, name="one more", parameters={})
    assert len(segments.listed(ctx, site)) == segments.MAX_SEGMENTS


def test_names_and_ids_are_those_of_one_website(ctx: Ctx, site: UUID) -> None:
    other = websites.create(ctx, name="Other", domain="example.com").website_id
    theirs = segments.create(ctx, other, kind=SegmentType.COHORT, name="them", parameters={"url": "/"})
    with pytest.raises(Invalid) as refused:
        segments.named(ctx, site, SegmentType.COHORT, "them")
    assert (refused.value.message, refused.value.field) == ("Cohort not found.", "cohort")
    for website_id, kind in ((site, SegmentType.COHORT), (other, SegmentType.SEGMENT)):
        with pytest.raises(NotFound):
            segments.identified(ctx, website_id, kind, theirs.segment_id)
        with pytest.raises(NotFound):
            segments.identified(ctx, website_id, kind, uuid4())
    assert segments.identified(ctx, other, SegmentType.COHORT, theirs.segment_id) is theirs
    assert segments.named(ctx, other, SegmentType.COHORT, "them") is theirs


def test_who_may_not_see_the_website_finds_nothing(server: Server, website: str) -> None:
    with server.ctx() as ctx:
        row = segments.create(
            ctx, UUID(website), kind=SegmentType.SEGMENT, name="ours", parameters={"url": "/"}
        )
    stranger = Actor(Kind.USER, user_id=UUID(add_person(server).id))
    with server.ctx(stranger) as ctx:
        for attempt in (
            lambda: segments.get(ctx, row.segment_id),
            lambda: segments.get(ctx, uuid4()),
            lambda: segments.get(ctx, row.segment_id, UUID(website)),
            lambda: segments.update(ctx, row.segment_id, name="theirs"),
            lambda: segments.delete(ctx, row.segment_id),
            lambda: segments.named(ctx, UUID(website), SegmentType.SEGMENT, "ours"),
            lambda: segments.named(ctx, UUID(website), SegmentType.SEGMENT, "nothing"),
            lambda: segments.identified(ctx, UUID(website), SegmentType.SEGMENT, row.segment_id),
            lambda: segments.listed(ctx, UUID(website)),
        ):
            with pytest.raises(Hidden):
                attempt()
    with server.ctx() as ctx:
        assert segments.get(ctx, row.segment_id).name == "ours"
