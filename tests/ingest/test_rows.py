"""Hits become rows: whole rows written out, and checked against the tables they are for."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import tables
from app.ingest.client import Location
from app.ingest.payload import parse_hit
from app.ingest.rows import Client, Rows, build_rows

WEBSITE = "765b9d7c-35d0-4c93-a87f-c869a11eabf2"
SESSION = UUID("1172824f-0864-59d0-ad32-35060a6e1730")
VISIT = UUID("7e0197f3-85e6-5743-adfc-9d5698793bb9")
AT = datetime(2026, 11, 10, 10, 5, 0, 123_999, tzinfo=UTC)
CLIENT = Client(
    ip="8.8.8.1",
    agent="Mozilla/5.0",
    browser="chrome",
    os="Windows 10",
    device="desktop",
    location=Location("US", "US-CA", "San Jose"),
)


def rows_of(
    kind: str = "event",
    *,
    client: Client = CLIENT,
    at: datetime = AT,
    remove_trailing_slash: bool = False,
    **payload: Any,
) -> Rows:
    hit = parse_hit({"type": kind, "payload": {"website": WEBSITE} | payload})
    return build_rows(hit, client, SESSION, VISIT, at, remove_trailing_slash=remove_trailing_slash, version=7)


def test_page_view() -> None:
    rows = rows_of(
        url="/a%20b/?utm_source=news&utm_medium=email&utm_campaign=c&utm_content=d&utm_term=e"
        "&gclid=1&fbclid=2&msclkid=3&ttclid=4&li_fat_id=5&twclid=6#x",
        referrer="https://www.google.com/search?q=1",
        hostname="example.com",
        language="en-US",
        screen="1920x1080",
        title="A%20title",
        tag="t",
        id="user-1",
    )
    event_id = rows.event[0].pop("event_id")
    assert UUID(event_id).version == 4
    assert rows == Rows(
        event=[
            {
                "website_id": WEBSITE,
                "session_id": str(SESSION),
                "visit_id": str(VISIT),
                "created_at": "2026-11-10T10:05:00.123",
                "event_type": 1,
                "event_name": "",
                "url_path": "/a b/#x",
                "url_query": "utm_source=news&utm_medium=email&utm_campaign=c&utm_content=d&utm_term=e"
                "&gclid=1&fbclid=2&msclkid=3&ttclid=4&li_fat_id=5&twclid=6",
                "hostname": "example.com",
                "page_title": "A title",
                "referrer_domain": "google.com",
                "referrer_path": "/search",
                "referrer_query": "q=1",
                "utm_source": "news",
                "utm_medium": "email",
                "utm_campaign": "c",
                "utm_content": "d",
                "utm_term": "e",
                "gclid": "1",
                "fbclid": "2",
                "msclkid": "3",
                "ttclid": "4",
                "li_fat_id": "5",
                "twclid": "6",
                "tag": "t",
                "distinct_id": "user-1",
                "browser": "chrome",
                "os": "Windows 10",
                "device": "desktop",
                "screen": "1920x1080",
                "language": "en-US",
                "country": "US",
                "region": "US-CA",
                "city": "San Jose",
            }
        ]
    )


def test_purchase_with_data_and_revenue() -> None:
    data = {"revenue": 19.99, "currency": "USD", "when": "2024-01-02T03:04:05"}
    rows = rows_of(url="/pricing", name="purchase", data=data)
    (event,) = rows.event
    assert (event["event_type"], event["event_name"]) == (2, "purchase")
    visit = {
        "website_id": WEBSITE,
        "session_id": str(SESSION),
        "visit_id": str(VISIT),
        "event_id": event["event_id"],
        "created_at": "2026-11-10T10:05:00.123",
    }
    of_event = visit | {"url_path": "/pricing", "event_name": "purchase"}
    assert rows.event_data == [
        of_event
        | {
            "data_key": "revenue",
            "data_type": 2,
            "string_value": "19.9900",
            "number_value": "19.9900",
            "date_value": None,
        },
        of_event
        | {
            "data_key": "currency",
            "data_type": 1,
            "string_value": "USD",
            "number_value": None,
            "date_value": None,
        },
        of_event
        | {
            "data_key": "when",
            "data_type": 4,
            "string_value": "2024-01-02T03:04:05.000Z",
            "number_value": None,
            "date_value": "2024-01-02T03:04:05.000",
        },
    ]
    assert rows.revenue == [
        visit | {"event_name": "purchase", "currency": "USD", "revenue": "19.9900", "country": "US"}
    ]
    assert rows.session_data == []


def test_a_page_view_may_carry_data_and_revenue() -> None:
    rows = rows_of(url="/x", data={"revenue": "5", "currency": "usd"})
    assert rows.event[0]["event_type"] == 1
    assert [(row["event_name"], row["data_key"]) for row in rows.event_data] == [
        ("", "revenue"),
        ("", "currency"),
    ]
    assert [(row["event_name"], row["currency"], row["revenue"]) for row in rows.revenue] == [
        ("", "usd", "5.0000")
    ]


def test_identify() -> None:
    rows = rows_of("identify", url="/x", id="u", data={"age": 33, "revenue": 5, "currency": "USD"})
    common = {
        "website_id": WEBSITE,
        "session_id": str(SESSION),
        "distinct_id": "u",
        "created_at": "2026-11-10T10:05:00.123",
        "version": 7,
        "date_value": None,
    }
    number = common | {"data_type": 2}
    assert rows == Rows(
        session_data=[
            number | {"data_key": "age", "string_value": "33.0000", "number_value": "33.0000"},
            number | {"data_key": "revenue", "string_value": "5.0000", "number_value": "5.0000"},
            common | {"data_type": 1, "data_key": "currency", "string_value": "USD", "number_value": None},
        ]
    )


def test_identify_without_data_has_no_rows() -> None:
    assert rows_of("identify", id="u") == Rows()
    assert rows_of("identify", id="u", data={}) == Rows()


def test_two_spellings_of_one_key_of_a_visitor_are_one_row_with_the_last_value() -> None:
    rows = rows_of("identify", data={"a": {"b": "first"}, "a.b": "last"})
    assert [(row["data_key"], row["string_value"]) for row in rows.session_data] == [("a.b", "last")]


def test_missing_url_and_hostname() -> None:
    (event,) = rows_of().event
    assert (event["url_path"], event["url_query"], event["hostname"]) == ("", "", "localhost")


def test_trailing_slash_setting_reaches_the_path() -> None:
    assert rows_of(url="/a/", remove_trailing_slash=True).event[0]["url_path"] == "/a"
    assert rows_of(url="/a/").event[0]["url_path"] == "/a/"


def test_times_are_stored_in_utc() -> None:
    # 10 November, 01:20 in Kathmandu.
    local = datetime(2026, 11, 10, 1, 20, tzinfo=timezone(timedelta(hours=5, minutes=45)))
    assert rows_of(at=local).event[0]["created_at"] == "2026-11-09T19:35:00.000"


def test_long_distinct_ids_and_cities_are_cut() -> None:
    client = Client("", "", "", "", "", Location("GB", "GB-WLS", "L" * 58))
    (event,) = rows_of(client=client, id="i" * 51).event
    assert (event["distinct_id"], event["city"]) == ("i" * 50, "L" * 50)
    assert rows_of("identify", id="i" * 51, data={"a": 1}).session_data[0]["distinct_id"] == "i" * 50


def test_every_event_has_its_own_id() -> None:
    assert rows_of().event[0]["event_id"] != rows_of().event[0]["event_id"]


@pytest.mark.parametrize("table", tables.DATA_TABLES, ids=lambda table: table.name)
def test_rows_have_exactly_the_columns_of_their_table(table: Any) -> None:
    data = {"revenue": 1, "currency": "USD"}
    rows = rows_of("identify" if table.name == "session_data" else "event", name="n", data=data)
    for row in getattr(rows, table.name):
        # Which write stored it, the event store says.
        assert row.keys() == {column.name for column in table.columns} - {"stored_in"}


ANY_TEXT = st.text(st.characters(), max_size=30)


@given(ANY_TEXT, ANY_TEXT, ANY_TEXT, ANY_TEXT, st.dictionaries(ANY_TEXT, ANY_TEXT | st.floats()))
def test_any_accepted_text_can_be_stored(
    path: str, fragment: str, title: str, identifier: str, data: dict[str, Any]
) -> None:
    url = f"/{path}%00?utm_source={title}#{fragment}"
    rows = rows_of(url=f"/x{url}", referrer=f"/x{url}", title=title, id=identifier, name="n", data=data)
    for row in rows.event + rows.event_data:
        text = json.dumps(row, ensure_ascii=False, allow_nan=False)
        assert text.encode().decode() == text
        assert not [name for name, value in row.items() if isinstance(value, str) and "\0" in value]
