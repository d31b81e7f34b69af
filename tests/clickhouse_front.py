"""ClickHouse's HTTP interface, as much as its Python client uses, over the engine in this process: for tests alone.

`python -m tests.clickhouse_front DIRECTORY PORT` serves it until it is ended. As long as there is a file DIRECTORY.cut,
every insert of a table that it names is done and not answered: the line is cut.
"""

from __future__ import annotations

import json
import sys
import tempfile
import zlib
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import chdb
import lz4.frame

from tests.process import engine_path

# Parameters of the interface itself; all others are settings.
_OWN = {
    "database",
    "query",
    "session_id",
    "query_id",
    "wait_end_of_query",
    "user",
    "password",
    "client_protocol_version",
}
_OWN |= {
    "send_progress_in_http_headers",
    "http_headers_progress_interval_ms",
    "enable_http_compression",
    "compress",
}
_UNKNOWN_DATABASE = 81


class Front(BaseHTTPRequestHandler):
    """One request is one statement, on a connection of its own."""

    protocol_version = "HTTP/1.1"
    directory: Path

    def do_GET(self) -> None:
        self._answer(b"Ok.\n", {}) if urlsplit(self.path).path == "/ping" else self.do_POST()

    def do_POST(self) -> None:
        body = self._body()
        given = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        statement = given.get("query", "").encode() or b""
        # The statement is in the address and the data in the body, or both are in the body.
        text, data = (statement, body) if statement else _divided(body)
        try:
            rows = self._run(text.decode(), data, given)
        except RuntimeError as error:
            message = str(error)
            code = message.partition("Code: ")[2].partition(".")[0]
            self._answer(
                message.encode(), {"X-ClickHouse-Exception-Code": code}, 404 if code == "81" else 500
            )
        else:
            if data and self._is_cut(text.split()[2]):
                self.close_connection = True
                return
            summary = json.dumps({"read_rows": "0", "written_rows": str(rows[1])})
            self._answer(rows[0], {"X-ClickHouse-Summary": summary, "X-ClickHouse-Timezone": "UTC"})

    def _run(self, text: str, data: bytes, given: dict[str, str]) -> tuple[bytes, int]:
        connection = chdb.connect(engine_path(self.directory))
        try:
            if database := given.get("database"):
                connection.query(f"USE `{database}`")
            for name, value in given.items():
                if name not in _OWN and not name.startswith("param_"):
                    quoted = value.replace("\\", "\\\\").replace("'", "\\'")
                    connection.query(f"SET {name} = '{quoted}'")
            params = {name[6:]: value for name, value in given.items() if name.startswith("param_")}
            if not data:
                return connection.query(text, "TabSeparated", params=params).bytes() or b"", 0
            with tempfile.NamedTemporaryFile(suffix=".native") as file:
                file.write(data)
                file.flush()
                into, _, form = text.rpartition(" FORMAT ")
                # As over a wire, its settings are those of the request.
                done = connection.query(f"{into} FROM INFILE '{file.name}' FORMAT {form}", "TabSeparated")
                return b"", done.rows_read()
        finally:
            connection.close()

    def _is_cut(self, table: bytes) -> bool:
        cut = self.directory.with_suffix(".cut")
        return cut.exists() and table.decode().split(".")[-1].strip("`") in cut.read_text().split()

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        match self.headers.get("Content-Encoding"):
            case "lz4":
                return bytes(lz4.frame.decompress(body))
            case "gzip" | "deflate":
                return zlib.decompress(body, wbits=47)
            case None | "identity":
                return body
            case other:
                raise ValueError(f"a body encoded as {other} is not understood")

    def _answer(self, body: bytes, headers: dict[str, str], status: int = 200) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: what goes wrong is in the answer."""


def _divided(body: bytes) -> tuple[bytes, bytes]:
    """The statement and the data of an insert; of anything else there is no data."""
    if body[:6].upper() != b"INSERT":
        return body, b""
    text, _, data = body.partition(b"\n")
    return (text, data) if b" FORMAT " in text else (body, b"")


def main() -> None:
    Front.directory = Path(sys.argv[1])
    # The engine stays as long as a connection does; each request would begin it anew.
    with closing(chdb.connect(engine_path(Front.directory))):
        ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Front).serve_forever()


if __name__ == "__main__":
    main()
