"""The demo's traffic: the same figures for a seed on both stores, and everything in it that charts want to show."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from typer.testing import CliRunner

from app import auth, migrations, websites
from app.context import SYSTEM, Runtime
from app.db import EventStore
from app.demo import WEBSITE_IDS, fill
from app.demo.people import DEVICES, PLACES
from app.engines import accounts_engine, accounts_sessions
from app.ingest import agents
from app.paging import Window
from app.security import Keys, load_app_secret
from app.settings import Settings
from app.tables import CUSTOM_EVENT, DATA_TABLES, PAGE_VIEW, event, event_data, revenue, session_data
from tests.server import ADMIN
from tests.stores import event_store

END = dt.datetime(2025, 7, 1, tzinfo=dt.UTC)
DAYS = 14


@contextmanager
def opened(settings: Settings) -> Iterator[Runtime]:
    """The stores of these settings, with the first admin."""
    engine = accounts_engine(settings)
    migrations.upgrade(engine, "accounts")
    with event_store(settings) as events:
        runtime = Runtime(settings, Keys(load_app_secret(settings)), accounts_sessions(engine), events)
        runtime.call(SYSTEM, auth.ensure_admin)
        yield runtime
        runtime.close()


@pytest.fixture(scope="module")
def runtime(store: str, make_settings: Callable[..., Settings]) -> Iterator[Runtime]:
    """A store that was filled once."""
    with opened(make_settings(store)) as runtime:
        fill(runtime, END, DAYS)
        yield runtime


def rows(events: EventStore, *columns: Any, where: Any = None, by: Any = ()) -> list[tuple[Any, ...]]:
    query = sa.select(*columns).group_by(*by).order_by(*by)
    return [tuple(row) for row in events.rows(query if where is None else query.where(where))]


def per_site(events: EventStore, figure: Any, column: Any, where: Any = None) -> dict[str, Any]:
    found = dict(rows(events, column, figure, where=where, by=[column]))
    return {key: found.get(website_id, 0) for key, website_id in WEBSITE_IDS.items()}


COUNT = sa.func.count()


def test_each_site_has_its_exact_figures(runtime: Runtime) -> None:
    site, views = event.c.website_id, event.c.event_type == PAGE_VIEW
    assert per_site(runtime.events, COUNT, site) == {"shop": 4635, "manual": 9975, "journal": 6133}
    assert per_site(runtime.events, COUNT, site, views) == {"shop": 4121, "manual": 8560, "journal": 4803}
    assert per_site(runtime.events, sa.func.count(event.c.session_id.distinct()), site) == {
        "shop": 1477,
        "manual": 3070,
        "journal": 2287,
    }
    assert per_site(runtime.events, sa.func.count(event.c.visit_id.distinct()), site) == {
        "shop": 1662,
        "manual": 3675,
        "journal": 2654,
    }
    assert per_site(runtime.events, COUNT, event_data.c.website_id) == {
        "shop": 1532,
        "manual": 3306,
        "journal": 2668,
    }
    assert per_site(runtime.events, COUNT, session_data.c.website_id) == {
        "shop": 195,
        "manual": 235,
        "journal": 296,
    }


def test_custom_events_carry_data(runtime: Runtime) -> None:
    names = rows(
        runtime.events,
        event.c.event_name,
        COUNT,
        where=event.c.event_type == CUSTOM_EVENT,
        by=[event.c.event_name],
    )
    assert dict(names) == {
        "add-to-cart": 269,
        "copy-code": 598,
        "donation": 8,
        "download": 252,
        "feedback": 89,
        "newsletter": 5,
        "purchase": 62,
        "read": 1196,
        "search": 550,
        "share": 61,
        "signup": 34,
        "subscribe": 65,
        "wishlist": 70,
    }
    keys = rows(
        runtime.events,
        event_data.c.data_key,
        where=event_data.c.event_name.in_(["signup", "download", "search", "purchase"]),
        by=[event_data.c.event_name, event_data.c.data_key],
    )
    assert [key for (key,) in keys] == [
        "file",
        "version",
        "currency",
        "gift",
        "items",
        "payment",
        "revenue",
        "shipping.country",
        "shipping.method",
        "filters",
        "results",
        "term",
        "plan",
        "seats",
        "trial",
    ]


def test_purchases_and_donations_are_revenue(runtime: Runtime) -> None:
    sums = rows(
        runtime.events,
        revenue.c.event_name,
        revenue.c.currency,
        COUNT,
        sa.func.sum(revenue.c.revenue),
        by=[revenue.c.event_name, revenue.c.currency],
    )
    assert sums == [
        ("donation", "EUR", 2, Decimal("28.0000")),
        ("donation", "USD", 6, Decimal("68.0000")),
        ("purchase", "CHF", 4, Decimal("793.2500")),
        ("purchase", "EUR", 40, Decimal("9104.1000")),
        ("purchase", "GBP", 5, Decimal("638.9800")),
        ("purchase", "USD", 13, Decimal("1878.9100")),
    ]


def test_members_are_identified(runtime: Runtime) -> None:
    known = event.c.distinct_id != ""
    sessions = sa.func.count(event.c.session_id.distinct())
    assert per_site(runtime.events, sessions, event.c.website_id, known) == {
        "shop": 11,
        "manual": 27,
        "journal": 35,
    }
    # One session for each id, and all that is told of it with its id.
    [(ids, told)] = rows(
        runtime.events,
        sa.func.count(session_data.c.distinct_id.distinct()),
        sa.func.count(session_data.c.session_id.distinct()),
    )
    assert ids == told
    assert rows(runtime.events, COUNT, where=session_data.c.distinct_id == "") == [(0,)]
    keys = rows(runtime.events, session_data.c.data_key, by=[session_data.c.data_key])
    assert {key for (key,) in keys} == {
        "first_order",
        "frequency",
        "list",
        "newsletter",
        "plan",
        "role",
        "seats",
        "since",
        "tier",
        "visits",
    }


def test_experiments_are_tagged(runtime: Runtime) -> None:
    assert dict(rows(runtime.events, event.c.tag, COUNT, by=[event.c.tag])) == {
        "": 6133,
        "checkout-a": 2214,
        "checkout-b": 2421,
        "pricing-a": 5081,
        "pricing-b": 4894,
    }


# Domain and query of each channel's rule, the first that fits counts (Umami v2 REST behaviour §3.6). Told apart here
# without the channels of `app.stats`, as far as the demo's sources need it.
RULES = (
    ("direct", r"^$", r"^$"),
    (
        "paidAds",
        r"",
        r"utm_source=google|(gclid|fbclid|msclkid|twclid|li_fat_id|ttclid)=|utm_medium=(cpc|paid)",
    ),
    ("referral", r"", r"utm_medium=referral"),
    ("affiliate", r"", r"utm_medium=affiliate"),
    ("sms", r"", r"utm_medium=sms"),
    ("Search", r"google\.|bing\.com|duckduckgo\.com|ecosia\.org|chatgpt\.com|perplexity\.ai", r""),
    ("Social", r"facebook|instagram|t\.co|linkedin|tiktok|reddit|bsky|news\.ycombinator|pinterest", r""),
    ("Social", r"", r"utm_medium=social"),
    ("email", r"outlook\.|mail\.yahoo", r""),
    ("email", r"", r"utm_medium=email"),
    ("Shopping", r"ebay\.com|etsy\.com", r""),
    ("Video", r"youtube\.", r""),
)


def channel(domain: str, query: str) -> str:
    for name, domains, queries in RULES:
        if re.search(domains, domain) and re.search(queries, query):
            if name[0].islower():
                return name
            return (
                "paid" if re.search(r"utm_medium=(.*cp|ppc|retargeting|paid)", query) else "organic"
            ) + name
    return "none"


def test_visits_come_through_every_channel(runtime: Runtime) -> None:
    landings = rows(
        runtime.events,
        event.c.referrer_domain,
        event.c.url_query,
        event.c.session_id,
        by=[event.c.referrer_domain, event.c.url_query, event.c.session_id],
    )
    sessions = {(channel(domain, query), session) for domain, query, session in landings}
    assert Counter(name for name, _ in sessions) == {
        "affiliate": 42,
        "direct": 1293,
        "email": 497,
        "none": 4027,
        "organicSearch": 1802,
        "organicShopping": 26,
        "organicSocial": 3066,
        "organicVideo": 87,
        "paidAds": 299,
        "paidSearch": 32,
        "paidShopping": 13,
        "paidSocial": 36,
        "paidVideo": 12,
        "referral": 91,
        "sms": 22,
    }


def test_a_visit_is_one_session_and_shorter_than_half_an_hour(runtime: Runtime) -> None:
    visits = rows(
        runtime.events,
        sa.func.count(event.c.session_id.distinct()),
        sa.func.min(event.c.created_at),
        sa.func.max(event.c.created_at),
        by=[event.c.visit_id],
    )
    assert {sessions for sessions, _, _ in visits} == {1}
    assert max(last - first for _, first, last in visits) < dt.timedelta(minutes=30)
    assert min(first for _, first, _ in visits).date() == (END - dt.timedelta(days=DAYS)).date()
    assert max(last for _, _, last in visits) < END


def test_a_second_filling_adds_nothing(runtime: Runtime) -> None:
    def counts() -> list[list[tuple[Any, ...]]]:
        return [rows(runtime.events, sa.func.count(table.c.website_id)) for table in DATA_TABLES]

    before = counts()
    assert fill(runtime, END, DAYS) == 0
    assert fill(runtime, END + dt.timedelta(days=1), 3, seed=8) == 0
    assert counts() == before


def test_a_deleted_website_comes_back_as_it_was_and_leftovers_are_not_counted_twice(
    store: str, make_settings: Callable[..., Settings]
) -> None:
    def told(runtime: Runtime) -> dict[str, Any]:
        return per_site(runtime.events, COUNT, event.c.website_id)

    with opened(make_settings(store)) as runtime:
        stored = fill(runtime, END, 2)
        before = told(runtime)
        assert stored == sum(before.values())
        runtime.call(ADMIN, websites.delete, WEBSITE_IDS["manual"])
        # A filling that is interrupted leaves events of websites that are not there.
        with pytest.raises(KeyboardInterrupt):
            fill(runtime, END, 2, progress=_interrupt)
        assert fill(runtime, END, 2) == before["manual"]
        assert told(runtime) == before


def _interrupt(_days: int, _events: int) -> None:
    raise KeyboardInterrupt


def test_figures_depend_on_the_seed_and_not_on_the_secret(make_settings: Callable[..., Settings]) -> None:
    def path_times(secret: str, seed: int) -> list[tuple[Any, ...]]:
        with opened(make_settings("duckdb", app_secret=SecretStr(secret))) as runtime:
            fill(runtime, END, 1, seed)
            columns = [event.c.created_at, event.c.url_path, event.c.city, event.c.browser]
            return rows(runtime.events, *columns, COUNT, by=columns)

    assert path_times("one", 7) == path_times("another", 7)
    assert path_times("one", 7) != path_times("one", 8)


def test_the_websites_belong_to_the_admin_since_their_first_day(runtime: Runtime) -> None:
    def owned() -> list[tuple[str, UUID, dt.datetime]]:
        with runtime.operation(ADMIN) as ctx:
            return [
                (w.domain, w.website_id, w.created_at)
                for w in websites.own(ctx, Window(), order_by="domain").rows
            ]

    since = END - dt.timedelta(days=DAYS)
    assert owned() == [
        ("docs.tidewire.example", WEBSITE_IDS["manual"], since),
        ("lumenlarch.example", WEBSITE_IDS["shop"], since),
        ("slowatlas.example", WEBSITE_IDS["journal"], since),
    ]


@pytest.mark.parametrize("device", DEVICES, ids=lambda device: device.agent)
def test_devices_are_people(device: Any) -> None:
    described = agents.describe(device.agent)
    assert not described.bot
    assert described.browser
    kinds = {agents.device_name(described.os, screen) for screen in device.screens.things}
    assert kinds <= ({"mobile", "tablet"} if device.mobile else {"desktop", "laptop"})


def test_places_fit_together() -> None:
    for place in PLACES:
        assert place.location.region.startswith(place.location.country + "-")
    assert len({place.location.city for place in PLACES}) == len(PLACES)


def test_the_command_fills_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.cli import cli

    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    first = CliRunner().invoke(cli, ["demo", "--no-serve", "--days", "2"])
    assert first.exit_code == 0, first.output
    assert re.search(r"[\d,]+ events of 2 days are in\.", first.output)
    assert "user admin, password" in first.output
    second = CliRunner().invoke(cli, ["demo", "--no-serve", "--days", "2"])
    assert second.exit_code == 0, second.output
    assert "The demo's websites are already there. Nothing was added." in second.output
    assert str(WEBSITE_IDS["shop"]) in second.output
