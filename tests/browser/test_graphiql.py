"""A newcomer's first minutes in GraphiQL, in a real browser that reaches nothing but this server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route

from tests.server import PASSWORD, Server

# The server takes the default agent, HeadlessChrome, for a bot and would drop the tracked event.
AGENT = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
)
EDITOR = ".graphiql-editor-tool .graphiql-editor:not(.hidden) .CodeMirror"
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

    def run(self) -> Any:
        """Presses the run button; returns what the result pane then shows."""
        self.page.locator(RESULT).evaluate("node => node.CodeMirror.setValue('')")
        self.page.get_by_role("button", name="Execute query").click()
        return self.result()

    def result(self) -> Any:
        """What the result pane shows, as soon as it shows anything."""
        # Playwright evaluates an expression, but not a function, with the `eval` that the policy forbids.
        self.page.wait_for_function(f"() => document.querySelector('{RESULT}').CodeMirror.getValue() !== ''")
        return json.loads(self.page.locator(RESULT).evaluate("node => node.CodeMirror.getValue()"))


@pytest.fixture
def graphiql(chromium: Browser, live: Server) -> Iterator[GraphiQL]:
    context = chromium.new_context(user_agent=AGENT, viewport={"width": 1280, "height": 800})
    opened = GraphiQL(context.new_page(), live.url)
    yield opened
    context.close()
    # A breach of the Content-Security-Policy is a console message, too.
    assert opened.complaints == []
    assert opened.elsewhere == []


def test_the_examples_lead_from_login_to_figures(graphiql: GraphiQL, live: Server) -> None:
    site = live.create_website(name="Newcomer's", domain="example.com")
    assert graphiql.tabs() == ["LogIn", "Websites", "Overview", "Track"]

    graphiql.fill("Variables", {"username": "admin", "password": PASSWORD})
    login = graphiql.run()["data"]["login"]
    assert login["user"]["username"] == "admin"
    headers = {"Authorization": f"Bearer {login['token']}"}

    graphiql.open("Websites")
    graphiql.fill("Headers", headers)
    nodes = graphiql.run()["data"]["websites"]["nodes"]
    assert {"id": site, "name": "Newcomer's", "domain": "example.com"} in nodes

    graphiql.open("Track")
    view = {"website": site, "hostname": "example.com", "url": "/pricing", "title": "Pricing"}
    graphiql.fill("Variables", {"input": view})
    assert set(graphiql.run()["data"]["track"]) == {"accepted", "dropped", "sessionId", "visitId"}

    graphiql.open("Overview")
    graphiql.fill("Variables", {"site": site, "period": {"last": "DAYS_7", "timezone": "UTC"}})
    graphiql.fill("Headers", headers)
    website = graphiql.run()["data"]["website"]
    assert website["name"] == "Newcomer's"
    assert website["analytics"]["totals"]["pageviews"] == {"value": 1, "previous": 0, "change": None}
    assert [(row["values"], row["pageviews"]) for row in website["analytics"]["pages"]["nodes"]] == [
        (["/pricing"], 1)
    ]


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
    assert graphiql.tabs() == ["LogIn", "Websites", "Overview", "Track"]
    assert "Bearer secret" in page.evaluate("sessionStorage.getItem('graphiql:tabState')")

    another = page.context.new_page()
    another.goto(page.url)
    another.locator(".graphiql-query-editor .CodeMirror").wait_for()
    assert "Bearer secret" not in another.evaluate("JSON.stringify([{...sessionStorage}, {...localStorage}])")
