"""A client that sends any bytes: it neither checks nor mends what it is given, and takes no answer for a failure."""

from __future__ import annotations

import re
import select
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse
from typing import Final
from urllib.parse import urlsplit

import orjson

# Seconds after which an answer is taken not to come at all: nothing is measured with it.
HANGS: Final = 30.0
_CHUNK: Final = 1 << 16

Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True)
class Request:
    """What goes over the wire. With `chunks` the body is sent in so many, without its length."""

    method: bytes
    target: bytes
    headers: Headers = ()
    body: bytes = b""
    chunks: int = 0
    note: str = field(default="", compare=False)  # what was odd about it, for people

    def __str__(self) -> str:
        """Python that makes this request, to be pasted into a test."""
        headers = ", ".join(f"({source(name)}, {source(value)})" for name, value in self.headers)
        parts = [
            source(self.method),
            source(self.target),
            f"({headers}{',' if headers else ''})",
            source(self.body),
        ]
        return f"Request({', '.join(parts)}{f', chunks={self.chunks}' if self.chunks else ''})"

    def head(self) -> bytes:
        length: Headers = (
            ((b"transfer-encoding", b"chunked"),)
            if self.chunks
            else ((b"content-length", str(len(self.body)).encode()),)
        )
        lines = [b"%s %s HTTP/1.1" % (self.method, self.target), b"host: localhost"]
        lines += [b"%s: %s" % one for one in (*self.headers, *length)]
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def parts(self) -> list[bytes]:
        """The body as it is sent."""
        if not self.chunks:
            return [self.body[at : at + _CHUNK] for at in range(0, len(self.body), _CHUNK)]
        size = max(1, -(-len(self.body) // self.chunks))
        cut = [self.body[at : at + size] for at in range(0, len(self.body), size)]
        return [*(b"%x\r\n%s\r\n" % (len(part), part) for part in cut), b"0\r\n\r\n"]


@dataclass(frozen=True)
class Response:
    """`status` 0: the server ended the connection without a word."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    def json(self) -> object:
        return orjson.loads(self.body)


class Hung(AssertionError):
    """No answer came."""


class Wire:
    """One connection after the other to a server."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname
        assert parts.port
        self._address = (parts.hostname, parts.port)
        self._socket: socket.socket | None = None

    def ask(self, request: Request) -> Response:
        """Raises Hung when nothing comes back within `HANGS` seconds."""
        kept = self._socket is not None
        try:
            return self._ask(request)
        except (ConnectionError, HTTPException):
            self.close()
            if not kept:
                return Response(0, {}, b"")
        # A connection that was kept may have been ended since, which says nothing of this request.
        try:
            return self._ask(request)
        except (ConnectionError, HTTPException):
            self.close()
            return Response(0, {}, b"")

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _ask(self, request: Request) -> Response:
        if self._socket is None:
            self._socket = socket.create_connection(self._address, timeout=HANGS)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            whole = self._send(self._socket, request)
            answer = HTTPResponse(self._socket, method=request.method.decode("latin-1").upper())
            answer.begin()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            stream = headers.get("content-type", "").startswith("text/event-stream")
            body = _first_event(answer) if stream else answer.read()
        except TimeoutError:
            self.close()
            raise Hung(f"no answer within {HANGS:.0f} s") from None
        if answer.will_close or stream or not whole:
            self.close()
        return Response(answer.status, headers, body)

    def _send(self, to: socket.socket, request: Request) -> bool:
        """Send it until the server answers; whether that was all of it."""
        parts = request.parts()
        if sum(map(len, parts)) <= _CHUNK:
            to.sendall(request.head() + b"".join(parts))
            return True
        to.sendall(request.head())
        for part in parts:
            if select.select([to], [], [], 0)[0]:
                return False
            try:
                to.sendall(part)
            except ConnectionError:
                return False  # what was answered may still lie in the socket
        return True


def _first_event(answer: HTTPResponse) -> bytes:
    """The first event of a stream, or nothing where it rests for a moment."""
    lines: list[bytes] = []
    assert answer.fp is not None
    sock = answer.fp.raw._sock  # type: ignore[union-attr]
    sock.settimeout(0.15)
    try:
        while line := answer.readline():
            lines.append(line)
            if line == b"\n" and any(one.startswith(b"data:") for one in lines):
                break
    except TimeoutError:
        pass
    return b"".join(lines)


_RUN: Final = re.compile(rb"(.{1,24}?)\1{15,}", re.DOTALL)


def source(data: bytes) -> str:
    """Python for these bytes, what recurs many times written as a product."""
    parts: list[str] = []
    at = 0
    for run in _RUN.finditer(data):
        if run.start() > at:
            parts.append(repr(data[at : run.start()]))
        parts.append(f"{run[1]!r} * {len(run[0]) // len(run[1])}")
        at = run.end()
    if at < len(data) or not parts:
        parts.append(repr(data[at:]))
    return " + ".join(parts)


def json_request(method: str, target: str, body: object, headers: Sequence[tuple[str, str]] = ()) -> Request:
    given = tuple((name.encode(), value.encode()) for name, value in headers)
    return Request(
        method.encode(),
        target.encode(),
        (*given, (b"content-type", b"application/json")),
        b"" if body is None else orjson.dumps(body),
    )


def elapsed(since: float) -> float:
    return time.monotonic() - since
