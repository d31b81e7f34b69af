"""A real browser, pages that carry the tracker, and what the tracker sent. The server is the suite's `live` one."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from string import Template
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, sync_playwright

from app.tracker import script
from tests.server import Server

PAGES = Path(__file__).parent / "pages"
USER_AGENT = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
)
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE = 10.0  # seconds


class Site:
    """A web site on a free loopback port; a path nobody has put a page at answers an empty page."""

    def __init__(self) -> None:
        self.pages: dict[str, str] = {}
        self.scripts: dict[str, bytes] = {}
        self.posts: list[tuple[str, Any]] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = urlsplit(self.path).path
                if path in site.scripts:
                    self._answer(200, "text/javascript", site.scripts[path])
                else:
                    page = site.pages.get(path, "<!doctype html><title>Elsewhere</title>")
                    self._answer(200, "text/html; charset=utf-8", page.encode())

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                site.posts.append((self.path, json.loads(body)))
                self._answer(404, "text/html", b"<p>Not here")

            def _answer(self, status: int, content_type: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with suppress(ConnectionError):  # The browser may leave a page before it has read all of it.
                    self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Keeps requests out of the test report."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://localhost:{self.server.server_port}"


class Visitor:
    """One person with a fresh browser profile on a fresh website."""

    def __init__(self, context: BrowserContext, site: Site, live: Server) -> None:
        self.context = context
        self.site = site
        self.live = live
        self.website = live.create_website(name="Browser test", domain="localhost")
        self.page: Page = context.new_page()
        self.requests: list[Request] = []
        self.done: list[Request] = []
        self.errors: list[str] = []
        context.on("request", lambda request: self._note(request, self.requests))
        context.on("response", lambda response: self._note(response.request, self.done))
        context.on("requestfailed", lambda request: self._note(request, self.done))
        context.on("weberror", lambda error: self.errors.append(str(error.error)))

    @staticmethod
    def _note(request: Request, where: list[Request]) -> None:
        # An answer that a navigation cuts short is reported twice: it came, and it failed.
        if request.method == "POST" and request.url.endswith("/api/send") and request not in where:
            where.append(request)

    def put(self, path: str, page: str = "plain", *, src: str | None = None, **attributes: str) -> str:
        """Puts a page at `path`, its tracker tag with `data-…` attributes; returns its full address."""
        tag = {"src": src or f"{self.live.url}/script.js", "data-website-id": self.website}
        tag |= {f"data-{name.replace('_', '-')}": value for name, value in attributes.items()}
        written = " ".join(f'{name}="{escape(value)}"' for name, value in tag.items())
        template = Template((PAGES / f"{page}.html").read_text("utf-8"))
        self.site.pages[path] = template.substitute(tracker=f"<script defer {written}></script>")
        return self.site.url + path

    def open(
        self, address: str = "/", page: str = "plain", *, referer: str | None = None, **attributes: str
    ) -> None:
        """Puts a page and opens it; returns once it has loaded."""
        self.put(urlsplit(address).path, page, **attributes)
        self.page.goto(self.site.url + address, referer=referer)

    def sent(self, count: int) -> list[Any]:
        """Waits until the tracker has sent `count` bodies and all are answered; they are all there are."""
        deadline = monotonic() + PATIENCE
        while len(self.done) < count and monotonic() < deadline:
            self.page.wait_for_timeout(10)
        bodies = [json.loads(request.post_data or "") for request in self.requests]
        assert len(bodies) == count, bodies
        assert len(self.done) == count, "not every request was answered"
        return bodies

    def answers(self) -> list[Any]:
        """The answers to everything sent so far."""
        responses = [request.response() for request in self.requests]
        return [response.json() for response in responses if response]

    def events(self, *columns: str) -> list[tuple[Any, ...]]:
        """These columns of the stored events, oldest first."""
        return [tuple(row[column] for column in columns) for row in self.live.events(self.website)]


# For a module, not the session: while Playwright is open its event loop counts as running in the test's thread, and
# any other test's asyncio.run would refuse to start.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Headless Chromium of the machine. Skips where there is none, but CI must have it."""
    executable = shutil.which("chromium")
    if executable is None:
        reason = "Chromium is not installed: no `chromium` on the PATH"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    """The web site that carries the tracker."""
    site = Site()
    site.scripts["/assets/stats.js"] = script()
    thread = threading.Thread(target=site.server.serve_forever, daemon=True)
    thread.start()
    yield site
    site.server.shutdown()
    site.server.server_close()
    thread.join()


@pytest.fixture
def new_visitor(chromium: Browser, site: Site, live: Server) -> Iterator[Callable[..., Visitor]]:
    """Makes visitors; their pages must not have raised anything."""
    visitors: list[Visitor] = []

    def make(**options: Any) -> Visitor:
        # The default agent says HeadlessChrome, which the server rightly takes for a bot.
        context = chromium.new_context(
            user_agent=USER_AGENT, locale="de-AT", screen={"width": 1366, "height": 768}, **options
        )
        visitors.append(Visitor(context, site, live))
        return visitors[-1]

    yield make
    for visitor in visitors:
        visitor.context.close()
    site.pages.clear()
    assert [error for visitor in visitors for error in visitor.errors] == []


@pytest.fixture
def visitor(new_visitor: Callable[..., Visitor]) -> Visitor:
    """A visitor with the usual options."""
    return new_visitor()
