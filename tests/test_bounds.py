"""Nothing that is sent is kept without a bound: heads, bodies with and without a length, frames of sockets."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from app.protocol import MAX_HEAD
from app.settings import Settings
from tests.rest_compat.samples import NOBODY, TABLE
from tests.server import Server, running

LIMIT = 2048
BODIES = [route for route in TABLE if route.method != "GET"]


@pytest.fixture(scope="module")
def narrow(make_settings: Callable[..., Settings]) -> Iterator[Server]:
    """A server that takes bodies of 2 KB."""
    with running(make_settings("duckdb", max_body_bytes=LIMIT)) as started:
        yield started


def chunks(size: int) -> Iterator[bytes]:
    """A body without a length: it is sent in chunks."""
    yield b'{"a": "'
    for _ in range(size // 512):
        yield b"x" * 512


@pytest.mark.parametrize("route", BODIES, ids=lambda route: f"{route.method} {route.path}")
def test_no_route_reads_more_than_a_body_may_have(narrow: Server, route: object) -> None:
    path = "/".join(NOBODY if part.startswith("{") else part for part in route.path.split("/"))  # type: ignore[attr-defined]
    reads = route.body is not None or route.request_schema is not None  # type: ignore[attr-defined]
    for content in (b'{"a": "' + b"x" * LIMIT, chunks(4096)):
        answer = narrow.client.request(route.method, path, content=content, headers=narrow.admin)  # type: ignore[attr-defined]
        if reads:
            assert (answer.status_code, answer.json()) == (413, {"error": "Request body too large"})
        else:
            assert answer.status_code in (200, 400, 401, 404), answer.text


@pytest.mark.parametrize("content", [b'{"query": "' + b"x" * LIMIT, None], ids=["length", "chunks"])
def test_graphql_reads_no_more_either(narrow: Server, content: bytes | None) -> None:
    answer = narrow.client.post(
        "/graphql", content=content or chunks(4096), headers={"content-type": "application/json"}
    )
    assert answer.status_code == 413
    assert answer.json()["errors"][0]["extensions"] == {"code": "too-large", "status": 413}


def test_a_frame_of_a_socket_is_no_larger_than_a_body(narrow: Server) -> None:
    url = f"{narrow.url.replace('http', 'ws')}/graphql"
    with connect(url, subprotocols=["graphql-transport-ws"]) as opened:  # type: ignore[list-item]
        opened.send('{"type": "connection_init", "payload": {"a": "' + "x" * LIMIT)
        with pytest.raises(ConnectionClosed):
            opened.recv(timeout=10)
        assert opened.close_code == 1009  # message too big


def talk(server: Server, begin: bytes, endless: bytes, most: int = 100) -> tuple[int, bytes]:
    """Send something that never ends, at most `most` times 64 KB: (bytes sent until the server hung up, its answer)."""
    where = urlsplit(server.url)
    with socket.create_connection((where.hostname, where.port), 10) as opened:
        sent, answer = 0, b""
        try:
            opened.sendall(begin)
            for _ in range(most):
                opened.sendall(endless * ((64 << 10) // len(endless)))
                sent += 64 << 10
            opened.shutdown(socket.SHUT_WR)
        except ConnectionError:
            pass
        try:
            while part := opened.recv(65536):
                answer += part
        except ConnectionError:
            pass
        return sent, answer


HEAD = b"GET /healthz HTTP/1.1\r\nhost: a\r\n"
CHUNKED = b"POST /api/auth/logout HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("begin", "endless"),
    [
        (b"GET /", b"a"),
        (HEAD + b"x: ", b"a"),
        (HEAD, b"x: aaaaaaaa\r\n"),
        (HEAD, b"x"),
        (CHUNKED + b"1\r\na\r\n0\r\nx: ", b"a"),
        (CHUNKED + b"1;", b"a"),
    ],
    ids=["address", "header", "headers", "name", "trailer", "extension"],
)
def test_what_never_ends_is_not_waited_for(narrow: Server, begin: bytes, endless: bytes) -> None:
    sent, _ = talk(narrow, begin, endless)
    assert sent < 100 * (64 << 10)
    assert narrow.client.get("/healthz").status_code == 200


def test_a_large_head_is_told_so(narrow: Server) -> None:
    fits = narrow.client.get("/healthz", headers={"x": "a" * (MAX_HEAD // 2)})
    assert fits.status_code == 200
    # In two parts, so that all of it is read before the connection ends.
    where = urlsplit(narrow.url)
    with socket.create_connection((where.hostname, where.port), 10) as opened:
        opened.sendall(HEAD + b"x: ")
        opened.sendall(b"a" * (MAX_HEAD + 1))
        answer = b""
        while part := opened.recv(4096):
            answer += part
    assert answer.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert b"x-content-type-options: nosniff\r\n" in answer


def test_a_body_may_come_in_one_piece_with_its_head(make_settings: Callable[..., Settings]) -> None:
    """And be larger than a head: it is no part of it."""
    with running(make_settings("duckdb")) as server:
        body = b'{"username": "' + b"x" * 300_000 + b'", "password": "y"}'
        answer = httpx.post(f"{server.url}/api/auth/login", content=body)
        assert answer.status_code == 401
