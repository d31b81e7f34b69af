"""A newcomer's first minutes in GraphiQL, in a real browser that reaches nothing but this server."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Page, Route

from tests.populate import A, B, Visitor
from tests.server import PASSWORD, Server

# The server takes the default agent, HeadlessChrome, for a bot and would drop the tracked event.
AGENT = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
)
EDITOR = ".graphiql-editor-tool .graphiql-editor:not(.hidden) .CodeMirror"
TABS = ["LogIn", "Overview", "Funnel", "Live", "Websites", "Track"]
RESULT = ".result-window .CodeMirror"


class GraphiQL:
    """The page, and everything it complained about or wanted from elsewhere."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.elsewhere: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

        def guard(route: Route) -> None:
            if route.request.url.startswith(url):
                route.continue_()
            else:
                self.elsewhere.append(route.request.url)
                route.abort()

        page.route("**/*", guard)
        page.goto(f"{url}/graphql")
        page.locator(".graphiql-query-editor .CodeMirror").wait_for()

    def tabs(self) -> list[str]:
        return self.page.locator(".graphiql-tab").all_inner_texts()

    def open(self, tab: str) -> None:
        self.page.get_by_role("tab", name=tab, exact=True).click()

    def fill(self, section: str, value: dict[str, Any]) -> None:
        """Puts JSON into the `Variables` or the `Headers` of the open tab."""
        self.page.get_by_role("button", name=section, exact=True).click()
        self.page.locator(EDITOR).evaluate(
            "(node, text) => node.CodeMirror.setValue(text)", json.dumps(value)
        )

    def filled(self, section: str) -> Any:
        """The JSON in the `Variables` or the `Headers` of the open tab."""
        self.page.get_by_role("button", name=section, exact=True).click()
        return json.loads(self.page.locator(EDITOR).evaluate("node => node.CodeMirror.getValue()"))

    def run(self) -> Any:
        """Presses the run button; returns what the result pane then shows."""
        self.page.locator(RESULT).evaluate("node => node.CodeMirror.setValue('')")
        self.page.get_by_role("button", name="Execute query").click()
        return self.result()

    def result(self) -> Any:
        """What the result pane shows, as soon as it shows anything."""
        # Playwright evaluates an expression, but not a function, with the `eval` that the policy forbids.
        self.page.wait_for_function(f"() => document.querySelector('{RESULT}').CodeMirror.getValue() !== ''")
        answer = json.loads(self.page.locator(RESULT).evaluate("node => node.CodeMirror.getValue()"))
        # What it cost is not what these tests are about.
        return {name: answer[name] for name in ("data", "errors") if name in answer}

    def shows(self, expected: Any) -> None:
        """Waits until the result pane shows this data."""
        self.page.wait_for_function(
            f"""expected => {{
                const text = document.querySelector('{RESULT}').CodeMirror.getValue();
                return text !== '' && JSON.stringify(JSON.parse(text).data) === expected;
            }}""",
            arg=json.dumps(expected, separators=(",", ":")),
        )


@pytest.fixture
def graphiql(chromium: Browser, live: Server) -> Iterator[GraphiQL]:
    context = chromium.new_context(user_agent=AGENT, viewport={"width": 1280, "height": 800})
    opened = GraphiQL(context.new_page(), live.url)
    yield opened
    context.close()
    # A breach of the Content-Security-Policy is a console message, too.
    assert opened.complaints == []
    assert opened.elsewhere == []


@dataclass(frozen=True)
class Newcomer:
    """Somebody with an account and perhaps a website, who has just opened the page."""

    username: str
    website: str | None


def newcomer(live: Server, with_website: bool) -> Newcomer:
    username = f"newcomer-{uuid4().hex[:8]}"
    create = "mutation($input: CreateUserInput!) { createUser(input: $input) { id } }"
    live.graphql(create, {"input": {"username": username, "password": PASSWORD}})
    if not with_website:
        return Newcomer(username, None)
    create = "mutation($input: CreateWebsiteInput!) { createWebsite(input: $input) { id } }"
    login = live.client.post("/api/auth/login", json={"username": username, "password": PASSWORD}).json()
    made = live.graphql(
        create,
        {"input": {"name": "Newcomer's", "domain": "example.com"}},
        {"Authorization": f"Bearer {login['token']}"},
    )
    return Newcomer(username, made["data"]["createWebsite"]["id"])


def log_in(graphiql: GraphiQL, somebody: Newcomer) -> str:
    """Runs the first tab; the token it gave."""
    graphiql.fill("Variables", {"username": somebody.username, "password": PASSWORD})
    login = graphiql.run()["data"]["login"]
    assert login["user"]["username"] == somebody.username
    token: str = login["token"]
    return token


def test_after_the_login_every_tab_just_runs(graphiql: GraphiQL, live: Server) -> None:
    somebody = newcomer(live, with_website=True)
    site = somebody.website or ""
    bought = [("/products/lamp", None), ("/products/lamp", "add-to-cart"), ("/thanks", "purchase")]
    start = int(time.time()) - 60
    for after, (url, name) in enumerate(bought):
        payload = {"website": site, "url": url, "timestamp": start + after, "hostname": "example.com"}
        body = {"type": "event", "payload": payload | ({"name": name} if name else {})}
        live.client.post("/api/send", json=body, headers=A.headers).raise_for_status()
    assert graphiql.tabs() == TABS

    token = log_in(graphiql, somebody)

    graphiql.open("Overview")
    assert graphiql.filled("Headers") == {"Authorization": f"Bearer {token}"}
    website = graphiql.run()["data"]["website"]
    assert (website["name"], website["activeVisitors"]) == ("Newcomer's", 1)
    assert website["analytics"]["totals"]["pageviews"] == {"value": 1, "previous": 0, "change": None}
    lamp = {"values": ["/products/lamp"], "visitors": 1, "pageviews": 1, "share": 1}
    assert website["analytics"]["pages"]["nodes"] == [lamp]
    assert sum(website["analytics"]["series"]["pageviews"]) == 1

    graphiql.open("Funnel")
    steps = graphiql.run()["data"]["website"]["analytics"]["funnel"]["steps"]
    assert [(step["path"], step["event"], step["visitors"]) for step in steps] == [
        ("/products/*", None, 1),
        (None, "add-to-cart", 1),
        (None, "purchase", 1),
    ]

    graphiql.open("Websites")
    mine = {"id": site, "name": "Newcomer's", "domain": "example.com", "activeVisitors": 1}
    assert graphiql.run() == {"data": {"websites": {"nodes": [mine], "totalCount": 1}}}

    graphiql.open("Track")
    track = graphiql.run()["data"]["track"]
    assert (track["accepted"], track["dropped"]) == (True, None)
    assert [row["event_name"] for row in live.events(site)] == ["", "add-to-cart", "purchase", "signup"]


def test_live_visitors_until_another_tab_is_opened(graphiql: GraphiQL, live: Server) -> None:
    somebody = newcomer(live, with_website=True)

    def visit(visitor: Visitor) -> None:
        payload = {"website": somebody.website, "url": "/", "hostname": "example.com"}
        body = {"type": "event", "payload": payload}
        live.client.post("/api/send", json=body, headers=visitor.headers).raise_for_status()

    log_in(graphiql, somebody)
    graphiql.open("Live")
    with graphiql.page.expect_websocket() as socket:
        assert graphiql.run() == {"data": {"activeVisitors": 0}}
    for number, visitor in enumerate((A, B), 1):
        visit(visitor)
        graphiql.shows({"activeVisitors": number})

    with socket.value.expect_event("close"):
        graphiql.open("Overview")
    # A press on the button would have ended what was still running.
    assert graphiql.run()["data"]["website"]["activeVisitors"] == 2


def test_what_is_still_open_is_not_sent(graphiql: GraphiQL, live: Server) -> None:
    graphiql.open("Overview")
    advice = "Log in first: run the tab LogIn. Or put a token of yours into Headers."
    assert graphiql.run() == {"errors": [{"message": advice}]}
    graphiql.open("LogIn")
    log_in(graphiql, newcomer(live, with_website=False))
    graphiql.open("Overview")
    advice = "Put the id of a website into Variables: the tab Websites lists yours."
    assert graphiql.run() == {"errors": [{"message": advice}]}
    graphiql.open("Websites")
    assert graphiql.run() == {"data": {"websites": {"nodes": [], "totalCount": 0}}}


def test_what_was_learned_outlives_a_reload(graphiql: GraphiQL, live: Server) -> None:
    somebody = newcomer(live, with_website=True)
    token = log_in(graphiql, somebody)
    graphiql.page.reload()
    graphiql.page.locator(".graphiql-query-editor .CodeMirror").wait_for()
    graphiql.open("Funnel")
    assert graphiql.filled("Headers") == {"Authorization": f"Bearer {token}"}
    assert graphiql.filled("Variables")["site"] == somebody.website


def test_a_wrong_password_fills_in_nothing(graphiql: GraphiQL) -> None:
    graphiql.fill("Variables", {"username": "admin", "password": "wrong"})
    answer = graphiql.run()
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["unauthenticated"]
    graphiql.open("Websites")
    assert graphiql.filled("Headers") == {"Authorization": "Bearer <token>"}


def test_the_text_in_the_editor_is_what_runs(graphiql: GraphiQL) -> None:
    # Within one script, so that what GraphiQL derives from the text is still that of the tab's LogIn.
    graphiql.page.evaluate(
        """() => {
            const editor = document.querySelector(".graphiql-query-editor .CodeMirror").CodeMirror;
            editor.setValue("query Other { __typename }");
            document.querySelector(".graphiql-execute-button").click();
        }"""
    )
    assert graphiql.result() == {"data": {"__typename": "Query"}}


def test_the_schema_can_be_explored(graphiql: GraphiQL) -> None:
    page = graphiql.page
    page.get_by_label("Show Documentation Explorer").click()
    page.locator(".graphiql-doc-explorer").get_by_text("Query", exact=True).click()
    field = page.locator(".graphiql-doc-explorer").get_by_text("websites", exact=True)
    field.wait_for()
    field.click()
    page.locator(".graphiql-doc-explorer-title").get_by_text("websites", exact=True).wait_for()


def test_dialogs_open_under_the_policy(graphiql: GraphiQL) -> None:
    page = graphiql.page
    page.get_by_label("Open settings dialog").click()
    page.get_by_role("dialog").wait_for()
    # This is done by the one <style> element that the nonce of the policy admits.
    assert page.evaluate("getComputedStyle(document.body).overflow") == "hidden"


def test_headers_outlive_a_reload_but_stay_in_their_browser_tab(graphiql: GraphiQL) -> None:
    page = graphiql.page
    graphiql.open("Websites")
    graphiql.fill("Headers", {"Authorization": "Bearer secret"})
    # Playwright evaluates an expression, but not a function, with the `eval` that the policy forbids.
    page.wait_for_function(
        "() => (sessionStorage.getItem('graphiql:tabState') || '').includes('Bearer secret')"
    )
    page.reload()
    page.locator(".graphiql-query-editor .CodeMirror").wait_for()
    assert graphiql.tabs() == TABS
    assert "Bearer secret" in page.evaluate("sessionStorage.getItem('graphiql:tabState')")

    another = page.context.new_page()
    another.goto(page.url)
    another.locator(".graphiql-query-editor .CodeMirror").wait_for()
    assert "Bearer secret" not in another.evaluate("JSON.stringify([{...sessionStorage}, {...localStorage}])")
