"""What conversions are credited to."""

from __future__ import annotations

from typing import Any

import pytest

from tests.populate import A, B, C, Hit, Visitor, happening, populate, view
from tests.reports.doors import graph, problems, refused, rest
from tests.server import Server

KEYS = ("referrer", "paidAds", "utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term")
ALL = " ".join(
    f"{key} {{ name value }}"
    for key in ("referrer", "paidAds", "utmSource", "utmMedium", "utmCampaign", "utmContent", "utmTerm")
)
BUY = {"revenue": 10.1, "currency": "EUR"}


def conversions(*counts: int) -> dict[str, int]:
    return dict(zip(("pageviews", "visitors", "visits"), counts, strict=True))


def shown(total: dict[str, int], **lists: list[tuple[str, float]]) -> dict[str, Any]:
    """The whole answer; lists not given are empty."""
    return {
        **{key: [{"name": name, "value": value} for name, value in lists.get(key, [])] for key in KEYS},
        "total": total,
    }


def attribution(
    server: Server, site: str, model: str, value: str, type: str = "event", **params: Any
) -> dict[str, Any]:
    steps = [{"type": type, "value": value}]
    found: dict[str, Any] = rest(server, site, "attribution", model=model, steps=steps, **params)
    return found


@pytest.fixture(scope="module")
def site(server: Server) -> str:
    website_id, other = server.create_website(), server.create_website()
    journey = [
        view(A, "2026-11-10 10:00:00", "/?utm_source=news&gclid=1", referrer="https://t.co/x"),
        view(A, "2026-11-10 10:01:00", "/?utm_source=ads&fbclid=2", referrer="https://example.com/"),
        happening(A, "2026-11-10 10:02:00", "/thanks", "buy", BUY),
        # The conversion that counts is the latest: the last click before it comes after the first one.
        view(A, "2026-11-10 11:00:00", "/?utm_source=mail&utm_medium=email", referrer="https://mail.org/"),
        happening(A, "2026-11-10 11:01:00", "/thanks", "buy", {"revenue": 0.2, "currency": "eur"}),
        view(A, "2026-11-10 11:02:00", "/thanks?utm_source=late"),
        # Nothing before the conversion.
        happening(B, "2026-11-10 12:00:00", "/?utm_source=direct", "buy", {"revenue": 7, "currency": "USD"}),
        # Seen, not converted.
        view(C, "2026-11-10 13:00:00", "/?utm_source=seen"),
    ]
    populate(server, website_id, journey)
    populate(server, other, [*journey, happening(C, "2026-11-10 14:00:00", "/", "buy", BUY)])
    return website_id


def test_the_first_click(server: Server, site: str) -> None:
    assert attribution(server, site, "firstClick", "buy") == shown(
        conversions(3, 2, 3),
        referrer=[("t.co", 1)],
        paidAds=[("Google Ads", 1)],
        utm_source=[("direct", 1), ("news", 1)],
    )


@pytest.mark.parametrize("model", ["lastClick", "firstclick", ""])
def test_the_last_click_is_before_the_latest_conversion(server: Server, site: str, model: str) -> None:
    assert attribution(server, site, model, "buy") == shown(
        conversions(3, 2, 3),
        referrer=[("mail.org", 1)],
        utm_source=[("mail", 1)],
        utm_medium=[("email", 1)],
    )


def test_revenue_is_credited_with_what_has_no_value(server: Server, site: str) -> None:
    nothing = [("", 10.3)]
    assert attribution(server, site, "firstClick", "buy", currency="eUR") == shown(
        conversions(3, 2, 3),
        referrer=[("t.co", 10.3)],
        paidAds=[("Google Ads", 10.3)],
        utm_source=[("news", 10.3)],
        utm_medium=nothing,
        utm_campaign=nothing,
        utm_content=nothing,
        utm_term=nothing,
    )
    # Whose conversion has nothing before it is not credited here.
    assert attribution(server, site, "lastClick", "buy", currency="USD") == shown(conversions(3, 2, 3))


def test_a_page_view_weighs_what_its_session_brought(server: Server, site: str) -> None:
    # B has brought something and seen no such page, C the other way round.
    nothing = [("", 10.3)]
    found = attribution(server, site, "lastClick", "/thanks", type="url", currency="EUR")
    assert found == shown(
        conversions(1, 1, 1),
        # The last event before the page view is the custom event, which came from nowhere.
        referrer=nothing,
        paidAds=nothing,
        utm_source=nothing,
        utm_medium=nothing,
        utm_campaign=nothing,
        utm_content=nothing,
        utm_term=nothing,
    )
    found = attribution(server, site, "firstClick", "/", type="url", currency="EUR")
    assert found["utm_source"] == [{"name": "news", "value": 10.3}]
    assert found["total"] == conversions(4, 2, 3)


def test_conversions_by_path(server: Server, site: str) -> None:
    assert attribution(server, site, "firstClick", "/", type="url") == shown(
        conversions(4, 2, 3),
        referrer=[("t.co", 1)],
        paidAds=[("Google Ads", 1)],
        utm_source=[("news", 1), ("seen", 1)],
    )
    # Custom events on a page are no views of it, and a path is no name.
    assert attribution(server, site, "firstClick", "/nowhere", type="url") == shown(conversions(0, 0, 0))
    assert attribution(server, site, "firstClick", "/", type="event") == shown(conversions(0, 0, 0))


def test_only_the_first_step_counts(server: Server, site: str) -> None:
    steps = [{"type": "event", "value": "buy"}, {"type": "url", "value": "/nowhere"}]
    found = rest(server, site, "attribution", model="firstClick", steps=steps)
    assert found["total"] == conversions(3, 2, 3)


def test_a_site_of_ones_own_is_a_referrer_of_revenue_alone(server: Server, website: str) -> None:
    populate(
        server,
        website,
        [
            view(A, "2026-11-10 10:00:00", "/", referrer="https://example.com/"),
            happening(A, "2026-11-10 10:01:00", "/", "buy", BUY),
        ],
    )
    assert attribution(server, website, "lastClick", "buy")["referrer"] == []
    assert attribution(server, website, "lastClick", "buy", currency="EUR")["referrer"] == [
        {"name": "example.com", "value": 10.1}
    ]


def test_of_one_instant_a_page_view_counts_and_counts_once(server: Server, website: str) -> None:
    at = "2026-11-10 10:00:00"
    populate(
        server,
        website,
        [
            *(happening(A, at, f"/?utm_source=event{number}", "open") for number in range(5)),
            view(A, at, "/?utm_source=page"),
            happening(A, "2026-11-10 10:01:00", "/", "buy", BUY),
        ],
    )
    for model in ("firstClick", "lastClick"):
        assert attribution(server, website, model, "buy")["utm_source"] == [{"name": "page", "value": 1}]
        assert attribution(server, website, model, "buy", currency="EUR")["utm_source"] == [
            {"name": "page", "value": 10.1}
        ]


def visitor(number: int) -> Visitor:
    return Visitor(f"8.8.4.{number}", A.agent, A.screen, A.language)


def bought(number: int, query: str) -> list[Hit]:
    who, minute = visitor(number), f"2026-11-10 10:{number:02}"
    return [view(who, f"{minute}:00", f"/?{query}"), happening(who, f"{minute}:30", "/", "buy", BUY)]


def test_click_ids(server: Server, website: str) -> None:
    queries = [
        *("gclid=1", "gclid=2&fbclid=1", "fbclid=3&twclid=1", "msclkid=1", "ttclid=1"),
        *("li_fat_id=1", "twclid=1", "gclid=&ttclid=4", "x=1"),
    ]
    populate(server, website, [hit for number, query in enumerate(queries) for hit in bought(number, query)])
    assert attribution(server, website, "lastClick", "buy")["paidAds"] == [
        {"name": name, "value": value}
        for name, value in (
            ("Google Ads", 2),
            ("TikTok Ads", 2),
            ("Facebook / Meta", 1),
            ("LinkedIn Ads", 1),
            ("Microsoft Ads", 1),
            ("Twitter Ads (X)", 1),
        )
    ]


def test_twenty_values_at_most(server: Server, website: str) -> None:
    sources = [*(f"s{number:02}" for number in range(21)), "s20"]
    hits = [hit for number, name in enumerate(sources) for hit in bought(number, f"utm_source={name}")]
    populate(server, website, hits)
    found = attribution(server, website, "firstClick", "buy")["utm_source"]
    assert found == [{"name": "s20", "value": 2}, *({"name": name, "value": 1} for name in sources[:19])]


def test_the_same_in_graphql(server: Server, site: str) -> None:
    found = graph(
        server,
        site,
        f"""first: attribution(step: {{event: "buy"}}, model: FIRST_CLICK) {{
            {ALL} total {{ conversions visitors visits }}
        }}
        last: attribution(model: LAST_CLICK, step: {{event: "buy"}}) {{ utmSource {{ name value }} }}
        money: attribution(step: {{path: "/thanks"}}, model: FIRST_CLICK, currency: "eur") {{
            referrer {{ name value }} utmMedium {{ name value }} total {{ conversions }}
        }}""",
    )
    assert found == {
        "first": {
            "referrer": [{"name": "t.co", "value": 1}],
            "paidAds": [{"name": "Google Ads", "value": 1}],
            "utmSource": [{"name": "direct", "value": 1}, {"name": "news", "value": 1}],
            "utmMedium": [],
            "utmCampaign": [],
            "utmContent": [],
            "utmTerm": [],
            "total": {"conversions": 3, "visitors": 2, "visits": 3},
        },
        "last": {"utmSource": [{"name": "mail", "value": 1}]},
        "money": {
            "referrer": [{"name": "t.co", "value": 10.3}],
            "utmMedium": [{"name": None, "value": 10.3}],
            "total": {"conversions": 1},
        },
    }


def test_a_filter_chooses_conversions_and_what_they_are_credited_to(server: Server, site: str) -> None:
    found = graph(
        server,
        site,
        """count: attribution(step: {event: "buy"}, model: FIRST_CLICK) {
            utmSource { name value } total { conversions visitors visits }
        }
        money: attribution(step: {event: "buy"}, model: FIRST_CLICK, currency: "EUR") {
            utmSource { name value }
        }""",
        where='{or: [{utmSource: {eq: "ads"}}, {property: {key: "revenue", gt: 1}}]}',
    )
    assert found["count"] == {
        "utmSource": [{"name": "ads", "value": 1}, {"name": "direct", "value": 1}],
        "total": {"conversions": 2, "visitors": 2, "visits": 2},
    }
    assert found["money"] == {"utmSource": [{"name": "ads", "value": 10.1}]}


STEP = {"type": "event", "value": "buy"}


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"steps": [STEP]}, ["model: Required"]),
        ({"model": "firstClick"}, ["steps: Required"]),
        ({"model": "firstClick", "steps": []}, ["steps: Array must contain at least 1 element(s)"]),
        ({"model": "firstClick", "steps": {}}, ["steps: Expected array, received object"]),
        ({"model": "firstClick", "steps": [{"type": "event"}]}, ["steps: "]),
        ({"model": "firstClick", "steps": [{"value": "buy"}]}, ["steps: "]),
        ({"model": "firstClick", "steps": [STEP, {**STEP, "value": 1}]}, ["steps: "]),
        (
            {"model": 1, "steps": [None], "currency": 5},
            [
                "model: Expected string, received number",
                "steps: ",
                "currency: Expected string, received number",
            ],
        ),
    ],
)
def test_bad_parameters(server: Server, params: dict[str, Any], said: list[str]) -> None:
    assert problems(server, "attribution", **params) == said


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ("step: {}", "step"),
        ('step: {path: "/", event: "buy"}', "step"),
        ('step: {event: "a\\u0000b"}', "step"),
        ('step: {event: "buy"}, currency: ""', "currency"),
        ('step: {event: "buy"}, currency: "\\u0000"', "currency"),
    ],
)
def test_bad_arguments(server: Server, site: str, arguments: str, field: str) -> None:
    selection = f"attribution({arguments}) {{ total {{ visits }} }}"
    assert refused(server, site, selection) == ("invalid", field, 400)
