"""Random worlds: few sessions, few values and few instants, so that ties, repeats and absent values are the rule."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable
from itertools import product
from uuid import UUID, uuid4

from hypothesis import strategies as st

from app.context import Runtime
from app.stats.filters import And, Condition, Filter, Not, Operator, Or, Property
from app.stats.zones import time_zone
from app.tables import CLICK_ID_COLUMNS, SESSION_COLUMNS, UTM_COLUMNS
from tests.stats.oracle import Datum, Event, World

TEXTS = {
    "url_path": ("/", "/a", "/A/b", "/x_y", "/50%", "/é", ""),
    "url_query": ("", "utm_medium=email", "gclid=1", "utm_medium=cpm", "q=a'b"),
    "page_title": ("", "Home", "Über uns", "line\nbreak"),
    "hostname": ("example.com", "www.example.com", "other.org"),
    "referrer_domain": ("", "example.com", "google.com", "t.co", "github.com"),
    "tag": ("", "Red", "red"),
    "browser": ("", "chrome", "Firefox"),
    "country": ("", "US", "DE"),
    "region": ("", "US-CA"),
    "language": ("en-US", "en-GB"),
    "event_name": ("", "", "", "signup", "Purchase"),
}
_ALL_TEXTS = (
    *("event_name", "url_path", "url_query", "hostname", "page_title"),
    *("referrer_domain", "referrer_path", "referrer_query", "tag"),
    *UTM_COLUMNS,
    *CLICK_ID_COLUMNS,
    *SESSION_COLUMNS,
)
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia")
# Around changes of clocks in Berlin, New York and Lord Howe, the end of a month and the end of a leap year's February.
STARTS = (
    dt.datetime(2026, 3, 28, 18, tzinfo=dt.UTC),
    dt.datetime(2026, 10, 24, 20, tzinfo=dt.UTC),
    dt.datetime(2026, 11, 1, 0, tzinfo=dt.UTC),
    dt.datetime(2026, 10, 3, 10, tzinfo=dt.UTC),
    dt.datetime(2025, 12, 31, 12, tzinfo=dt.UTC),
    dt.datetime(2028, 2, 28, 20, tzinfo=dt.UTC),
)

_ids = st.integers(0, 2**128 - 1).map(lambda number: UUID(int=number))
_sessions = st.sampled_from([UUID(int=number << 120) for number in (1, 0x7F, 0x80, 0xFF)])
_visits = st.sampled_from([UUID(int=number) for number in range(5)])
_minutes = st.one_of(st.integers(0, 40).map(lambda n: n * 30), st.integers(0, 3000))
_data = st.lists(
    st.one_of(
        st.builds(Datum, st.sampled_from("kn"), st.just(1), st.sampled_from(("pro", "Pro", "10"))),
        st.sampled_from((3.0, 10.0, -1.25, 19.99)).map(lambda n: Datum("n", 2, f"{n:.4f}", n)),
        st.sampled_from(("true", "false")).map(lambda text: Datum("ok", 3, text)),
    ),
    max_size=2,
    unique_by=lambda datum: datum.key,
)


@st.composite
def _events(draw: st.DrawFn, start: dt.datetime) -> Event:
    at = start + dt.timedelta(minutes=draw(_minutes), milliseconds=draw(st.sampled_from((0, 0, 1, 59_999))))
    columns = {column: draw(st.sampled_from(texts)) for column, texts in TEXTS.items()}
    return Event(draw(_ids), draw(_sessions), draw(_visits), at, columns, tuple(draw(_data)))


_FIELDS = {
    "path": TEXTS["url_path"],
    "query": TEXTS["url_query"],
    "title": TEXTS["page_title"],
    "hostname": TEXTS["hostname"],
    "referrer": TEXTS["referrer_domain"],
    "event": TEXTS["event_name"],
    "tag": TEXTS["tag"],
    "browser": TEXTS["browser"],
    "country": TEXTS["country"],
}
_PATTERNS = (r"^/a", r"o.*e", r"[0-9]+%", r"(?:re|gb)d?$", r"\w{3,4}", r"k\Wa|x_", r"")


@st.composite
def _conditions(draw: st.DrawFn) -> Condition:
    name = draw(st.sampled_from(sorted(_FIELDS)))
    operator = draw(st.sampled_from(Operator))
    text = st.sampled_from((*_FIELDS[name], "E", "a", "nowhere"))
    if operator is Operator.IS_SET:
        text = st.sampled_from(("true", "false"))
    if operator is Operator.MATCHES:
        text = st.sampled_from(_PATTERNS)
    many = operator in (Operator.IN, Operator.NOT_IN)
    return Condition(
        name, operator, tuple(draw(st.lists(text, min_size=0 if many else 1, max_size=3 if many else 1)))
    )


_properties = st.one_of(
    st.builds(
        Property,
        key=st.sampled_from("knx"),
        operator=st.sampled_from(("eq", "ne", "contains", "gt", "lte")),
        value=st.sampled_from(("pro", "O", "10", "")),
        event=st.sampled_from((None, "signup")),
    ),
    st.builds(
        Property,
        key=st.just("n"),
        operator=st.sampled_from(("eq", "ne", "gt", "gte", "lt", "lte")),
        value=st.sampled_from((3.0, 10, 19.99, -1.25)),
        event=st.sampled_from((None, "signup")),
    ),
    st.builds(
        Property,
        key=st.sampled_from(("ok", "n")),
        operator=st.sampled_from(("eq", "ne", "isSet")),
        value=st.booleans(),
        event=st.sampled_from((None, "signup", "")),
    ),
)
_leaves = st.one_of(_conditions(), _conditions(), _conditions(), _properties)
filters: st.SearchStrategy[Filter] = st.recursive(
    _leaves,
    lambda part: st.one_of(
        st.lists(part, max_size=3).map(lambda parts: And(tuple(parts))),
        st.lists(part, max_size=3).map(lambda parts: Or(tuple(parts))),
        part.map(Not),
    ),
    max_leaves=4,
)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Events of one website over two days, a range that cuts some off, a zone and a filter or none."""
    first = draw(st.sampled_from(STARTS))
    events = draw(st.lists(_events(first), max_size=30, unique_by=lambda event: event.event_id))
    start = first + dt.timedelta(minutes=draw(st.sampled_from((0, 0, 0, 30, 600))))
    end = start + dt.timedelta(minutes=draw(st.sampled_from((0, 59, 1500, 3100, 3100))), milliseconds=59_999)
    zone = time_zone(draw(st.sampled_from(ZONES)))
    return World(tuple(events), start, end, zone, draw(st.none() | filters))


def store(runtime: Runtime, events: Iterable[Event], *website_ids: UUID) -> None:
    """Put the same events into the event store for each website, as the journal's writer does.

    Events whose data has `revenue` and `currency` have a row of revenue too.
    """
    rows, data, revenue = [], [], []
    for event, website_id in product(events, website_ids):
        visit = {
            "event_id": str(event.event_id),
            "website_id": str(website_id),
            "session_id": str(event.session_id),
            "visit_id": str(event.visit_id),
            "created_at": event.at.replace(tzinfo=None).isoformat(timespec="microseconds"),
        }
        rows.append({**visit, "event_type": event.type, **dict.fromkeys(_ALL_TEXTS, ""), **event.columns})
        for datum in event.data:
            columns = {
                "url_path": event["url_path"],
                "event_name": event["event_name"],
                "data_key": datum.key,
            }
            typed = {"data_type": datum.type, "string_value": datum.string, "number_value": datum.number}
            data.append({**visit, **columns, **typed, "date_value": None})
        texts = {datum.key: datum.string for datum in event.data}
        if {"revenue", "currency"} <= texts.keys():
            sold = {"event_name": event["event_name"], "country": event["country"]}
            revenue.append({**visit, **sold, "revenue": texts["revenue"], "currency": texts["currency"]})
    # In two writes, as events of one visit come in life.
    for odd in (False, True):
        tables = {"event": rows[odd::2], "event_data": data[odd::2], "revenue": revenue[odd::2]}
        if any(tables.values()):
            texts = {name: json.dumps(found) for name, found in tables.items() if found}
            runtime.events.apply(uuid4(), 1, texts)
