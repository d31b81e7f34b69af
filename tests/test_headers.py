"""What every answer of every door says to browsers, and what other sites may do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from app.settings import Settings
from tests.populate import CHROME
from tests.rest_compat.samples import TABLE
from tests.server import PASSWORD, Server, running

PROTECTING = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "cross-origin",
}
STRICT = {"strict-transport-security": "max-age=63072000"}
JSON = {"content-type": "application/json"}
PAGE = {"accept": "text/html"}


@pytest.fixture(scope="module")
def strict(make_settings: Callable[..., Settings]) -> Iterator[Server]:
    """As it is behind HTTPS, below a path."""
    with running(make_settings("duckdb", force_ssl="1", base_path="/stats", max_body_bytes=2048)) as started:
        yield started


def protecting(answer: httpx.Response) -> dict[str, str]:
    names = {*PROTECTING, *STRICT}
    assert all(len(answer.headers.get_list(name)) <= 1 for name in names), answer.headers
    return {name: value for name, value in answer.headers.items() if name in names}


ANSWERS: list[tuple[str, str, int, dict[str, Any]]] = [
    ("GET", "/api/heartbeat", 200, {}),
    ("HEAD", "/api/heartbeat", 200, {}),
    ("OPTIONS", "/api/send", 204, {}),
    ("GET", "/api/send", 405, {}),
    ("POST", "/api/send", 400, {"content": b"{"}),
    ("POST", "/api/send", 413, {"content": b"x" * 4096}),
    ("POST", "/api/batch", 400, {"content": b"{"}),
    ("GET", "/api/websites", 401, {}),
    ("GET", "/api/websites/", 308, {}),
    ("GET", "/api/nothing", 404, {}),
    ("POST", "/api/auth/login", 401, {"json": {"username": "a", "password": "b"}}),
    ("GET", "/script.js", 200, {}),
    ("GET", "/telemetry.js", 200, {}),
    ("GET", "/nothing", 404, {}),
    ("POST", "/healthz", 405, {}),
    ("GET", "/healthz", 200, {}),
    ("GET", "/readyz", 200, {}),
    ("GET", "/metrics", 200, {}),
    ("GET", "/openapi.json", 200, {}),
    ("GET", "", 307, {}),
    ("POST", "/graphql", 200, {"json": {"query": "{ __typename }"}}),
    ("POST", "/graphql", 200, {"json": {"query": "{ nothing }"}}),
    ("POST", "/graphql", 400, {"content": b"{", "headers": JSON}),
    ("POST", "/graphql", 413, {"content": b"x" * 4096, "headers": JSON}),
    ("PUT", "/graphql", 405, {}),
    ("OPTIONS", "/graphql", 204, {}),
    (
        "POST",
        "/graphql",
        200,
        {"json": {"query": "{ __typename }"}, "headers": {"accept": "text/event-stream"}},
    ),
    ("GET", "/graphql/assets/nothing.js", 404, {}),
]


@pytest.mark.parametrize(("method", "path", "status", "sent"), ANSWERS)
def test_every_answer_is_protected(
    strict: Server, live: Server, method: str, path: str, status: int, sent: dict[str, Any]
) -> None:
    answer = strict.client.request(method, f"{strict.url}{path}", **sent)
    assert answer.status_code == status, answer.text
    assert protecting(answer) == {**PROTECTING, **STRICT}
    if status != 413:  # the other takes more
        assert protecting(live.client.request(method, path or "/", **sent)) == PROTECTING


def test_a_hit_and_a_failure_that_nobody_foresaw_are_protected(
    make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(make_settings("duckdb")) as server:
        hit = {"type": "event", "payload": {"website": server.create_website(), "url": "/"}}
        for path, body in (("/api/send", hit), ("/api/batch", [hit])):
            answer = server.client.post(path, json=body, headers={"user-agent": CHROME})
            assert (answer.status_code, protecting(answer)) == (200, PROTECTING)

        def fail(*_: Any) -> None:
            raise ZeroDivisionError("a secret")

        monkeypatch.setattr(server.app.state.metrics, "text", fail)
        monkeypatch.setattr(server.runtime, "run", fail)
        for path in ("/metrics", "/api/websites"):
            answer = httpx.get(f"{server.url}{path}")  # the connection ends with it
            assert (answer.status_code, answer.json()) == (500, {"error": "Internal server error"})
            assert protecting(answer) == PROTECTING


def test_the_page_is_nobody_s_frame_and_runs_its_own_script_alone(strict: Server) -> None:
    page = strict.client.get("/graphql", headers=PAGE)
    policy = page.headers["content-security-policy"]
    assert re.sub(r"nonce-[\w-]{22}", "nonce-…", policy) == (
        "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-…'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    own = {
        "content-security-policy": policy,
        "cross-origin-resource-policy": "same-origin",
    }
    assert protecting(page) == {**PROTECTING, **STRICT, **own}
    assert page.headers["cross-origin-opener-policy"] == "same-origin"
    script = re.findall(r'src="/stats(/[^"]+)"', page.text)[0]
    asset = strict.client.get(script)
    assert protecting(asset) == {**PROTECTING, **STRICT, "cross-origin-resource-policy": "same-origin"}


def test_named_sites_may_frame_the_page(make_settings: Callable[..., Settings]) -> None:
    sites = "https://intranet.example.com https://*.example.org:8443"
    with running(make_settings("duckdb", allowed_frame_urls=sites)) as server:
        page = server.client.get("/graphql", headers=PAGE)
        assert page.headers["content-security-policy"].endswith(f"; frame-ancestors {sites}")
        assert "x-frame-options" not in page.headers
        assert protecting(server.client.get("/healthz")) == PROTECTING


def test_answers_with_tokens_are_not_kept(live: Server) -> None:
    slug = uuid4().hex[:16]
    website = live.create_website()
    made = live.graphql(
        f'mutation {{ createShare(websiteId: "{website}", input: {{slug: "{slug}", password: "p"}}) {{ id }} }}'
    )
    assert "errors" not in made
    login = {"username": "admin", "password": PASSWORD}
    document = f'mutation {{ login(username: "admin", password: "{PASSWORD}") {{ token }} }}'
    secrets = [
        live.client.post("/api/auth/login", json=login),
        live.client.get("/api/me", headers=live.admin),
        live.client.post(f"/api/share/{slug}", json={"password": "p"}),
        live.client.post("/graphql", json={"query": document}),
        live.client.post(
            "/graphql", json={"query": f'{{ share(slug: "{slug}", password: "p") {{ token }} }}'}
        ),
    ]
    for answer in secrets:
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        assert re.search(r'"token":"[^"]+"', answer.text)
    # All others as Umami's: to be asked for again each time.
    assert live.client.get("/api/websites", headers=live.admin).headers["cache-control"] == "no-cache"


# Other sites

ELSEWHERE = {"origin": "https://evil.test"}


def test_no_answer_sets_a_cookie_and_no_cookie_proves_anything(live: Server) -> None:
    answer = live.client.post("/api/auth/login", json={"username": "admin", "password": PASSWORD})
    token = answer.json()["token"]
    assert "set-cookie" not in answer.headers
    cookies = {"cookie": f"token={token}; authorization=Bearer {token}; umami.auth={token}"}
    assert live.client.get("/api/me", headers=cookies).status_code == 401
    assert live.graphql("{ me { id } }", None, cookies)["data"] == {"me": None}
    for path in ("/graphql", "/healthz", "/script.js"):
        assert "set-cookie" not in live.client.get(path, headers=PAGE).headers


@pytest.mark.parametrize("path", ["/api/websites", "/graphql"])
def test_any_site_may_read_with_a_token_it_was_given(live: Server, path: str) -> None:
    asked = {
        **ELSEWHERE,
        "access-control-request-headers": "authorization",
        "access-control-request-method": "POST",
    }
    preflight = live.client.options(path, headers=asked)
    assert preflight.status_code == 204
    answer = live.client.request(
        "POST" if path == "/graphql" else "GET",
        path,
        json={"query": "{ __typename }"} if path == "/graphql" else None,
        headers={**live.admin, **ELSEWHERE},
    )
    for told in (preflight, answer):
        # `*` and no credentials: a browser sends no cookies or passwords of its own along.
        assert told.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in told.headers


FORMS = ["application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "text/plain", ""]


@pytest.mark.parametrize("content_type", FORMS)
def test_a_form_or_a_link_changes_nothing_by_graphql(live: Server, content_type: str) -> None:
    """What a page may send elsewhere without being asked first."""
    name = uuid4().hex
    document = f'mutation {{ createTeam(name: "{name}") {{ id }} }}'
    headers = {**live.admin, **ELSEWHERE}
    body = httpx.Request("POST", live.url, json={"query": document}).content
    posted = live.client.post("/graphql", content=body, headers={**headers, "content-type": content_type})
    assert posted.status_code == 400
    assert posted.json()["errors"][0]["extensions"]["code"] == "bad-request"
    followed = live.client.get("/graphql", params={"query": document}, headers=headers)
    assert followed.status_code == 405
    assert followed.json()["errors"][0]["extensions"]["code"] == "method-not-allowed"
    found = live.graphql(f'{{ teams(search: "{name}") {{ totalCount }} }}')
    assert found["data"]["teams"]["totalCount"] == 0


def test_a_form_of_another_site_is_nobody_at_the_rest_door(live: Server) -> None:
    """Its body is read whatever its type, as Umami reads it; but no form can send the header that says who asks."""
    name = uuid4().hex
    for content_type in FORMS:
        answer = live.client.post(
            "/api/teams",
            content=f'{{"name": "{name}"}}',
            headers={**ELSEWHERE, "content-type": content_type, "cookie": f"authorization={live.token}"},
        )
        assert (answer.status_code, answer.json()) == (401, {"error": "Unauthorized"})
    assert live.get("/api/teams", search=name)["count"] == 0


def test_a_socket_of_another_site_is_nobody_until_it_says_who(live: Server) -> None:
    url = f"{live.url.replace('http', 'ws')}/graphql"
    with connect(
        url,
        origin="https://evil.test",  # type: ignore[arg-type]
        subprotocols=["graphql-transport-ws"],  # type: ignore[list-item]
        additional_headers={"cookie": f"authorization=Bearer {live.token}"},
    ) as opened:
        opened.send('{"type": "connection_init"}')
        opened.send('{"type": "subscribe", "id": "1", "payload": {"query": "{ me { id } }"}}')
        assert [opened.recv(timeout=10) for _ in range(2)] == [
            '{"type":"connection_ack"}',
            '{"id":"1","type":"next","payload":{"data":{"me":null},"extensions":{"cost":{"requested":1,"actual":1}}}}',
        ]


def test_there_is_no_socket_elsewhere(live: Server) -> None:
    for path in ("/", "/api/send", "/graphql/"):
        with pytest.raises(InvalidStatus) as refused, connect(live.url.replace("http", "ws") + path):
            pass
        assert refused.value.response.status_code in (403, 404)


def test_the_table_of_routes_says_which_answers_hold_tokens() -> None:
    assert {f"{route.method} {route.path}" for route in TABLE if route.secret} == {
        "POST /api/auth/login",
        "GET /api/me",
        "GET /api/share/{shareId}",
        "POST /api/share/{shareId}",
    }
