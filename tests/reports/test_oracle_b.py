"""Random visits, campaigns and sales: on every store, every report says what the oracle says."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app import parameters, websites
from app.context import Ctx
from app.reports import attribution, breakdown, revenue, utm
from app.reports.report import Report
from app.stats.measures import MEASURES
from app.stats.period import Period, Unit
from app.stats.scope import Scope, open_scope
from app.stats.zones import UTC
from tests.server import Server
from tests.stats import oracle_reports_b as oracle
from tests.stats.oracle import Datum, Event, World
from tests.stats.worlds import TEXTS, store, worlds

judged = settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)

QUERIES = (
    "",
    "utm_source=news&utm_medium=email",
    "utm_source=news&utm_source=news&utm_source=ads",
    "a=1&utm_x_9=b%20c+d&utm_=no&utm_a-b=no",
    "xutm_source=no",
    "utm_source&utm_term=%E4%BD%A0&utm_medium=%FF=x",
)
CAMPAIGNS = {
    "url_query": QUERIES,
    "utm_source": ("", "news", "News"),
    "utm_medium": ("", "email"),
    "utm_term": ("", "a", "é"),
    **dict.fromkeys(("gclid", "fbclid", "msclkid", "ttclid", "li_fat_id", "twclid"), ("", "1")),
}
AMOUNTS = ("19.9900", "0.1000", "0.2000", "5.0000", "99999999999.9999", "0.0001")
CURRENCIES = ("USD", "usd", "EUR")


@st.composite
def sales(draw: st.DrawFn) -> World:
    """A world whose events may come from campaigns and bring money."""
    world = draw(worlds())
    events = []
    for event in world.events:
        columns = {column: draw(st.sampled_from(texts)) for column, texts in CAMPAIGNS.items()}
        data: tuple[Datum, ...] = ()
        if draw(st.booleans()):
            amount, currency = draw(st.sampled_from(AMOUNTS)), draw(st.sampled_from(CURRENCIES))
            data = (Datum("revenue", 2, amount, float(amount)), Datum("currency", 1, currency))
        elif draw(st.booleans()):
            data = (Datum("shop.Currency", 1, "FR"),)
        events.append(replace(event, columns={**event.columns, **columns}, data=event.data + data))
    return replace(world, events=tuple(events))


@contextmanager
def opened(server: Server, world: World) -> Iterator[tuple[Ctx, Scope]]:
    """The world stored as a website of its own, with a neighbour whose equal events must not count."""
    with server.ctx() as ctx:
        website_id: UUID = websites.create(ctx, name="World", domain="example.com").website_id
        store(server.runtime, world.events, website_id, uuid4())
        yield ctx, open_scope(ctx, website_id, Period(world.start, world.end, world.zone), world.where)


def asked(report: Report[Any, Any], world: World, **sent: Any) -> Any:
    """The parameters of a report, as a client writes them."""
    period = {"startDate": world.start.isoformat(), "endDate": world.end.isoformat()}
    given = {"websiteId": str(uuid4()), "dateRange": {**period, **sent.pop("range", {})}, **sent}
    return report.parse(parameters.read(report.all_fields, given))


@given(world=sales())
@judged
def test_utm(server: Server, world: World) -> None:
    with opened(server, world) as (ctx, scope):
        found = utm.REPORT.run(ctx, scope, asked(utm.REPORT, world))
    shown = [(one.name, [(row.value, row.pageviews) for row in one.values]) for one in found]
    assert shown == list(oracle.utm(world).items())


_VALUES = {
    "url": TEXTS["url_path"],
    "entry": TEXTS["url_path"],
    "host": TEXTS["hostname"],
    "referrer": TEXTS["referrer_domain"],
    "event": TEXTS["event_name"],
    "tag": TEXTS["tag"],
    "query": QUERIES,
    "country": TEXTS["country"],
    "title": TEXTS["page_title"],
}
_filters = st.lists(
    st.sampled_from(sorted(_VALUES)).flatmap(
        lambda name: st.tuples(
            st.just(name),
            st.sampled_from(sorted(oracle.COMPARED)),
            st.sampled_from((*_VALUES[name], "E", "%", "_")),
        )
    ),
    max_size=3,
)


@given(
    world=sales(),
    fields=st.lists(st.sampled_from(sorted(breakdown.FIELDS)), min_size=1, max_size=3, unique=True),
    filters=_filters,
    key=st.sampled_from(("operator", "filter")),
)
@judged
def test_insights(
    server: Server, world: World, fields: list[str], filters: list[tuple[str, str, str]], key: str
) -> None:
    params = asked(
        breakdown.REPORT,
        world,
        fields=[{"name": name, "type": "string", "label": name} for name in fields],
        filters=[
            {"name": name, "type": "string", key: operator, "value": value}
            for name, operator, value in filters
        ],
    )
    with opened(server, world) as (ctx, scope):
        found = breakdown.REPORT.run(ctx, scope, params)
    assert found.fields == tuple(fields)
    # Custom events never count, so they are never counted.
    shown = [(row.values, {name: getattr(row, name) for name in MEASURES}) for row in found.rows]
    assert shown == oracle.insights(world, fields, filters)


@given(
    world=sales(),
    currency=st.sampled_from(("USD", "uSd", "EUR", "GBP")),
    unit=st.sampled_from([unit for unit in Unit if unit is not Unit.WEEK]),
    parts=st.sets(st.sampled_from(sorted(revenue.PARTS))),
)
@judged
def test_revenue(server: Server, world: World, currency: str, unit: Unit, parts: set[str]) -> None:
    params = asked(
        revenue.REPORT, world, currency=currency, timezone=world.zone.key, range={"unit": unit.value}
    )
    with opened(server, world) as (ctx, scope):
        everything = revenue.REPORT.run(ctx, scope, params)
        some = revenue.REPORT.run(ctx, scope, replace(params, parts=frozenset(parts)))
        listed = revenue.currencies(ctx, scope)
    expected = oracle.revenue(world, currency, unit)
    takings = {name: revenue.Takings(*numbers) for name, numbers in expected["currencies"]}
    judge = revenue.Revenue(
        total=revenue.Takings(*expected["total"]),
        series=[revenue.Point(*point) for point in expected["series"]],
        countries=expected["countries"],
        currencies=list(takings.items()),
    )
    nothing = revenue.Revenue()
    assert everything == judge
    assert {name: getattr(some, name) for name in revenue.PARTS} == {
        name: getattr(judge if name in parts else nothing, name) for name in revenue.PARTS
    }
    assert listed == oracle.currencies(world)


@given(
    world=sales(),
    model=st.sampled_from(("firstClick", "lastClick", "firstclick")),
    step=st.sampled_from(
        (("url", "/"), ("url", "/a"), ("event", "signup"), ("other", "Purchase"), ("event", "nothing"))
    ),
    currency=st.sampled_from(("", "usd", "EUR", "GBP")),
)
@judged
def test_attribution(server: Server, world: World, model: str, step: tuple[str, str], currency: str) -> None:
    kind, value = step
    sent: dict[str, Any] = {"currency": currency} if currency else {}
    params = asked(attribution.REPORT, world, model=model, steps=[{"type": kind, "value": value}], **sent)
    with opened(server, world) as (ctx, scope):
        found = attribution.REPORT.run(ctx, scope, params)
    by, total = oracle.attribution(world, model == "firstClick", kind == "url", value, currency)
    assert {name: [(one.name, one.value) for one in credits] for name, credits in found.by.items()} == by
    assert (found.conversions, found.visitors, found.visits) == total


def test_the_judge_takes_the_event_before_a_conversion_and_a_page_view_before_others() -> None:
    """The oracle's own footing, where random worlds agree or differ for long before one says which."""
    start = dt.datetime(2026, 11, 10, tzinfo=dt.UTC)
    session, visit = uuid4(), uuid4()

    def at(minute: int, number: int, **columns: str) -> Event:
        moment = start + dt.timedelta(minutes=minute)
        return Event(UUID(int=number), session, visit, moment, columns)

    events = (
        at(0, 1, event_name="open", utm_source="mail"),
        at(0, 2, utm_source="news"),
        at(1, 3, utm_source="ads"),
        at(2, 4, event_name="buy", utm_source="none"),
    )
    world = World(events, start, start + dt.timedelta(hours=1), UTC)
    sources = [oracle.attribution(world, first, False, "buy")[0]["utm_source"] for first in (True, False)]
    assert sources == [[("news", 1)], [("ads", 1)]]
