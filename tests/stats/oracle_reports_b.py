"""The judge of campaigns, insights, revenue and attribution: plain Python, as the words of the behaviour say it."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

from tests.stats import oracle
from tests.stats.oracle import CUSTOM, VIEW, Event, World

Money = tuple[str, Decimal]


def ranked(counts: dict[Any, Any], limit: int | None = None) -> list[tuple[Any, Any]]:
    """Most first, then by name, an absent one as ''."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0] or ""))[:limit]


def utm(world: World) -> dict[str, list[tuple[str, int]]]:
    """Parameter → (value, page views), parameters in order of their page views."""
    names: Counter[str] = Counter()
    values: dict[str, Counter[str]] = defaultdict(Counter)
    for event in world.rows(VIEW):
        pairs = {
            (name, value)
            for name, value in parse_qsl(event["url_query"], keep_blank_values=True)
            if re.fullmatch("utm_[A-Za-z0-9_]+", name)
        }
        names.update({name for name, _ in pairs})
        for name, value in pairs:
            values[name][value] += 1
    return {name: ranked(values[name]) for name, _ in ranked(names)}


COLUMNS = {
    "url": "url_path",
    "entry": "url_path",
    "exit": "url_path",
    "host": "hostname",
    "title": "page_title",
    "query": "url_query",
    "referrer": "referrer_domain",
    "event": "event_name",
}
COMPARED: dict[str, Callable[[str, str], bool]] = {
    "eq": lambda text, value: text == value,
    "neq": lambda text, value: text != value,
    "c": lambda text, value: value.lower() in text.lower(),
    "dnc": lambda text, value: value.lower() not in text.lower(),
}


def insights(
    world: World, fields: Sequence[str], filters: Iterable[tuple[str, str, str]]
) -> list[tuple[tuple[str | None, ...], dict[str, int]]]:
    """(values, figures) in order; filters are (name, operator, value), the last of a name stands."""
    standing = {name: (operator, value) for name, operator, value in filters}

    def shown(event: Event, name: str) -> str | None:
        column = COLUMNS.get(name, name)
        return event[column] if column in ("url_path", "url_query") else event[column] or None

    def kept(event: Event) -> bool:
        for name, (operator, value) in standing.items():
            text = shown(event, name)
            # As a filter, and only as one, a referrer of the site's own is none.
            if name == "referrer" and event["hostname"] in (text, f"www.{text}"):
                return False
            if text is None or not COMPARED[operator](text, value):
                return False
        return True

    groups: dict[tuple[str | None, ...], list[Event]] = defaultdict(list)
    for event in world.rows(VIEW):
        if kept(event):
            groups[tuple(shown(event, name) for name in fields)].append(event)
    found = [(values, oracle.figures(rows)) for values, rows in groups.items()]
    return sorted(
        found, key=lambda row: (-row[1]["pageviews"], -row[1]["visitors"], [text or "" for text in row[0]])
    )


def money(event: Event) -> Money | None:
    """(currency, amount) that an event brought."""
    texts = {datum.key: datum.string for datum in event.data}
    return (texts["currency"], Decimal(texts["revenue"])) if "revenue" in texts else None


def sold(world: World, currency: str | None = None) -> list[tuple[Event, Money]]:
    """Events that brought money, in any currency or in this one, upper or lower case."""
    found = [(event, brought) for event in world.rows() if (brought := money(event))]
    return [row for row in found if currency is None or row[1][0].lower() == currency.lower()]


def _takings(rows: list[tuple[Event, Money]]) -> tuple[Decimal, int, int]:
    return (
        sum((amount for _, (_, amount) in rows), Decimal(0)),
        len(rows),
        len({event.session_id for event, _ in rows}),
    )


def revenue(world: World, currency: str, unit: str) -> dict[str, Any]:
    rows = sold(world, currency)
    series: dict[tuple[dt.datetime, str], Decimal] = defaultdict(Decimal)
    countries: dict[str | None, Decimal] = defaultdict(Decimal)
    for event, (_, amount) in rows:
        series[oracle.floor(oracle.wall(event.at, world.zone), unit), event["event_name"]] += amount
        countries[event["country"] or None] += amount
    written: dict[str, list[tuple[Event, Money]]] = defaultdict(list)
    for row in sold(world):
        written[row[1][0]].append(row)
    takings = {name: _takings(found) for name, found in written.items()}
    return {
        "total": _takings(rows),
        "series": [(name or None, at, amount) for (at, name), amount in sorted(series.items())],
        "countries": ranked(countries),
        "currencies": sorted(takings.items(), key=lambda item: (-item[1][0], item[0])),
    }


def currencies(world: World) -> list[str]:
    data = [datum for event in world.rows() for datum in event.data]
    return sorted({datum.string for datum in data if "currency" in datum.key.lower()})


ADS = {
    "gclid": "Google Ads",
    "fbclid": "Facebook / Meta",
    "msclkid": "Microsoft Ads",
    "ttclid": "TikTok Ads",
    "li_fat_id": "LinkedIn Ads",
    "twclid": "Twitter Ads (X)",
}
TAGS = ("utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term")


def attribution(
    world: World, first_click: bool, url: bool, value: str, currency: str = ""
) -> tuple[dict[str, list[tuple[str | None, int | Decimal]]], tuple[int, int, int]]:
    """(dimension → credits in order, (conversions, visitors, visits))."""
    rows = world.rows()
    if url:
        conversions = [e for e in rows if e.type == VIEW and e["url_path"] == value]
    else:
        conversions = [e for e in rows if e.type == CUSTOM and e["event_name"] == value]
    weights: dict[UUID, int | Decimal] = {event.session_id: 1 for event in conversions}
    moments = {event.session_id: event.at for event in sorted(conversions, key=lambda e: e.at)}
    if currency:
        paid = [row for row in sold(world, currency) if url or row[0]["event_name"] == value]
        if not url:
            moments = {event.session_id: event.at for event, _ in sorted(paid, key=lambda row: row[0].at)}
        sums: dict[UUID, Decimal] = defaultdict(Decimal)
        for event, (_, amount) in paid:
            sums[event.session_id] += amount
        weights = {session: amount for session, amount in sums.items() if session in moments}
    credits: dict[str, dict[str | None, int | Decimal]] = {
        name: {} for name in ("referrer", "paid_ads", *TAGS)
    }
    for session, weight in weights.items():
        # By time (backwards for the last click), then page views first, then by id.
        ordered = sorted(
            (e for e in rows if e.session_id == session), key=lambda e: (e.at, e.type, e.event_id.bytes)
        )
        if not first_click:
            before = [e for e in ordered if e.at < moments[session]]
            ordered = [e for e in before if e.at == before[-1].at]
        if ordered:
            for name, said in _said(ordered[0], bool(currency)).items():
                if said or currency:
                    credits[name][said or None] = credits[name].get(said or None, 0) + weight
    total = (
        len(conversions),
        len({e.session_id for e in conversions}),
        len({e.visit_id for e in conversions}),
    )
    return {name: ranked(found, 20) for name, found in credits.items()}, total


def _said(event: Event, own_host: bool) -> dict[str, str]:
    domain = event["referrer_domain"]
    own = event["hostname"] in (domain, f"www.{domain}")
    return {
        "referrer": "" if own and not own_host else domain,
        "paid_ads": next((name for column, name in ADS.items() if event[column]), ""),
        **{name: event[name] for name in TAGS},
    }
