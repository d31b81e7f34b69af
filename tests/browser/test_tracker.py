"""The tracker in a real browser: what it sends, and what is stored of it (Umami v2 REST behaviour §5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Route

    from tests.browser.conftest import Site, Visitor

PAGE_VIEW, CUSTOM_EVENT = 1, 2


# --- page views ---------------------------------------------------------------------------------------------------


def test_a_loaded_page_is_one_page_view(visitor: Visitor) -> None:
    visitor.open("/prices/?plan=pro&utm_source=news#top", referer="https://www.example.com/search")
    visitor.sent(1)
    [row] = visitor.live.events(visitor.website)
    expected = {
        "event_type": PAGE_VIEW,
        "event_name": "",
        "url_path": "/prices/#top",
        "url_query": "plan=pro&utm_source=news",
        "utm_source": "news",
        "hostname": "localhost",
        "page_title": "Prices",
        "referrer_domain": "example.com",
        "referrer_path": "/search",
        "tag": "",
        "distinct_id": "",
        "screen": "1366x768",
        "language": "de-AT",
        "browser": "chrome",
        "os": "Linux",
        "device": "laptop",
    }
    assert {name: row[name] for name in expected} == expected


def test_a_loaded_page_is_counted_through_both_doors_at_once(visitor: Visitor) -> None:
    visitor.open("/prices")
    visitor.sent(1)
    # Asked once, without waiting: an answered hit is in every figure that is asked for after it.
    stats = visitor.live.get(f"/api/websites/{visitor.website}/stats", startAt=0, endAt=1)
    totals = visitor.live.graphql(
        """query ($id: ID!) { website(id: $id) {
            activeVisitors
            analytics(period: { last: HOURS_24 }) { totals { pageviews { value } visitors { value } } }
        } }""",
        {"id": visitor.website},
    )["data"]["website"]
    assert (stats["pageviews"]["value"], stats["visitors"]["value"]) == (1, 1)
    assert totals == {
        "activeVisitors": 1,
        "analytics": {"totals": {"pageviews": {"value": 1}, "visitors": {"value": 1}}},
    }


def test_the_body_is_what_umamis_tracker_sends(visitor: Visitor) -> None:
    visitor.open("/")
    assert visitor.sent(1) == [
        {
            "type": "event",
            "payload": {
                "website": visitor.website,
                "screen": "1366x768",
                "language": "de-AT",
                "title": "Prices",
                "hostname": "localhost",
                "url": f"{visitor.site.url}/",
                "referrer": "",
            },
        }
    ]
    assert visitor.requests[0].all_headers()["content-type"] == "application/json"


def test_a_page_of_the_same_site_is_no_referrer(visitor: Visitor) -> None:
    visitor.put("/next")
    visitor.open("/first")
    visitor.sent(1)
    visitor.page.click("#next")
    assert [body["payload"]["referrer"] for body in visitor.sent(2)] == ["", ""]
    assert visitor.events("url_path", "referrer_path") == [("/first", ""), ("/next", "")]


def test_the_tag_is_stored(visitor: Visitor) -> None:
    visitor.open("/", tag="variant-a")
    visitor.sent(1)
    assert visitor.events("tag") == [("variant-a",)]


@pytest.mark.parametrize(
    ("attributes", "path", "query"),
    [
        ({"exclude_search": "true"}, "/a#b", ""),
        ({"exclude_hash": "true"}, "/a", "q=1"),
        ({"exclude_search": "true", "exclude_hash": "true"}, "/a", ""),
        ({"exclude_search": "false"}, "/a#b", "q=1"),
    ],
)
def test_query_and_fragment_can_be_left_out_from_the_first_page_on(
    visitor: Visitor, attributes: dict[str, str], path: str, query: str
) -> None:
    visitor.open("/a?q=1#b", **attributes)
    visitor.sent(1)
    visitor.page.evaluate("history.pushState(null, '', '/next?q=1#b')")
    visitor.sent(2)
    assert visitor.events("url_path", "url_query") == [(path, query), (path.replace("/a", "/next"), query)]


def test_a_change_of_only_what_is_left_out_is_no_page_view(visitor: Visitor) -> None:
    visitor.page.clock.install(time=0)
    visitor.open("/a?q=1", exclude_search="true")
    visitor.page.evaluate("history.replaceState(null, '', '/a?q=2')")
    visitor.page.clock.run_for(1000)
    visitor.page.evaluate("umami.track('end')")
    visitor.sent(2)
    assert visitor.events("event_name", "url_path") == [("", "/a"), ("end", "/a")]


# --- navigation within the page -----------------------------------------------------------------------------------


def test_navigations_within_the_page_are_page_views(visitor: Visitor) -> None:
    visitor.open("/list", referer="https://example.com/")
    visitor.sent(1)
    visitor.page.evaluate("history.pushState(null, '', 'item?id=1'); document.title = 'Item'")
    visitor.sent(2)
    visitor.page.evaluate(
        "history.replaceState(null, '', new URL('/item/2', location)); document.title = 'Item 2'"
    )
    visitor.sent(3)
    visitor.page.go_back()
    visitor.sent(4)
    visitor.page.go_forward()
    bodies = visitor.sent(5)
    urls = [visitor.site.url + path for path in ("/list", "/item?id=1", "/item/2", "/list", "/item/2")]
    assert [body["payload"]["url"] for body in bodies] == urls
    assert [body["payload"]["referrer"] for body in bodies] == ["https://example.com/", *urls[:-1]]
    assert visitor.events(
        "event_type", "url_path", "url_query", "page_title", "referrer_path", "referrer_query"
    ) == [
        (PAGE_VIEW, "/list", "", "Prices", "/", ""),
        (PAGE_VIEW, "/item", "id=1", "Item", "/list", ""),
        (PAGE_VIEW, "/item/2", "", "Item 2", "/item", "id=1"),
        (PAGE_VIEW, "/list", "", "Item 2", "/item/2", ""),
        (PAGE_VIEW, "/item/2", "", "Item 2", "/list", ""),
    ]


def test_the_page_has_300_ms_to_set_its_title(visitor: Visitor) -> None:
    visitor.page.clock.install(time=0)
    visitor.open("/")
    visitor.sent(1)
    visitor.page.clock.pause_at(3_600)
    visitor.page.evaluate("history.pushState(null, '', '/a'); setTimeout(() => document.title = 'A', 299)")
    visitor.page.clock.run_for(299)
    assert len(visitor.requests) == 1
    visitor.page.clock.run_for(1)
    visitor.sent(2)
    assert visitor.events("url_path", "page_title") == [("/", "Prices"), ("/a", "A")]


def test_two_quick_navigations_keep_their_own_addresses(visitor: Visitor) -> None:
    visitor.open("/")
    visitor.sent(1)
    visitor.page.evaluate("history.pushState(null, '', '/a'); history.pushState(null, '', '/b')")
    visitor.sent(3)
    assert sorted(visitor.events("url_path", "referrer_path")) == [("/", ""), ("/a", "/"), ("/b", "/a")]


@pytest.mark.parametrize(
    "step",
    [
        "history.pushState(null, '', location.href)",
        "history.pushState({open: true}, '')",
        "history.replaceState({scroll: 10}, '', '')",
        "history.replaceState(null, '', '//localhost:' + location.port + '/?q=1')",
        "location.hash = 'chapter'",
        "location.hash = 'chapter'; history.replaceState({scroll: 10}, '')",
    ],
)
def test_what_changes_no_page_is_no_page_view(visitor: Visitor, step: str) -> None:
    visitor.page.clock.install(time=0)
    visitor.open("/?q=1")
    visitor.sent(1)
    visitor.page.evaluate(step)
    visitor.page.clock.run_for(1000)
    visitor.page.evaluate("umami.track('end')")
    visitor.sent(2)
    assert visitor.events("event_name", "url_path", "url_query") == [("", "/", "q=1"), ("end", "/", "q=1")]


def test_going_back_is_counted_once_when_a_router_replaces_the_entry(visitor: Visitor) -> None:
    visitor.page.clock.install(time=0)
    visitor.open("/")
    visitor.sent(1)
    visitor.page.evaluate("onpopstate = () => history.replaceState({key: 1}, '', location.href)")
    visitor.page.evaluate("history.pushState(null, '', '/a')")
    visitor.page.clock.run_for(1000)
    visitor.sent(2)
    visitor.page.go_back()
    visitor.page.clock.run_for(1000)
    visitor.sent(3)
    visitor.page.evaluate("umami.track('end')")
    visitor.sent(4)
    assert visitor.events("event_name", "url_path") == [("", "/"), ("", "/a"), ("", "/"), ("end", "/")]


def test_routes_in_the_fragment_are_pages(visitor: Visitor) -> None:
    visitor.open("/")
    visitor.sent(1)
    visitor.page.evaluate("location.hash = '/about'")
    visitor.sent(2)
    visitor.page.go_back()
    visitor.sent(3)
    assert visitor.events("url_path") == [("/",), ("/#/about",), ("/",)]


# --- clicks -------------------------------------------------------------------------------------------------------


def test_a_click_within_a_button_is_its_event_with_its_data(visitor: Visitor) -> None:
    visitor.open("/", "clicks")
    visitor.sent(1)
    visitor.page.click("#inside")
    visitor.sent(2)
    assert visitor.events("event_type", "event_name", "url_path", "page_title") == [
        (PAGE_VIEW, "", "/", "Clicks"),
        (CUSTOM_EVENT, "buy", "/", "Clicks"),
    ]
    rows = visitor.live.event_data(visitor.website)
    assert sorted(
        (row["event_name"], row["data_key"], row["data_type"], row["string_value"]) for row in rows
    ) == [
        ("buy", "plan", 1, "pro"),
        ("buy", "seat-count", 1, "3"),
    ]


def test_an_element_counts_by_itself_unless_a_button_or_link_encloses_it(visitor: Visitor) -> None:
    visitor.open("/", "clicks")
    visitor.sent(1)
    visitor.page.click("#shadowed")
    visitor.page.click("#end")
    visitor.page.click("#card")
    visitor.sent(2)
    assert visitor.events("event_name") == [("",), ("card",)]


def held_event(visitor: Visitor, name: str) -> list[Route]:
    """The requests of one event, kept from the server until the test lets them continue."""
    held: list[Route] = []

    def decide(route: Route) -> None:
        if f'"name":"{name}"' in (route.request.post_data or ""):
            held.append(route)
        else:
            route.continue_()

    visitor.context.route("**/api/send", decide)
    return held


def test_a_link_in_the_same_tab_waits_until_its_event_is_answered(visitor: Visitor) -> None:
    held = held_event(visitor, "next")
    visitor.page.clock.install(time=0)
    visitor.open("/", "clicks")
    visitor.page.clock.pause_at(3600)  # The link's patience does not run out.
    visitor.page.click("#next")
    visitor.page.wait_for_timeout(300)
    assert visitor.page.url == f"{visitor.site.url}/"
    assert len(held) == 1
    held[0].continue_()
    visitor.page.wait_for_url("**/next?from=link")
    assert visitor.sent(2)[1]["payload"]["data"] == {"to": "there"}
    assert visitor.events("event_name", "url_path") == [("", "/"), ("next", "/")]


def test_a_silent_server_does_not_stop_a_link(visitor: Visitor) -> None:
    held = held_event(visitor, "next")
    visitor.open("/", "clicks")
    visitor.page.click("#next")
    visitor.page.wait_for_url("**/next?from=link")
    assert len(held) == 1


def test_a_link_to_the_top_frame_is_followed_there(visitor: Visitor) -> None:
    visitor.site.pages["/outer"] = "<!doctype html><title>Outer</title><iframe src=/inner></iframe>"
    visitor.put("/inner", "frame")
    visitor.page.goto(f"{visitor.site.url}/outer")
    visitor.sent(1)
    visitor.page.frame_locator("iframe").locator("#out").click()
    visitor.page.wait_for_url("**/out")
    visitor.sent(2)
    assert visitor.events("event_name", "url_path") == [("", "/inner"), ("out", "/inner")]


def test_a_link_to_another_tab_does_not_wait(visitor: Visitor) -> None:
    held = held_event(visitor, "blank")
    visitor.open("/", "clicks")
    visitor.sent(1)
    with visitor.context.expect_page() as opened:
        visitor.page.click("#blank")
    opened.value.wait_for_url("**/blank")
    assert visitor.page.url == f"{visitor.site.url}/"
    held[0].continue_()
    visitor.sent(2)
    assert visitor.events("event_name") == [("",), ("blank",)]


@pytest.mark.parametrize("modifier", ["Control", "Shift", "Alt", "Meta"])
def test_a_click_with_a_modifier_key_is_the_browsers(visitor: Visitor, modifier: Any) -> None:
    visitor.open("/", "clicks")
    visitor.sent(1)
    prevented = (
        "addEventListener('click', event => { prevented = event.defaultPrevented; event.preventDefault() })"
    )
    visitor.page.evaluate(prevented)
    visitor.page.click("#next", modifiers=[modifier])
    visitor.sent(2)
    assert visitor.page.evaluate("prevented") is False
    assert visitor.events("event_name") == [("",), ("next",)]


@pytest.mark.parametrize(
    ("link", "held"), [("next", True), ("jump", False), ("secret", False), ("blank", False), ("routed", True)]
)
def test_only_links_that_leave_the_page_openly_are_held(visitor: Visitor, link: str, held: bool) -> None:
    # The page's router prevents #routed itself, and the tracker follows #next: neither may go on by the browser.
    visitor.open("/", "clicks")
    visitor.sent(1)
    prevented = (
        "addEventListener('click', event => { prevented = event.defaultPrevented; event.preventDefault() })"
    )
    visitor.page.evaluate(prevented)
    assert visitor.page.evaluate(f"document.getElementById('{link}').click(); prevented") is held
    visitor.sent(2)
    assert visitor.events("event_name") == [("",), (link,)]


def test_a_link_the_page_deals_with_itself_is_not_followed(visitor: Visitor) -> None:
    visitor.open("/", "clicks")
    visitor.sent(1)
    visitor.page.click("#routed")
    visitor.sent(2)
    visitor.page.evaluate("umami.track('still here')")
    visitor.sent(3)
    assert visitor.page.url == f"{visitor.site.url}/"
    assert visitor.events("event_name") == [("",), ("routed",), ("still here",)]


# --- umami.track --------------------------------------------------------------------------------------------------


def test_track_without_arguments_is_a_page_view(visitor: Visitor) -> None:
    visitor.open("/", auto_track="false")
    visitor.page.evaluate("umami.track()")
    visitor.sent(1)
    assert visitor.events("event_type", "event_name", "url_path") == [(PAGE_VIEW, "", "/")]


def test_track_a_name(visitor: Visitor) -> None:
    visitor.open("/a", auto_track="false")
    visitor.page.evaluate("umami.track('signup')")
    visitor.sent(1)
    assert visitor.events("event_type", "event_name", "url_path") == [(CUSTOM_EVENT, "signup", "/a")]
    assert visitor.live.event_data(visitor.website) == []


def test_track_a_name_with_data(visitor: Visitor) -> None:
    visitor.open("/", auto_track="false")
    visitor.page.evaluate("umami.track('signup', {plan: 'pro', seats: 3, trial: true, from: {page: '/x'}})")
    visitor.sent(1)
    rows = visitor.live.event_data(visitor.website)
    assert sorted((row["data_key"], row["data_type"], row["string_value"]) for row in rows) == [
        ("from.page", 1, "/x"),
        ("plan", 1, "pro"),
        ("seats", 2, "3.0000"),
        ("trial", 3, "true"),
    ]


def test_track_a_name_with_null_as_data(visitor: Visitor) -> None:
    # The server refuses null, so the tracker leaves it out.
    visitor.open("/", auto_track="false")
    visitor.page.evaluate("umami.track('signup', null)")
    visitor.sent(1)
    assert visitor.events("event_name") == [("signup",)]


def test_track_an_object_sends_exactly_that(visitor: Visitor) -> None:
    visitor.open("/", auto_track="false")
    payload = {"website": visitor.website, "url": "/virtual", "title": "Virtual"}
    visitor.page.evaluate("payload => umami.track(payload)", payload)
    assert visitor.sent(1) == [{"type": "event", "payload": payload}]
    assert visitor.events("event_type", "url_path", "page_title", "screen") == [
        (PAGE_VIEW, "/virtual", "Virtual", "")
    ]


def test_track_a_function_of_the_payload(visitor: Visitor) -> None:
    visitor.open("/", auto_track="false")
    visitor.page.evaluate("umami.track(payload => ({...payload, url: '/virtual', name: 'seen'}))")
    visitor.sent(1)
    assert visitor.events("event_name", "url_path", "screen") == [("seen", "/virtual", "1366x768")]


def test_tracking_returns_a_promise_for_the_stored_event(visitor: Visitor) -> None:
    visitor.open("/", auto_track="false")
    visitor.page.evaluate("umami.track('awaited')")  # evaluate() waits for the promise.
    assert visitor.events("event_name") == [("awaited",)]


def test_an_event_too_large_for_keepalive_is_sent_all_the_same(visitor: Visitor) -> None:
    visitor.open("/", auto_track="false")
    visitor.page.evaluate("umami.track('large', {text: 'é'.repeat(60000)})")
    visitor.sent(1)
    assert visitor.events("event_name") == [("large",)]


# --- umami.identify -----------------------------------------------------------------------------------------------


def test_identify_with_an_id_makes_another_session(visitor: Visitor) -> None:
    visitor.open("/")
    visitor.sent(1)
    visitor.page.evaluate("umami.identify('user-1', {plan: 'pro', seats: 3})")
    visitor.page.evaluate("umami.track('signup')")
    visitor.sent(3)
    anonymous, identified, signup = (answer["sessionId"] for answer in visitor.answers())
    assert anonymous != identified == signup
    assert visitor.events("session_id", "event_name", "distinct_id") == [
        (UUID(anonymous), "", ""),
        (UUID(identified), "signup", "user-1"),
    ]
    rows = visitor.live.session_data(visitor.website)
    assert sorted(
        (row["session_id"], row["distinct_id"], row["data_key"], row["string_value"]) for row in rows
    ) == [
        (UUID(identified), "user-1", "plan", "pro"),
        (UUID(identified), "user-1", "seats", "3.0000"),
    ]


def test_identify_with_data_alone_keeps_the_session(visitor: Visitor) -> None:
    visitor.open("/")
    visitor.sent(1)
    visitor.page.evaluate("umami.identify({plan: 'pro'})")
    visitor.sent(2)
    session, same = (answer["sessionId"] for answer in visitor.answers())
    assert session == same
    rows = visitor.live.session_data(visitor.website)
    assert [(row["session_id"], row["data_key"], row["string_value"]) for row in rows] == [
        (UUID(session), "plan", "pro")
    ]


def test_identify_with_an_id_alone_stores_no_data(visitor: Visitor) -> None:
    visitor.open("/", auto_track="false")
    visitor.page.evaluate("umami.identify('user-1')")
    [body] = visitor.sent(1)
    assert (body["type"], body["payload"]["id"], "data" in body["payload"]) == ("identify", "user-1", False)
    assert visitor.live.session_data(visitor.website) == []
    assert visitor.events("event_name") == []


# --- the cache token ----------------------------------------------------------------------------------------------


def test_the_cache_token_goes_back_with_the_next_request(visitor: Visitor) -> None:
    visitor.open("/", auto_track="false")
    for call in ("track()", "track('a')", "identify('user-1')", "track('b')"):
        visitor.page.evaluate(f"umami.{call}")  # Waits until the answer has been read.
    visitor.sent(4)
    first, _, identified, _ = (answer["cache"] for answer in visitor.answers())
    tokens = [request.all_headers().get("x-umami-cache") for request in visitor.requests]
    assert tokens == [None, first, "", identified]
    visits = [answer["visitId"] for answer in visitor.answers()]
    assert visits[0] == visits[1] != visits[2] == visits[3]


def test_a_late_answer_does_not_bring_back_the_visitor_before_identify(visitor: Visitor) -> None:
    held = held_event(visitor, "slow")
    visitor.open("/", auto_track="false")
    visitor.page.evaluate("slow = umami.track('slow'); umami.identify('user-1')")  # Waits for the second.
    held[0].continue_()
    visitor.page.evaluate("slow")
    visitor.page.evaluate("umami.track('after')")
    visitor.sent(3)
    identified = visitor.answers()[1]["cache"]
    assert visitor.requests[2].all_headers()["x-umami-cache"] == identified


# --- switches -----------------------------------------------------------------------------------------------------


def test_without_auto_track_only_calls_are_sent(visitor: Visitor) -> None:
    visitor.open("/", "clicks", auto_track="false")
    visitor.page.clock.install(time=0)
    visitor.page.click("#inside")
    visitor.page.evaluate("history.pushState(null, '', '/a')")
    visitor.page.clock.run_for(1000)
    visitor.page.evaluate("umami.track()")
    visitor.sent(1)
    assert visitor.events("event_name", "url_path", "referrer_path") == [("", "/a", "/")]


@pytest.mark.parametrize(
    ("domains", "names"),
    [
        ("localhost", [("",), ("end",)]),
        ("example.com, localhost", [("",), ("end",)]),
        ("example.com", []),
        ("www.localhost,local", []),
    ],
)
def test_only_the_listed_domains_are_tracked(visitor: Visitor, domains: str, names: list[tuple[str]]) -> None:
    visitor.open("/", domains=domains)
    visitor.page.evaluate("umami.track('end')")
    visitor.sent(len(names))
    assert sorted(visitor.events("event_name")) == names


@pytest.mark.parametrize(
    ("asked", "browser", "names"),
    [
        ("true", "1", []),
        ("true", "yes", []),
        ("true", "0", [("",), ("end",)]),
        ("true", "unspecified", [("",), ("end",)]),
        ("false", "1", [("",), ("end",)]),
    ],
)
def test_do_not_track_is_respected_where_the_page_asks_for_it(
    visitor: Visitor, asked: str, browser: str, names: list[tuple[str]]
) -> None:
    getter = f"Object.defineProperty(Navigator.prototype, 'doNotTrack', {{get: () => '{browser}'}})"
    visitor.page.add_init_script(getter)
    visitor.open("/", do_not_track=asked)
    visitor.page.evaluate("umami.track('end')")
    visitor.sent(len(names))
    assert sorted(visitor.events("event_name")) == names


def test_a_visitor_can_disable_the_tracker(visitor: Visitor) -> None:
    visitor.page.add_init_script("localStorage.setItem('umami.disabled', '1')")
    visitor.open("/", "clicks")
    visitor.page.click("#inside")
    visitor.page.evaluate("Promise.all([umami.track('end'), umami.identify('user-1')])")
    visitor.sent(0)
    visitor.page.evaluate("localStorage.removeItem('umami.disabled'); umami.track('again')")
    visitor.sent(1)
    assert visitor.events("event_name") == [("again",)]


def test_a_tag_without_a_website_sends_nothing(visitor: Visitor) -> None:
    visitor.open("/", website_id="")
    visitor.page.evaluate("umami.track('end')")
    visitor.sent(0)


def test_an_answer_can_disable_the_tracker(visitor: Visitor) -> None:
    visitor.context.route("**/api/send", lambda route: route.fulfill(json={"disabled": True}))
    visitor.open("/", auto_track="false")
    visitor.page.evaluate("umami.track('begin')")
    visitor.page.evaluate("umami.track('end')")
    visitor.sent(1)


def test_before_send_can_change_and_cancel(visitor: Visitor) -> None:
    visitor.page.add_init_script(
        "window.check = (type, payload) => payload.name !== 'no' && {...payload, tag: type, title: 'Checked'}"
    )
    visitor.open("/", before_send="check")
    visitor.sent(1)
    visitor.page.evaluate("umami.track('no')")
    visitor.page.evaluate("umami.identify('user-1')")
    bodies = visitor.sent(2)
    assert [body["payload"]["tag"] for body in bodies] == ["event", "identify"]
    assert visitor.events("event_name", "tag", "page_title") == [("", "event", "Checked")]


def test_before_send_may_be_missing(visitor: Visitor) -> None:
    visitor.open("/", before_send="nowhere")
    visitor.sent(1)
    assert visitor.events("url_path") == [("/",)]


# --- where it sends -----------------------------------------------------------------------------------------------


def test_host_url_names_the_server(visitor: Visitor) -> None:
    visitor.open("/", src=f"{visitor.site.url}/assets/stats.js", host_url=f"{visitor.live.url}/")
    visitor.sent(1)
    assert visitor.requests[0].url == f"{visitor.live.url}/api/send"
    assert visitor.events("url_path") == [("/",)]


def test_the_default_is_the_scripts_own_directory(visitor: Visitor, site: Site) -> None:
    visitor.open("/", src=f"{site.url}/assets/stats.js?v=1/2#x")
    visitor.sent(1)
    path, body = site.posts.pop()
    assert (path, body["payload"]["website"]) == ("/assets/api/send", visitor.website)


# --- guests behave ------------------------------------------------------------------------------------------------


def test_nothing_is_kept_in_the_browser(visitor: Visitor) -> None:
    visitor.open("/", "clicks")
    visitor.sent(1)
    visitor.page.click("#inside")
    visitor.page.evaluate("umami.identify('user-1', {plan: 'pro'})")
    visitor.sent(3)
    assert visitor.context.cookies() == []
    assert visitor.page.evaluate("[document.cookie, localStorage.length, sessionStorage.length]") == [
        "",
        0,
        0,
    ]
    assert visitor.page.evaluate("indexedDB.databases()") == []
    assert visitor.page.evaluate("caches.keys()") == []


def test_cookies_of_the_servers_host_are_not_sent(visitor: Visitor) -> None:
    visitor.context.add_cookies([{"name": "secret", "value": "1", "url": visitor.live.url}])
    visitor.open("/")
    visitor.sent(1)
    assert "cookie" not in visitor.requests[0].all_headers()


def test_an_existing_umami_object_is_kept(visitor: Visitor) -> None:
    visitor.page.add_init_script("window.umami = {mine: true}")
    visitor.open("/")
    visitor.sent(1)
    assert visitor.page.evaluate("umami") == {"mine": True}
    assert visitor.events("url_path") == [("/",)]


def test_blocked_storage_is_no_obstacle(visitor: Visitor) -> None:
    visitor.page.add_init_script(
        "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('', 'SecurityError') }})"
    )
    visitor.open("/")
    visitor.sent(1)
    assert visitor.events("url_path") == [("/",)]


def test_a_server_out_of_reach_goes_unnoticed(visitor: Visitor) -> None:
    visitor.context.route("**/api/send", lambda route: route.abort())
    visitor.open("/")
    visitor.page.evaluate("umami.track('end')")  # A rejected promise would fail this test.
    assert len(visitor.requests) == 2


def test_two_trackers_on_a_page_serve_two_websites(visitor: Visitor) -> None:
    other = visitor.live.create_website(name="Other", domain="localhost")
    visitor.put("/", "clicks")
    tag = f'<script defer src="{visitor.live.url}/script.js" data-website-id="{other}"></script>'
    visitor.site.pages["/"] = visitor.site.pages["/"].replace("</head>", f"{tag}</head>")
    visitor.page.goto(visitor.site.url)
    visitor.sent(2)
    visitor.page.click("#next")
    visitor.page.wait_for_url("**/next?from=link")
    visitor.sent(4)
    assert visitor.events("event_name") == [("",), ("next",)]
    assert [row["event_name"] for row in visitor.live.events(other)] == ["", "next"]
