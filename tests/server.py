"""A real server for tests: uvicorn on a free loopback port, in a thread of the test's process, on real stores."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

import httpx
import sqlalchemy as sa
import uvicorn

from app.auth import STOCK_ADMIN_ID
from app.context import Actor, Ctx, Kind, Runtime
from app.protocol import options
from app.settings import Settings
from app.tables import event, event_data, metadata, revenue, session_data

ADMIN = Actor(Kind.USER, user_id=STOCK_ADMIN_ID)
PASSWORD = "correct horse battery staple"
# The secret of the conformance vectors (Umami v2 REST behaviour §6.1).
SECRET = "test-secret-123"


@dataclass
class Server:
    """A running server and short ways to use it. `runtime` is its inside, for looking at what was stored."""

    url: str
    settings: Settings
    app: Any

    @property
    def runtime(self) -> Runtime:
        runtime: Runtime = self.app.state.runtime
        return runtime

    @cached_property
    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=30)

    @cached_property
    def token(self) -> str:
        answer = self.client.post("/api/auth/login", json={"username": "admin", "password": PASSWORD})
        answer.raise_for_status()
        token: str = answer.json()["token"]
        return token

    @property
    def admin(self) -> dict[str, str]:
        """Headers of the first admin."""
        return {"Authorization": f"Bearer {self.token}"}

    def graphql(
        self, query: str, variables: dict[str, Any] | None = None, headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        """The whole GraphQL answer; asked by the admin unless headers are given ({} is anonymous)."""
        answer = self.client.post(
            "/graphql",
            json={"query": query, "variables": variables},
            headers=self.admin if headers is None else headers,
        )
        body: dict[str, Any] = answer.json()
        return body

    def get(self, path: str, headers: dict[str, str] | None = None, **params: Any) -> Any:
        """The JSON of a successful GET, asked by the admin unless headers are given."""
        answer = self.client.get(path, params=params, headers=self.admin if headers is None else headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    @contextmanager
    def ctx(self, actor: Actor = ADMIN) -> Iterator[Ctx]:
        with self.runtime.operation(actor) as ctx:
            yield ctx

    def create_website(self, name: str = "Example", domain: str = "example.com") -> str:
        answer = self.client.post("/api/websites", json={"name": name, "domain": domain}, headers=self.admin)
        assert answer.status_code == 200, answer.text
        website_id: str = answer.json()["id"]
        return website_id

    def events(self, website_id: str) -> list[dict[str, Any]]:
        return self.stored(event, website_id, event.c.created_at, event.c.event_id)

    def event_data(self, website_id: str) -> list[dict[str, Any]]:
        return self.stored(event_data, website_id, event_data.c.created_at, event_data.c.data_key)

    def session_data(self, website_id: str) -> list[dict[str, Any]]:
        return self.stored(session_data, website_id, session_data.c.version, session_data.c.data_key)

    def revenue(self, website_id: str) -> list[dict[str, Any]]:
        return self.stored(revenue, website_id, revenue.c.created_at, revenue.c.event_id)

    def stored(self, table: sa.Table, website_id: str, *order: Any) -> list[dict[str, Any]]:
        """All rows of a website in a table of the event store, in order."""
        assert table in metadata.tables.values()
        query = sa.select(table).where(table.c.website_id == UUID(website_id)).order_by(*order)
        return [dict(row._mapping) for row in self.runtime.events.rows(query)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(settings: Settings) -> Iterator[Server]:
    """Serve these settings until the block ends."""
    from app.main import create_app

    app = create_app(settings)
    port = free_port()
    config = uvicorn.Config(app, host="127.0.0.1", port=port, **options(settings))
    uvicorn_server = uvicorn.Server(config)
    thread = threading.Thread(target=uvicorn_server.run, name="test-server")
    thread.start()
    while not uvicorn_server.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.01)
    server = Server(f"http://127.0.0.1:{port}{settings.base_path}", settings, app)
    try:
        yield server
    finally:
        server.client.close()
        uvicorn_server.should_exit = True
        thread.join(20)
        assert not thread.is_alive(), "the server did not stop"
