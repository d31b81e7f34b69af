"""Nothing that is sent here makes the server go anywhere: no address that it is given is ever asked."""

from __future__ import annotations

import ast
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.populate import CHROME
from tests.rest_compat import samples
from tests.rest_compat.samples import TABLE
from tests.server import Server

ROOT = Path(__file__).parent.parent
PACKAGES = ("app", "graphql_schema", "rest_compat")

# What could reach another machine, from the standard library and from what is installed.
CLIENTS = {
    "aiohttp", "anyio", "asyncssh", "dns", "ftplib", "ftputil", "grpc", "h11", "h2", "http.client", "httpcore",
    "httplib2", "httptools", "httpx", "imaplib", "multiprocessing", "nntplib", "poplib", "pycurl", "requests", "select",
    "selectors", "smtplib", "socketserver", "ssl", "subprocess", "telnetlib", "trio", "urllib.request", "urllib3",
    "webbrowser", "websockets", "xmlrpc", "xml",
}  # fmt: skip
# Calls that open connections without a client.
CALLS = {
    "connect_ex",
    "create_connection",
    "open_connection",
    "create_datagram_endpoint",
    "sendto",
    "system",
    "popen",
}


# Whoever hears PostgreSQL's notifications waits for its connection, and for being told to stop: it makes none by this.
WAITING = {
    ("app/listen.py", name) for name in ("selectors", "selectors.DefaultSelector", "selectors.EVENT_READ")
}


def imported(tree: ast.AST) -> Iterator[str]:
    """Every module that is imported, wherever in the file, and what is imported from it as if it were one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_client(module: str) -> bool:
    return any(module == client or module.startswith(f"{client}.") for client in CLIENTS)


def test_no_module_can_ask_another_server() -> None:
    found, sockets, calls = set(), set(), set()
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            name, tree = path.relative_to(ROOT).as_posix(), ast.parse(path.read_text("utf-8"))
            modules = set(imported(tree))
            found |= {(name, module) for module in modules if is_client(module)}
            sockets |= {name for module in modules if module == "socket"}
            attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
            calls |= {(name, attribute) for attribute in attributes & CALLS}
    # A command asks the server that the settings name how it is; the server asks nobody.
    assert found - WAITING == {("app/doctor/server.py", "http.client")}
    assert calls == set()
    # One looks whether an address is this machine's own, by binding to it, one is asked for backups over a file in
    # DATA_DIR, one wakes a thread of its own by a pair of sockets, and one asks what the machine is called: nothing leaves it.
    assert sockets == {"app/ingest/client.py", "app/control.py", "app/listen.py", "app/peers.py"}


def test_the_scan_sees_what_it_is_for() -> None:
    tree = ast.parse(
        "def f():\n    from urllib import request\n    import http.client as h\n    from httpx import get"
    )
    assert sorted(filter(is_client, imported(tree))) == [
        "http.client",
        "httpx",
        "httpx.get",
        "urllib.request",
    ]
    assert not any(map(is_client, ("http", "urllib.parse", "xmlfoo", "socket")))


@pytest.fixture
def trap() -> Iterator[socket.socket]:
    """A port that nobody has any business with."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        yield listening


def test_addresses_that_are_sent_are_not_asked(server: Server, website: str, trap: socket.socket) -> None:
    host = f"127.0.0.1:{trap.getsockname()[1]}"
    url = f"http://{host}/a.png"
    sql = f"'); COPY (SELECT 1) TO '{url}'; SELECT * FROM read_csv('{url}') --"
    headers = {
        "user-agent": CHROME,
        "x-forwarded-for": "8.8.8.8",
        "x-forwarded-host": host,
        "forwarded": f"for=8.8.8.8;host={host}",
        "x-original-url": url,
        "referer": url,
        "origin": f"http://{host}",
        "x-umami-cache": url,
    }
    payload = {
        "website": website,
        "url": url,
        "referrer": f"{url}?x",
        "hostname": host,
        "title": url,
        "name": url[:50],
        "tag": url[:50],
        "id": url,
        "data": {"link": url, "sql": sql, "logoUrl": url, "nested": {"file": f"file:///dev/tcp/{host}"}},
    }
    sent = [{"type": kind, "payload": payload} for kind in ("event", "identify")]
    sent += [{"type": "event", "payload": {**payload, "userAgent": url}}]  # a bot, by its name
    sent += [
        {"type": "event", "payload": {**payload, "url": other}}
        for other in (f"//{host}/x", sql, f"ftp://{host}")
    ]
    answer = server.client.post("/api/batch", json=sent, headers=headers)
    assert answer.json() == {"size": 6, "processed": 6, "errors": 0, "details": []}

    # Everything that takes a text, over REST.
    for route in TABLE:
        texts = {
            field.name: url[: field.schema.get("maxLength") or 500]
            for field in (*route.query, *(route.body or ()))
            if field.schema.get("type") == "string"
            and "enum" not in field.schema
            and "format" not in field.schema
        }
        body = {**(samples.body(route) or {}), **{key: texts[key] for key in texts if route.body}}
        body |= {"logoUrl": url, "domain": host, "websiteId": website}
        path = route.path.replace("{websiteId}", website)
        path = "/".join(uuid4().hex if part.startswith("{") else part for part in path.split("/"))
        if route.method == "DELETE" or path.endswith(("/reset", "/transfer")):
            continue
        query: dict[str, Any] = {
            **samples.query(route),
            **{key: texts[key] for key in texts if not route.body},
        }
        seen = server.client.request(
            route.method,
            path,
            params=query,
            json=body if route.body else None,
            headers={**headers, **server.admin},
        )
        assert seen.status_code < 500, (route.method, route.path, seen.text)

    # And what reads it back, and shows it.
    document = """query($id: ID!, $url: String!) { website(id: $id) {
        analytics(period: {all: true}, where: {hostname: {eq: $url}}) { totals { visitors { value } } }
        values(field: REFERRER, search: $url) { value }
    } }"""
    assert "data" in server.graphql(document, {"id": website, "url": url}, {**headers, **server.admin})
    assert len(server.events(website)) == 4
    server.client.get("/graphql", headers={**headers, "accept": "text/html"})
    with pytest.raises(BlockingIOError):
        trap.accept()


def test_the_trap_would_have_caught_it(trap: socket.socket) -> None:
    with socket.create_connection(trap.getsockname()):
        assert trap.accept()
