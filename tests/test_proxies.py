"""Who is believed about where a request comes from. The peer is 10.0.0.9, a proxy, unless it is said otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from pydantic import ValidationError

from app.ingest.collect import Ignored, Request
from app.proxies import Proxies, joined
from app.settings import Settings
from tests.populate import CHROME
from tests.server import Server, running

PROXY = "10.0.0.9"
NAMED = "10.0.0.9, 10.0.0.8, 2001:db8:1::/48"


@pytest.mark.parametrize(
    ("headers", "header_name", "ip"),
    [
        ({"cf-connecting-ip": "2.2.2.2", "x-own": "3.3.3.3"}, "X-Own", "3.3.3.3"),
        ({"cf-connecting-ip": "2.2.2.2"}, "X-Own", "2.2.2.2"),
        ({}, "X-Own", "9.9.9.9"),
        ({}, "", "9.9.9.9"),
        ({"x-forwarded-for": " 2.2.2.2 , 3.3.3.3"}, "", "2.2.2.2"),
        ({"x-forwarded-for": "2.2.2.2, 3.3.3.3"}, "X-Forwarded-For", "2.2.2.2"),
        ({"x-forwarded-for": " , 3.3.3.3", "x-real-ip": "4.4.4.4"}, "", "4.4.4.4"),
        ({"x-forwarded-for": "not an address"}, "", "not an address"),
        ({"forwarded": "for=2.2.2.2;proto=https;by=203.0.113.43, for=3.3.3.3"}, "", "2.2.2.2"),
        ({"forwarded": 'proto=https;For="[2001:db8:cafe::17]:4711"'}, "", "2001:db8:cafe::17"),
        ({"forwarded": 'for="2.2.2.2:8080"'}, "", "2.2.2.2"),
        ({"forwarded": "for=unknown, for=3.3.3.3", "x-appengine-user-ip": "5.5.5.5"}, "", "5.5.5.5"),
        ({"forwarded": "for=_hidden"}, "", "9.9.9.9"),
        ({"forwarded": "by=2.2.2.2;xfor=3.3.3.3"}, "", "9.9.9.9"),
    ],
)
def test_visitors_are_read_as_umami_reads_them(headers: dict[str, str], header_name: str, ip: str) -> None:
    assert Proxies("*", header_name).visitor(headers, "9.9.9.9") == ip
    # By default for those who come from a network of one's own, and for nobody else.
    expected = "10.0.0.9" if ip == "9.9.9.9" else ip
    assert Proxies("private", header_name).visitor(headers, PROXY) == expected
    assert Proxies("private", header_name).visitor(headers, "9.9.9.9") == "9.9.9.9"


def test_headers_are_asked_in_order() -> None:
    order = [
        "cf-connecting-ip",
        "x-client-ip",
        "x-forwarded-for",
        "do-connecting-ip",
        "fastly-client-ip",
        "true-client-ip",
        "x-real-ip",
        "x-cluster-client-ip",
        "x-forwarded",
        "forwarded",
        "x-appengine-user-ip",
    ]
    headers = {
        name: f"for=1.1.1.{i}" if name == "forwarded" else f"1.1.1.{i}" for i, name in enumerate(order)
    }
    proxies = Proxies()
    for i, name in enumerate(order):
        assert proxies.visitor(headers, PROXY) == f"1.1.1.{i}"
        headers[name] = ""
    assert proxies.visitor(headers, PROXY) == PROXY


@pytest.mark.parametrize(
    ("peer", "believed"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("::ffff:10.1.2.3", True),
        ("172.16.0.1", True),
        ("192.168.1.1", True),
        ("fd00::1", True),
        ("fe80::1%eth0", True),
        ("", True),  # a Unix socket
        ("172.32.0.1", False),
        ("8.8.8.8", False),
        ("::ffff:8.8.8.8", False),
        ("2001:db8::1", False),
        ("no address", False),
    ],
)
def test_by_default_one_s_own_networks_are_believed(peer: str, believed: bool) -> None:
    assert Proxies().believes(peer) is believed
    assert Proxies("*").believes(peer) is (peer != "no address")
    assert Proxies("none").believes(peer) is False


# What a client at 8.8.8.8 sent itself stands on the left: 6.6.6.6.
NEAREST = [
    ("6.6.6.6, 8.8.8.8", "8.8.8.8"),
    ("8.8.8.8", "8.8.8.8"),
    ("8.8.8.8:51234", "8.8.8.8"),
    ("6.6.6.6, 8.8.8.8, 10.0.0.8", "8.8.8.8"),
    ("6.6.6.6, 2001:db8:ffff::1, 2001:db8:1::7", "2001:db8:ffff::1"),
    ("6.6.6.6, unknown, 10.0.0.8", "10.0.0.8"),
    ("6.6.6.6, ", PROXY),
    ("10.0.0.9, 10.0.0.8", "10.0.0.9"),
    # A private address that is none of the proxies' is a client of theirs.
    ("6.6.6.6, 192.168.1.7, 10.0.0.8", "192.168.1.7"),
    ("", PROXY),
]


@pytest.mark.parametrize(("header", "ip"), NEAREST)
def test_of_named_proxies_the_nearest_address_that_is_none_of_theirs_counts(header: str, ip: str) -> None:
    proxies = Proxies(NAMED)
    # Nothing else that a client may have sent through them tells anything.
    headers = {"x-forwarded-for": header, "cf-connecting-ip": "6.6.6.6", "x-real-ip": "6.6.6.6"}
    assert proxies.caller(headers, PROXY) == proxies.visitor(headers, PROXY) == ip
    assert proxies.caller(headers, "8.8.4.4") == proxies.visitor(headers, "8.8.4.4") == "8.8.4.4"


def test_by_default_limits_go_by_the_nearest_address_that_is_not_private() -> None:
    proxies = Proxies()
    headers = {"x-forwarded-for": "6.6.6.6, 8.8.8.8, 192.168.1.1", "cf-connecting-ip": "6.6.6.6"}
    assert proxies.caller(headers, PROXY) == "8.8.8.8"
    assert proxies.caller(headers, "8.8.4.4") == "8.8.4.4"


def test_where_everybody_is_believed_limits_do_not_go_by_what_the_client_sent() -> None:
    headers = {"x-forwarded-for": "6.6.6.6, 8.8.8.8, 192.168.1.1"}
    assert Proxies("*").caller(headers, PROXY) == "8.8.8.8"


def test_a_header_without_an_end_is_read_in_no_time() -> None:
    """Each `[` was looked for an end to the end of the header: a minute for a quarter of a megabyte."""
    proxies = Proxies("private", "forwarded")
    assert proxies.caller({"forwarded": ";for=[" * 40_000}, PROXY) == PROXY


@pytest.mark.parametrize("trusted", ["private", NAMED])
def test_the_named_header_alone_tells_who_calls(trusted: str) -> None:
    proxies = Proxies(trusted, "X-Real-IP")
    assert proxies.caller({"x-real-ip": "8.8.8.8", "x-forwarded-for": "6.6.6.6"}, PROXY) == "8.8.8.8"
    assert proxies.caller({"x-real-ip": "6.6.6.6, 8.8.8.8"}, PROXY) == "8.8.8.8"  # sent, and put beside it
    assert proxies.caller({"x-forwarded-for": "6.6.6.6"}, PROXY) == PROXY
    assert proxies.caller({"x-real-ip": "6.6.6.6"}, "8.8.4.4") == "8.8.4.4"
    assert Proxies(trusted, "forwarded").caller({"forwarded": "for=6.6.6.6, for=8.8.8.8"}, PROXY) == "8.8.8.8"


def test_a_peer_is_one_address_however_its_socket_shows_it() -> None:
    assert Proxies().visitor({}, "::ffff:8.8.8.8") == Proxies().caller({}, "::ffff:8.8.8.8") == "8.8.8.8"


def test_repeated_headers_are_one() -> None:
    raw = [(b"x-forwarded-for", b"6.6.6.6"), (b"host", b"a"), (b"x-forwarded-for", b"8.8.8.8")]
    assert joined(raw) == {"x-forwarded-for": "6.6.6.6, 8.8.8.8", "host": "a"}


def seen(server: Server, **headers: str) -> str:
    """The country that a hit is stored with; the peer is this machine, which has none."""
    website = server.create_website()
    hit = {"type": "event", "payload": {"website": website, "url": "/"}}
    sent = {"user-agent": CHROME, **{name.replace("_", "-"): value for name, value in headers.items()}}
    assert server.client.post("/api/send", json=hit, headers=sent).status_code == 200
    tracked = server.graphql(
        "mutation($input: TrackInput!) { track(input: $input) { accepted } }", {"input": hit["payload"]}, sent
    )
    assert tracked["data"]["track"]["accepted"]
    by_rest, by_graphql = server.events(website)
    assert by_rest["country"] == by_graphql["country"]
    assert by_rest["session_id"] == by_graphql["session_id"]
    return str(by_rest["country"])


def test_who_is_not_believed_sends_from_where_it_is(make_settings: Callable[..., Settings]) -> None:
    """Neither headers of addresses nor of places: this machine is no proxy of theirs."""
    with running(make_settings("duckdb", trusted_proxies="203.0.113.1", ignore_ip="8.8.4.4")) as server:
        assert seen(server, x_forwarded_for="8.8.8.8", cf_ipcountry="FR", client_ip="8.8.8.8") == ""
        assert seen(server, forwarded="for=8.8.8.8", x_vercel_ip_country="FR", x_real_ip="8.8.8.8") == ""
        # Nor for a peer that has a place of its own.
        website = server.create_website()
        hit = {"type": "event", "payload": {"website": website, "url": "/"}}
        headers = {"user-agent": CHROME, "cf-ipcountry": "FR", "x-forwarded-for": "8.8.4.4"}
        collector = server.app.state.collector
        for peer in ("81.2.69.142", "203.0.113.1"):  # the second is the proxy, and 8.8.4.4 is refused
            taken = collector.collect(hit, Request({**headers, "x-real-ip": "8.8.8.8"}, peer))
            waited = asyncio.run_coroutine_threadsafe(taken, collector._loop)
            if peer == "203.0.113.1":
                with pytest.raises(Ignored):
                    waited.result(10)
            else:
                waited.result(10)
        assert [row["country"] for row in server.events(website)] == ["GB"]
        # Nobody gets anybody else refused.
        assert seen(server, x_forwarded_for="8.8.4.4") == ""


def test_a_visitor_behind_named_proxies_claims_no_other_address(
    make_settings: Callable[..., Settings],
) -> None:
    """The proxy puts the address that it sees behind what was sent to it: 8.8.8.8 is in the United States."""
    with running(make_settings("duckdb", trusted_proxies="127.0.0.1", ignore_ip="8.8.8.8")) as server:
        website = server.create_website()
        hit = {"type": "event", "payload": {"website": website, "url": "/"}}
        for forged in ("81.2.69.142, 8.8.8.8", "8.8.8.8", "127.0.0.1, 8.8.8.8, 127.0.0.1"):
            headers = {"user-agent": CHROME, "x-forwarded-for": forged, "cf-connecting-ip": "81.2.69.142"}
            assert server.client.post("/api/send", json=hit, headers=headers).status_code == 403
        # Sent in two headers it is the same.
        headers = [("user-agent", CHROME), ("x-forwarded-for", "81.2.69.142"), ("x-forwarded-for", "8.8.8.8")]
        assert server.client.post("/api/send", json=hit, headers=headers).status_code == 403
        assert server.events(website) == []
        assert seen(server, x_forwarded_for="8.8.8.8, 81.2.69.142") == "GB"
        # Of the proxies' own location headers nothing is lost.
        assert seen(server, x_forwarded_for="8.8.8.8, 81.2.69.142", cf_ipcountry="FR") == "FR"


def test_points_are_those_of_the_nearest_address(make_settings: Callable[..., Settings]) -> None:
    """By default too: an address of the client's own making buys no points."""
    with running(make_settings("duckdb", graphql_bucket_size=1000, graphql_bucket_refill=1)) as server:

        def left(addresses: str) -> int:
            answer = server.graphql("{ rateLimit { remaining } }", None, {"x-forwarded-for": addresses})
            remaining: int = answer["data"]["rateLimit"]["remaining"]
            return remaining

        many = 'mutation { login(username: "nobody", password: "x") { token } }'  # 100 points
        assert "errors" in server.graphql(many, None, {"x-forwarded-for": "6.6.6.6, 8.8.8.8"})
        assert left("7.7.7.7, 8.8.8.8") <= 990
        assert left("6.6.6.6") == left("8.8.8.8, 9.9.9.9") == 999


def test_a_setting_that_names_no_network_is_refused() -> None:
    for name in ("trusted_proxies", "ignore_ip"):
        with pytest.raises(ValidationError, match=r"'10\.0\.0\.0/99' is neither an address nor a CIDR range"):
            Settings(**{name: "10.0.0.1, 10.0.0.0/99"})  # type: ignore[arg-type]
    assert Settings(trusted_proxies="private, 203.0.113.0/24, 2001:db8::/32").trusted_proxies
