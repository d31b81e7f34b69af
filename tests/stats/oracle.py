"""The judge: every statistic in plain Python over a list of events, as the words of the behaviour say it.

It shares nothing with `app.stats` but the shapes of filters, so that an error would have to be made twice.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from app.stats.filters import And, Condition, Filter, Not, Operator, Or, Property

VIEW, CUSTOM = 1, 2


@dataclass(frozen=True)
class Datum:
    """One flattened key of an event's data: `type` 1 string, 2 number, 3 truth value."""

    key: str
    type: int
    string: str
    number: float | None = None


@dataclass(frozen=True)
class Event:
    """A row of `event`; '' is absent. `columns` are the texts that are not empty, by column name."""

    event_id: UUID
    session_id: UUID
    visit_id: UUID
    at: dt.datetime
    columns: dict[str, str]
    data: tuple[Datum, ...] = field(default=())

    @property
    def type(self) -> int:
        return CUSTOM if self.columns.get("event_name") else VIEW

    def __getitem__(self, column: str) -> str:
        return self.columns.get(column, "")


COLUMNS = {
    "path": "url_path",
    "query": "url_query",
    "title": "page_title",
    "referrer": "referrer_domain",
    "event": "event_name",
}


def value(event: Event, name: str) -> str | None:
    """What an event has in a field; None if absent. A site's own pages are no referrers."""
    text = event[COLUMNS.get(name, name)]
    if name in ("path", "query"):
        return text
    if name == "referrer" and event["hostname"] in (text, f"www.{text}"):
        return None
    return text or None


def matches(where: Filter | None, event: Event) -> bool:
    match where:
        case None:
            return True
        case And(parts):
            return all(matches(part, event) for part in parts)
        case Or(parts):
            return any(matches(part, event) for part in parts)
        case Not(part):
            return not matches(part, event)
        case Property():
            return _property(where, event)
        case Condition(name, Operator.IS_SET, values):
            return bool(value(event, name)) is (values[0] == "true")
        case Condition(name, operator, values):
            text = value(event, name)
            return text is not None and _TEXT[operator](text, values)
        case _ if callable(where):  # what other judges decide, of an event alone
            return bool(where(event))


_TEXT: dict[Operator, Callable[[str, tuple[str, ...]], bool]] = {
    Operator.EQ: lambda text, values: text == values[0],
    Operator.NE: lambda text, values: text != values[0],
    Operator.IN: lambda text, values: text in values,
    Operator.NOT_IN: lambda text, values: text not in values,
    Operator.CONTAINS: lambda text, values: values[0].lower() in text.lower(),
    Operator.NOT_CONTAINS: lambda text, values: values[0].lower() not in text.lower(),
    Operator.STARTS_WITH: lambda text, values: text.lower().startswith(values[0].lower()),
    Operator.ENDS_WITH: lambda text, values: text.lower().endswith(values[0].lower()),
    Operator.MATCHES: lambda text, values: bool(
        re.search(values[0], text, re.IGNORECASE | re.DOTALL | re.ASCII)
    ),
}
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "gt": lambda a, b: a > b,
    "gte": lambda a, b: a >= b,
    "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b,
    "contains": lambda a, b: b.lower() in a.lower(),
}


def _property(where: Property, event: Event) -> bool:
    if where.event is not None and event["event_name"] != where.event:
        return False
    found = [datum for datum in event.data if datum.key == where.key]
    if where.operator == "isSet":
        return bool(found) is where.value
    return any(_fits(where, datum) for datum in found)


def _fits(where: Property, datum: Datum) -> bool:
    compare = _ORDER[where.operator]
    if isinstance(where.value, bool):
        return datum.type == 3 and compare(datum.string, "true" if where.value else "false")
    if isinstance(where.value, str):
        return datum.type != 2 and compare(datum.string, where.value)
    return datum.type == 2 and compare(datum.number, where.value)


@dataclass(frozen=True)
class World:
    """Events of one website, and what is asked of them."""

    events: tuple[Event, ...]
    start: dt.datetime
    end: dt.datetime
    zone: ZoneInfo
    where: Filter | None = None

    def within(self) -> list[Event]:
        return [event for event in self.events if self.start <= event.at <= self.end]

    def rows(self, type: int | None = None) -> list[Event]:
        return [e for e in self.within() if matches(self.where, e) and type in (None, e.type)]


def figures(rows: Iterable[Event], counted: int = VIEW) -> dict[str, int]:
    """The six measures of some rows. Visitors and visits are those with a row of the type that counts."""
    rows = list(rows)
    visits: dict[tuple[UUID, UUID], list[dt.datetime]] = defaultdict(list)
    for event in rows:
        if event.type == VIEW:
            visits[event.session_id, event.visit_id].append(event.at)
    return {
        "pageviews": sum(event.type == VIEW for event in rows),
        "visitors": len({event.session_id for event in rows if event.type == counted}),
        "visits": len({event.visit_id for event in rows if event.type == counted}),
        "bounces": sum(len(times) == 1 for times in visits.values()),
        "totaltime": sum(int((max(times) - min(times)).total_seconds()) for times in visits.values()),
        "events": sum(event.type == CUSTOM for event in rows),
    }


def breakdown(
    world: World, by: Sequence[str], events_asked: bool = False
) -> list[tuple[tuple[str | None, ...], dict[str, int]]]:
    """(values, figures) of every combination, unordered. Those with custom events alone are listed where asked for."""
    counted = CUSTOM if "event" in by else VIEW
    groups: dict[tuple[str | None, ...], list[Event]] = defaultdict(list)
    for event in world.rows():
        values = tuple(value(event, name) for name in by)
        if any(name == "referrer" and text is None for name, text in zip(by, values, strict=True)):
            continue
        if "event" not in by or event.type == CUSTOM:
            groups[values].append(event)
    return [
        (values, figures(rows, counted))
        for values, rows in groups.items()
        if events_asked or any(event.type == counted for event in rows)
    ]


def edges(world: World, last: bool) -> list[tuple[tuple[str | None, ...], dict[str, int]]]:
    """By the path of each visit's first (or last) page view; the figures are those of the whole visits."""
    visits: dict[UUID, list[Event]] = defaultdict(list)
    for event in world.within():
        visits[event.visit_id].append(event)
    groups: dict[str, dict[str, Any]] = {}
    for visit_id, rows in visits.items():
        views = sorted((e for e in rows if e.type == VIEW), key=lambda e: e.at)
        if not views:
            continue
        length = int((views[-1].at - views[0].at).total_seconds())
        at = views[-1 if last else 0].at
        for session_id, path in {
            (e.session_id, e["url_path"]) for e in views if e.at == at and matches(world.where, e)
        }:
            group = groups.setdefault(path, defaultdict(set))
            group["visitors"].add(session_id)
            group["visits"].add(visit_id)
            for name, number in (
                ("pageviews", len(views)),
                ("bounces", len(views) == 1),
                ("totaltime", length),
                ("events", len(rows) - len(views)),
            ):
                group[name] = group.get(name, 0) + number
    return [
        ((path,), {name: len(n) if isinstance(n, set) else n for name, n in group.items()})
        for path, group in groups.items()
    ]


def ranked(
    found: list[tuple[tuple[str | None, ...], dict[str, int]]], measure: str
) -> list[tuple[tuple[str | None, ...], dict[str, int]]]:
    """Most of the measure first, then by values, an absent one as ''."""
    return sorted(found, key=lambda row: (-row[1][measure], tuple(text or "" for text in row[0])))


def wall(at: dt.datetime, zone: ZoneInfo) -> dt.datetime:
    return at.astimezone(zone).replace(tzinfo=None)


def floor(wall: dt.datetime, unit: str) -> dt.datetime:
    cut = {"minute": 5, "hour": 4, "day": 3, "week": 3, "month": 2, "year": 1}[unit]
    start = dt.datetime(*(*wall.timetuple()[:cut], *(1, 1, 1)[: max(0, 3 - cut)]))
    return start - dt.timedelta(days=start.weekday()) if unit == "week" else start


def series(world: World, unit: str) -> dict[dt.datetime, dict[str, int]]:
    """Figures of each bucket that has any event."""
    groups: dict[dt.datetime, list[Event]] = defaultdict(list)
    for event in world.rows():
        groups[floor(wall(event.at, world.zone), unit)].append(event)
    return {at: figures(rows) for at, rows in sorted(groups.items())}


def buckets(world: World, unit: str) -> list[dt.datetime]:
    """Every bucket of the range, found by walking through it in steps no zone can hide between."""
    step = dt.timedelta(minutes=1 if unit == "minute" else 5)
    # Offsets change on whole minutes, so instants on them see every wall-clock hour.
    first = world.start.replace(second=0, microsecond=0)
    count = int((world.end - first) / step) + 1 if world.start <= world.end else 0
    instants = [world.start, world.end, *(first + number * step for number in range(count))]
    inside = [instant for instant in instants if world.start <= instant <= world.end]
    return sorted({floor(wall(instant, world.zone), unit) for instant in inside})


def event_series(world: World, unit: str) -> list[tuple[dt.datetime, str, int]]:
    """(bucket, name, count) in order."""
    found = Counter((floor(wall(e.at, world.zone), unit), e["event_name"]) for e in world.rows(CUSTOM))
    return sorted((at, name, count) for (at, name), count in found.items())


def values(world: World, name: str, search: str, limit: int) -> list[tuple[str | None, int]]:
    found = Counter(value(event, name) for event in world.rows())
    if name == "referrer":
        found.pop(None, None)
    if "," in search:
        wanted = [text.lower() for text in search.split(",")[:5]]
        found = Counter({text: n for text, n in found.items() if text is not None and text.lower() in wanted})
    elif search:
        found = Counter({text: n for text, n in found.items() if search.lower() in (text or "").lower()})
    return sorted(found.items(), key=lambda row: (-row[1], row[0] or ""))[:limit]


def channel(domain: str, query: str) -> str | None:
    """The table of rules, one `if` for each."""
    if not domain and not query:
        return "direct"

    def after(mark: str) -> str:
        return query.split(mark, 1)[1] if mark in query else ""

    def starts(mark: str, *words: str) -> bool:
        return any(mark + word in query for word in words)

    def domain_has(words: str) -> bool:
        return any(word in domain for word in words.split())

    medium, campaign = "utm_medium=", after("utm_campaign=")
    paid = "cp" in after(medium) or starts(medium, "ppc", "retargeting", "paid")
    prefix = "paid" if paid else "organic"
    ads = (
        "utm_source=google gclid= fbclid= msclkid= dclid= twclid= li_fat_id= epik= ttclid= scid= aid= pc_id= ad_id= "
        "rdt_cid= ob_click_id= utm_medium=cpc utm_medium=paid utm_medium=paid_social"
    )
    if any(mark in query for mark in ads.split()):
        return "paidAds"
    if starts(medium, "referral", "app", "link"):
        return "referral"
    if starts(medium, "affiliate"):
        return "affiliate"
    if "utm_source=sms" in query or "utm_medium=sms" in query:
        return "sms"
    search = (
        "google. bing.com msn.com duckduckgo.com search.brave.com yandex. baidu.com ecosia.org chatgpt.com"
    )
    if domain_has(search + " perplexity.ai") or starts(medium, "organic"):
        return prefix + "Search"
    social = "facebook.com fb.com instagram.com ig.com twitter.com t.co x.com linkedin. tiktok. reddit. threads.net"
    if domain_has(social + " bsky.app news.ycombinator.com snapchat. pinterest.") or starts(
        medium, "social", "sm"
    ):
        return prefix + "Social"
    mails = ("e-mail", "email", "e_mail", "e mail")
    if domain_has("gmail. mail.yahoo. outlook. hotmail. protonmail. proton.me") or any(
        word in after(medium) for word in mails
    ):
        return "email"
    shops = (
        "amazon. ebay.com walmart.com alibab.com aliexpress.com etsy.com bestbuy.com target.com newegg.com"
    )
    places = [n for n in range(1, len(campaign)) if campaign.startswith("shop", n)]
    behind = any(campaign[n - 1] not in "abcdfghijklmnopqrstuvwxyz" for n in places)
    if domain_has(shops) or "shopping" in campaign or behind:
        return prefix + "Shopping"
    if domain_has("youtube. twitch.") or "video" in after(medium):
        return prefix + "Video"
    return None


CHANNELS = [
    "direct",
    "referral",
    "affiliate",
    "email",
    "sms",
    "organicSearch",
    "organicSocial",
    "organicShopping",
    "organicVideo",
    "paidAds",
    "paidSearch",
    "paidSocial",
    "paidShopping",
    "paidVideo",
]


def channels(world: World) -> list[tuple[str, int]]:
    """All channels; visitors are distinct in each pair of referrer and query, and the pairs are added up."""
    pairs: dict[tuple[str, str], set[UUID]] = defaultdict(set)
    for event in world.rows():
        pairs[event["referrer_domain"], event["url_query"]].add(event.session_id)
    found: Counter[str | None] = Counter()
    for (domain, query), sessions in pairs.items():
        found[channel(domain, query)] += len(sessions)
    return sorted(((name, found[name]) for name in CHANNELS), key=lambda row: -row[1])
