"""Which hits a website takes: its rules alone, and through the front door."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import httpx
import pytest
import sqlalchemy as sa

from app import rules
from app.errors import Invalid
from app.ingest import senders
from app.models import Website
from app.rules import Rules, _bare_host, bare_host
from app.settings import Settings
from tests.keys import make_key
from tests.populate import CHROME
from tests.rest_compat.people import Headers
from tests.server import Server, running

HOSTS = ["example.com", "*.shop.example.com", "*.Müller.de", "localhost:3000"]


@pytest.mark.parametrize(
    ("host", "taken"),
    [
        ("example.com", True),
        ("EXAMPLE.com", True),
        ("example.com.", True),
        ("example.com:8443", True),
        ("www.example.com", False),
        ("shop.example.com", False),
        ("a.shop.example.com", True),
        ("b.a.shop.example.com", True),
        ("evilshop.example.com", False),
        ("example.com.evil.test", False),
        ("www.müller.de", True),
        ("WWW.XN--MLLER-KVA.de", True),
        ("localhost", True),
        ("example.com/evil", False),
        ("evil@example.com", False),
        ("no host", False),
        ("", False),
    ],
)
def test_hosts(host: str, taken: bool) -> None:
    kept = rules.hosts(HOSTS, "allowed_hosts")
    assert kept == ["example.com", "*.shop.example.com", "*.xn--mller-kva.de", "localhost"]
    assert Rules.of(kept, [], []).take_host(host, vouched=False) is taken
    assert Rules.of([], kept, []).take_host(host, vouched=False) is not taken
    assert Rules.of([], [], []).take_host(host, vouched=False)


def test_what_is_allowed_and_excluded_is_excluded() -> None:
    made = Rules.of(["*.example.com"], ["test.example.com"], [])
    assert made.take_host("www.example.com", vouched=False)
    assert not made.take_host("test.example.com", vouched=True)


@pytest.mark.parametrize(
    ("address", "taken"),
    [
        ("81.2.69.142", False),
        ("81.2.70.1", True),
        ("::ffff:81.2.69.142", False),
        ("81.2.69.142:5000", False),
        ("2001:db8:1::7", False),
        ("2001:db8:2::7", True),
        ("10.1.2.3", False),
        ("unknown", True),
    ],
)
def test_addresses(address: str, taken: bool) -> None:
    given = ["81.2.69.142/24", " 2001:db8:1::/48 ", "10.1.2.3", "10.1.2.3/32", "::ffff:10.1.2.3"]
    kept = rules.addresses(given, "excluded_addresses")
    assert kept == ["81.2.69.0/24", "2001:db8:1::/48", "10.1.2.3"]
    assert Rules.of([], [], kept).take_from(address, "8.8.8.8") is taken
    assert Rules.of([], [], kept).take_from("8.8.8.8", address) is taken


@pytest.mark.parametrize(
    "entry",
    ["", "*", "*.", "a.*.b", "https://a.b", "a/b", "a b", "a@b", "a?b", "[::1", "a" * 300, "a\0b", "%61.b"],
)
def test_a_host_that_is_none_is_named(entry: str) -> None:
    with pytest.raises(Invalid, match=re.escape(f"allowedHosts: {entry[:255]!r} is not a host name")) as told:
        rules.hosts(["example.com", entry], "allowed_hosts")
    assert told.value.field == "allowedHosts"


@pytest.mark.parametrize("entry", ["", "localhost", "10.0.0.0/33", "10.0.0.1-10.0.0.9", "9" * 300])
def test_an_address_that_is_none_is_named(entry: str) -> None:
    with pytest.raises(Invalid, match=re.escape(f"excludedAddresses: {entry[:100]!r} is neither")) as told:
        rules.addresses(["10.0.0.1", entry], "excluded_addresses")
    assert told.value.field == "excludedAddresses"


def test_a_list_is_bounded() -> None:
    assert len(rules.hosts([f"h{i}" for i in range(100)], "excluded_hosts")) == 100
    with pytest.raises(Invalid, match="excludedHosts has at most 100 entries"):
        rules.hosts([f"h{i}" for i in range(101)], "excluded_hosts")


FIELDS = "{ id allowedHosts excludedHosts excludedAddresses }"


def write(server: Server, website: str, **lists: Any) -> dict[str, Any]:
    """The whole answer to a change of a website."""
    document = f"mutation($id: ID!, $input: UpdateWebsiteInput!) {{ updateWebsite(id: $id, input: $input) {FIELDS} }}"
    return server.graphql(document, {"id": website, "input": lists})


def send(
    server: Server, website: str, *, address: str = "8.8.8.8", headers: Headers | None = None, **payload: Any
) -> httpx.Response:
    hit = {"type": "event", "payload": {"website": website, "url": "/", **payload}}
    sent = {"user-agent": CHROME, "x-forwarded-for": address, **(headers or {})}
    return server.client.post("/api/send", json=hit, headers=sent)


def dropped(answer: httpx.Response) -> str | None:
    """Why a hit was dropped; None if it was taken."""
    assert answer.status_code == 200
    if "x-dashi-dropped" in answer.headers:
        assert answer.json() == {"beep": "boop"}
        return answer.headers["x-dashi-dropped"]
    assert UUID(answer.json()["visitId"])
    return None


def test_rules_are_written_and_read(server: Server) -> None:
    create = f"mutation($input: CreateWebsiteInput!) {{ createWebsite(input: $input) {FIELDS} }}"
    given = {
        "name": "n",
        "domain": "d",
        "allowedHosts": ["Example.com", "*.example.com"],
        "excludedHosts": ["test.example.com"],
        "excludedAddresses": ["10.1.2.3/8"],
    }
    made = server.graphql(create, {"input": given})["data"]["createWebsite"]
    website = made.pop("id")
    assert made == {
        "allowedHosts": ["example.com", "*.example.com"],
        "excludedHosts": ["test.example.com"],
        "excludedAddresses": ["10.0.0.0/8"],
    }
    # What is not given stays.
    changed = write(server, website, excludedAddresses=[])["data"]["updateWebsite"]
    assert changed == {"id": website, **made, "excludedAddresses": []}
    assert server.graphql(f'{{ website(id: "{website}") {FIELDS} }}')["data"]["website"] == changed


@pytest.mark.parametrize(
    ("lists", "field", "message"),
    [
        (
            {"allowedHosts": ["ok.test", "http://x"]},
            "allowedHosts",
            "allowedHosts: 'http://x' is not a host name, nor *. before one",
        ),
        ({"excludedHosts": None}, "excludedHosts", "excludedHosts must not be null"),
        (
            {"excludedAddresses": ["10.0.0.1", "x"]},
            "excludedAddresses",
            "excludedAddresses: 'x' is neither an address nor a CIDR range",
        ),
    ],
)
def test_bad_rules_change_nothing(live: Server, lists: dict[str, Any], field: str, message: str) -> None:
    website = live.create_website()
    before = write(live, website, allowedHosts=["a.test"])["data"]["updateWebsite"]
    error = write(live, website, name="changed", **lists)["errors"][0]
    assert error["message"].startswith(message)
    assert error["extensions"] == {"code": "invalid", "status": 400, "field": field}
    seen = live.graphql(f'{{ website(id: "{website}") {{ name }} }}')["data"]["website"]
    assert seen == {"name": "Example"}
    assert live.graphql(f'{{ website(id: "{website}") {FIELDS} }}')["data"]["website"] == before


def test_who_reads_a_share_sees_no_rules(live: Server) -> None:
    website = live.create_website()
    write(live, website, excludedAddresses=["10.0.0.1"], allowedHosts=["a.test"])
    live.graphql(
        f'mutation {{ createShare(websiteId: "{website}", input: {{slug: "norules{website[:8]}"}}) {{ id }} }}'
    )
    opened = live.client.get(f"/api/share/norules{website[:8]}").json()
    seen = live.graphql(
        f'{{ website(id: "{website}") {FIELDS} }}', None, {"x-umami-share-token": opened["token"]}
    )
    assert seen["data"]["website"] == {
        "id": website,
        "allowedHosts": None,
        "excludedHosts": None,
        "excludedAddresses": None,
    }


def test_hits_of_other_hosts_are_dropped(server: Server, website: str) -> None:
    assert dropped(send(server, website, hostname="evil.test")) is None
    write(server, website, allowedHosts=["example.com", "*.example.com"], excludedHosts=["test.example.com"])
    # At once, though the website is remembered.
    assert dropped(send(server, website, hostname="evil.test")) == "host"
    assert dropped(send(server, website, hostname="WWW.Example.com")) is None
    assert dropped(send(server, website, hostname="test.example.com")) == "host"
    # The page's own address counts where no host is named, and not against one that is.
    assert dropped(send(server, website, url="https://example.com/a")) is None
    assert dropped(send(server, website, url="https://evil.test/a")) == "host"
    assert dropped(send(server, website, hostname="example.com", url="https://evil.test/b")) is None
    assert dropped(send(server, website, url="//evil.test:80/é")) == "host"
    # Hits of no page need an API key.
    assert dropped(send(server, website)) == "host"
    key = make_key(server, "ingest", website=website)
    assert dropped(send(server, website, headers=key.header)) is None
    assert dropped(send(server, website, headers=key.header, hostname="evil.test")) == "host"
    identify = {
        "type": "identify",
        "payload": {"website": website, "hostname": "evil.test", "data": {"a": 1}},
    }
    assert dropped(server.client.post("/api/send", json=identify, headers={"user-agent": CHROME})) == "host"
    assert [row["hostname"] for row in server.events(website)] == [
        "evil.test",
        "WWW.Example.com",
        "example.com",
        "example.com",
        "localhost",  # how a hit of no page is stored
    ]
    assert server.session_data(website) == []


def test_hits_of_excluded_addresses_are_dropped(server: Server, website: str) -> None:
    write(server, website, excludedAddresses=["198.51.100.0/24", "2001:db8:1::/48"])
    assert dropped(send(server, website, address="198.51.100.7")) == "address"
    assert dropped(send(server, website, address="2001:db8:1:5::1")) == "address"
    assert dropped(send(server, website, address="8.8.8.8")) is None
    # Naming another address does not help, nor does a server get one in.
    assert dropped(send(server, website, address="198.51.100.7", ip="8.8.8.8")) == "address"
    assert dropped(send(server, website, address="8.8.8.8", ip="198.51.100.7")) == "address"
    key = make_key(server, "ingest", website=website)
    assert dropped(send(server, website, address="198.51.100.7", headers=key.header)) == "address"
    assert len(server.events(website)) == 1


def test_in_a_batch_and_by_graphql_each_hit_is_judged(live: Server) -> None:
    website = live.create_website()
    write(live, website, allowedHosts=["a.test"], excludedAddresses=["198.51.100.7"])
    hits = [
        {"type": "event", "payload": {"website": website, "url": "/", "hostname": host, "ip": ip}}
        for host, ip in (("a.test", "8.8.8.8"), ("b.test", "8.8.8.8"), ("a.test", "198.51.100.7"))
    ]
    batch = live.client.post("/api/batch", json=hits, headers={"user-agent": CHROME})
    assert batch.json() == {"size": 3, "processed": 3, "errors": 0, "details": []}
    assert batch.headers["x-dashi-dropped"] == "address, host"
    track = "mutation($input: TrackInput!) { track(input: $input) { accepted dropped } }"
    told = [
        live.graphql(track, {"input": hit["payload"]}, {"user-agent": CHROME})["data"]["track"]
        for hit in hits
    ]
    assert told == [
        {"accepted": True, "dropped": None},
        {"accepted": False, "dropped": "host"},
        {"accepted": False, "dropped": "address"},
    ]
    assert len(live.events(website)) == 2


def test_drops_are_counted_by_reason(live: Server) -> None:
    website = live.create_website()
    write(live, website, allowedHosts=["a.test"], excludedAddresses=["198.51.100.7"])

    def counted() -> dict[str, float]:
        found = re.findall(
            r'^dashi_dropped_hits_total\{reason="(host|address)"\} (\S+)$',
            live.client.get("/metrics").text,
            re.M,
        )
        return {"host": 0.0, "address": 0.0} | {reason: float(count) for reason, count in found}

    before = counted()
    send(live, website, hostname="b.test")
    send(live, website, hostname="b.test")
    send(live, website, hostname="a.test", address="198.51.100.7")
    after = counted()
    assert {reason: after[reason] - before[reason] for reason in after} == {"host": 2.0, "address": 1.0}


@pytest.fixture(scope="module")
def forgetful(make_settings: Callable[..., Settings], module_patch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that remembers websites for a tenth of a second instead of 15 s."""
    module_patch.setattr(senders, "_KNOWN", 0.1)
    with running(make_settings("duckdb")) as started:
        yield started


@pytest.fixture(scope="module")
def module_patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def test_what_another_process_changed_is_seen_when_it_is_no_longer_remembered(forgetful: Server) -> None:
    website = forgetful.create_website()
    assert dropped(send(forgetful, website, hostname="evil.test")) is None
    # Past the process's own verbs, as another one on the same accounts store writes.
    with forgetful.runtime.accounts.begin() as session:
        mine = Website.website_id == UUID(website)
        session.execute(sa.update(Website).where(mine).values(allowed_hosts=["a.test"]))
    for _ in range(1000):
        if dropped(send(forgetful, website, hostname="evil.test")) == "host":
            break
    else:
        pytest.fail("the old rules are remembered for ever")


def test_long_hosts_are_in_no_list_and_are_not_remembered() -> None:
    remembered = _bare_host.cache_info().currsize
    assert [bare_host(f"{number}{'a' * 1000}.com") for number in range(10)] == [""] * 10
    assert _bare_host.cache_info().currsize == remembered
