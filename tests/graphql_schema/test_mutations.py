"""What can be changed, and hits sent by servers."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.populate import CHROME
from tests.server import Server

WEBSITE = "id name domain shareId resetAt createdAt updatedAt owner { username }"
CREATE = f"mutation($input: CreateWebsiteInput!) {{ createWebsite(input: $input) {{ {WEBSITE} }} }}"
UPDATE = f"mutation($id: ID!, $input: UpdateWebsiteInput!) {{ updateWebsite(id: $id, input: $input) {{ {WEBSITE} }} }}"
READ = f"query($id: ID!) {{ website(id: $id) {{ {WEBSITE} }} }}"
TRACK = "mutation($input: TrackInput!) { track(input: $input) { accepted dropped sessionId visitId cache error { code } } }"
BATCH = """mutation($inputs: [TrackInput!]!) { trackBatch(inputs: $inputs) {
    accepted dropped sessionId visitId error { code message field } } }"""


def code(answer: dict[str, Any]) -> tuple[str, str | None]:
    [error] = answer["errors"]
    return error["extensions"]["code"], error["extensions"].get("field")


def test_a_website_is_created_read_changed_and_deleted(live: Server) -> None:
    chosen, slug = str(uuid4()), uuid4().hex[:12]
    given = {"name": "Shop", "domain": "shop.example", "id": chosen, "shareId": slug}
    made = live.graphql(CREATE, {"input": given})["data"]["createWebsite"]
    assert {**made, "createdAt": "", "updatedAt": ""} == {
        **given,
        "resetAt": None,
        "createdAt": "",
        "updatedAt": "",
        "owner": {"username": "admin"},
    }
    assert made["createdAt"] == made["updatedAt"]
    assert live.graphql(READ, {"id": chosen})["data"]["website"] == made
    changed = live.graphql(UPDATE, {"id": chosen, "input": {"name": "Store"}})["data"]["updateWebsite"]
    assert changed == {**made, "name": "Store", "updatedAt": changed["updatedAt"]}
    assert live.graphql(READ, {"id": chosen})["data"]["website"] == changed
    gone = live.graphql(f"mutation($id: ID!) {{ deleteWebsite(id: $id) {{ {WEBSITE} }} }}", {"id": chosen})
    assert gone["data"]["deleteWebsite"] == changed
    assert code(live.graphql(READ, {"id": chosen})) == ("not-found", None)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"name": "", "domain": "d"}, ("invalid", "name")),
        ({"name": "n" * 101, "domain": "d"}, ("invalid", "name")),
        ({"name": "n", "domain": "d\0"}, ("invalid", "domain")),
        ({"name": "n", "domain": "d", "id": "nope"}, ("invalid", "id")),
        ({"name": "n", "domain": "d", "shareId": ""}, ("invalid", "shareId")),
        ({"name": "n"}, ("graphql-validation", "domain")),
    ],
)
def test_websites_that_cannot_be_created(
    live: Server, given: dict[str, str], expected: tuple[str, str | None]
) -> None:
    count = "{ websites { totalCount } }"
    before = live.graphql(count)
    assert code(live.graphql(CREATE, {"input": given})) == expected
    assert live.graphql(count) == before


def test_ids_and_share_links_are_taken_once(live: Server) -> None:
    slug = uuid4().hex[:12]
    first = live.graphql(CREATE, {"input": {"name": "a", "domain": "a", "shareId": slug}})["data"][
        "createWebsite"
    ]
    again = {"name": "b", "domain": "b"}
    assert code(live.graphql(CREATE, {"input": {**again, "id": first["id"]}})) == ("conflict", "id")
    assert code(live.graphql(CREATE, {"input": {**again, "shareId": slug}})) == ("conflict", "shareId")
    other = live.create_website()
    assert code(live.graphql(UPDATE, {"id": other, "input": {"shareId": slug}})) == ("conflict", "shareId")


@pytest.mark.parametrize("field", ["name", "domain"])
def test_null_does_not_empty_a_name(live: Server, field: str) -> None:
    website = live.create_website()
    assert code(live.graphql(UPDATE, {"id": website, "input": {field: None}})) == ("invalid", field)
    assert live.graphql(READ, {"id": website})["data"]["website"]["name"] == "Example"


def test_websites_are_paged_by_cursor_and_searched(live: Server) -> None:
    mark = uuid4().hex
    # Equal names: the id decides, so no page repeats or drops one.
    names = ["b", "a", "a", "C", "ä"]
    made = [live.create_website(f"{name} {mark}", f"{mark}.example") for name in names]
    query = """query($n: Int!, $after: String, $s: String) { websites(first: $n, after: $after, search: $s) {
        totalCount nodes { id name } edges { cursor node { id } } pageInfo { hasNextPage endCursor } } }"""
    whole = live.graphql(query, {"n": 100, "s": mark.upper()})["data"]["websites"]
    assert whole["totalCount"] == 5
    assert sorted(node["id"] for node in whole["nodes"]) == sorted(made)
    assert whole["pageInfo"] == {"hasNextPage": False, "endCursor": whole["edges"][-1]["cursor"]}
    for size in (1, 2, 5):
        seen: list[str] = []
        page: dict[str, Any] = {"pageInfo": {"hasNextPage": True, "endCursor": None}}
        while page["pageInfo"]["hasNextPage"]:
            page = live.graphql(query, {"n": size, "s": mark, "after": page["pageInfo"]["endCursor"]})[
                "data"
            ]["websites"]
            seen += [node["id"] for node in page["nodes"]]
            assert page["totalCount"] == 5
            # One that comes between two pages moves no other.
        assert seen == [node["id"] for node in whole["nodes"]]
    nothing = live.graphql(query, {"n": 1, "s": f"{mark}%"})["data"]["websites"]
    assert nothing == {
        "totalCount": 0,
        "nodes": [],
        "edges": [],
        "pageInfo": {"hasNextPage": False, "endCursor": None},
    }


def test_one_request_cannot_try_a_list_of_passwords(live: Server) -> None:
    tries = "".join(
        f'a{number}: login(username: "admin", password: "{number}") {{ token }} ' for number in range(5)
    )
    answer = live.graphql(f"mutation {{ {tries} }}", headers={})
    codes = [error["extensions"]["code"] for error in answer["errors"]]
    assert codes == ["unauthenticated"] * 3 + ["too-many"] * 2
    # The next request starts anew.
    assert code(live.graphql('mutation { login(username: "admin", password: "") { token } }', headers={}))[
        0
    ] == ("unauthenticated")


def test_login_gives_a_token_that_works(live: Server) -> None:
    from tests.server import PASSWORD

    query = (
        'mutation($p: String!) { login(username: "admin", password: $p) { token user { id username role } } }'
    )
    found = live.graphql(query, {"p": PASSWORD}, {})["data"]["login"]
    user = {"id": "41e2b680-648e-4b09-bcd7-3e2b10c06264", "username": "admin", "role": "ADMIN"}
    assert found["user"] == user
    me = live.graphql("{ me { id username role } }", headers={"Authorization": f"Bearer {found['token']}"})
    assert me["data"] == {"me": user}
    assert code(live.graphql(query, {"p": "wrong"}, {})) == ("unauthenticated", None)


def test_track_stores_what_a_server_says(server: Server, website: str) -> None:
    answer = server.graphql(
        TRACK,
        {
            "input": {
                "website": website,
                "url": "/a?utm_source=x",
                "hostname": "www.example.com",
                "title": "T",
                "referrer": "https://t.co/x",
                "language": "de-DE",
                "screen": "1920x1080",
                "name": "signup",
                "tag": "t",
                "id": "user-1",
                "data": {"plan": "pro", "n": {"x": 1.5}},
                "ip": "8.8.8.8",
                "userAgent": CHROME,
                "timestamp": 1795440493,
            }
        },
        {},
    )
    result = answer["data"]["track"]
    assert (result["accepted"], result["dropped"], result["error"]) == (True, None, None)
    [row] = server.events(website)
    wanted = {
        "url_path": "/a",
        "utm_source": "x",
        "hostname": "www.example.com",
        "page_title": "T",
        "referrer_domain": "t.co",
        "language": "de-DE",
        "screen": "1920x1080",
        "event_name": "signup",
        "event_type": 2,
        "tag": "t",
        "distinct_id": "user-1",
        "browser": "chrome",
        "os": "Windows 10",
        "device": "desktop",
        "session_id": UUID(result["sessionId"]),
        "visit_id": UUID(result["visitId"]),
    }
    assert {name: row[name] for name in wanted} == wanted
    assert row["created_at"].timestamp() == 1795440493
    assert [(r["data_key"], r["string_value"]) for r in server.event_data(website)] == [
        ("n.x", "1.5000"),
        ("plan", "pro"),
    ]


def test_track_takes_address_agent_and_visit_from_the_request(server: Server, website: str) -> None:
    headers = {"user-agent": CHROME, "x-forwarded-for": "8.8.8.8"}
    first = server.graphql(TRACK, {"input": {"website": website, "url": "/"}}, headers)["data"]["track"]
    second = server.graphql(
        TRACK,
        {"input": {"website": website, "url": "/b", "timestamp": 1795440493}},
        {**headers, "x-umami-cache": first["cache"]},
    )["data"]["track"]
    # A time of its own would begin another visit, but for the cache.
    assert second["visitId"] == first["visitId"]
    assert [row["browser"] for row in server.events(website)] == ["chrome", "chrome"]


def test_identify_counts_nothing(server: Server, website: str) -> None:
    given = {
        "website": website,
        "type": "IDENTIFY",
        "data": {"plan": "pro"},
        "userAgent": CHROME,
        "ip": "8.8.8.8",
    }
    assert server.graphql(TRACK, {"input": given}, {})["data"]["track"]["accepted"] is True
    assert server.events(website) == []
    assert [(r["data_key"], r["string_value"]) for r in server.session_data(website)] == [("plan", "pro")]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"website": "nope"}, ("invalid", "website")),
        ({"website": "0b8a3f2e-7a54-4c7e-9a54-2f6a3f0f0f0f"}, ("invalid", "website")),
        ({"name": "n" * 51}, ("invalid", "name")),
        ({"data": [1]}, ("invalid", "data")),
        ({"data": "text"}, ("invalid", "data")),
        ({"ip": "300.1.1.1"}, ("invalid", "ip")),
        ({"timestamp": -1}, ("invalid", "timestamp")),
        ({"userAgent": CHROME, "hostname": "h" * 101}, ("invalid", "hostname")),
        ({"timestamp": "soon"}, ("graphql-validation", "timestamp")),
        ({"type": "PAGEVIEW"}, ("graphql-validation", "type")),
    ],
)
def test_hits_that_are_refused_name_their_field(
    server: Server, website: str, given: dict[str, Any], expected: tuple[str, str | None]
) -> None:
    assert code(server.graphql(TRACK, {"input": {"website": website, **given}}, {})) == expected
    assert server.events(website) == []


def test_a_bot_is_told_so(server: Server, website: str) -> None:
    answer = server.graphql(TRACK, {"input": {"website": website, "url": "/"}}, {"user-agent": "curl/8.0"})
    assert answer["data"]["track"] == {
        "accepted": False,
        "dropped": "bot",
        "sessionId": None,
        "visitId": None,
        "cache": None,
        "error": None,
    }
    assert server.events(website) == []


def test_a_batch_answers_for_each_hit(server: Server, website: str) -> None:
    common = {"website": website, "ip": "8.8.8.8", "userAgent": CHROME}
    inputs = [
        {**common, "url": "/1"},
        {**common, "url": "/2", "name": "n" * 51},
        {**common, "url": "/3", "userAgent": "curl/8.0"},
        {**common, "website": "0b8a3f2e-7a54-4c7e-9a54-2f6a3f0f0f0f"},
        {**common, "url": "/5"},
    ]
    results = server.graphql(BATCH, {"inputs": inputs}, {})["data"]["trackBatch"]
    assert [
        (r["accepted"], r["dropped"], r["error"] and (r["error"]["code"], r["error"]["field"]))
        for r in results
    ] == [
        (True, None, None),
        (False, None, ("invalid", "name")),
        (False, "bot", None),
        (False, None, ("invalid", "website")),
        (True, None, None),
    ]
    assert results[0]["sessionId"] == results[4]["sessionId"]
    assert sorted(row["url_path"] for row in server.events(website)) == ["/1", "/5"]


def test_a_batch_has_a_limit(live: Server) -> None:
    [most] = [live.graphql("{ limits { maxBatch } }")["data"]["limits"]["maxBatch"]]
    inputs = [{"website": "nope"}] * (most + 1)
    assert code(live.graphql(BATCH, {"inputs": inputs}, {})) == ("invalid", "inputs")
    assert len(live.graphql(BATCH, {"inputs": inputs[1:]}, {})["data"]["trackBatch"]) == most
    assert live.graphql(BATCH, {"inputs": []}, {})["data"] == {"trackBatch": []}
