"""The server that is fuzzed: a process of its own on a store, and a world in it of which a part may be destroyed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from tests.fuzz.wire import Wire
from tests.populate import VECTORS
from tests.process import Process, environment, serving

PASSWORD = "their password"
# Rows whose id an operation may be given, and that it may change and delete.
KINDS = ("website", "team", "user", "share", "segment", "report", "apiKey")


@dataclass
class Instance:
    """A running server with something of everything. `lasting` stays as it is, `victims` come and go."""

    process: Process
    data_dir: Path
    client: httpx.Client
    wire: Wire
    lasting: dict[str, str] = field(default_factory=dict)
    victims: dict[str, list[str]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    actors: dict[str, dict[str, str]] = field(default_factory=dict)  # who → headers
    cursors: list[str] = field(default_factory=list)

    def post(self, path: str, body: Any) -> Any:
        answer = self.client.post(path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def graphql(self, query: str, **variables: Any) -> Any:
        answer = self.post("/graphql", {"query": query, "variables": variables})
        assert "errors" not in answer, answer
        return answer["data"]

    def create_website(self) -> str:
        website_id: str = self.post("/api/websites", {"name": "Example", "domain": "example.com"})["id"]
        return website_id

    def refill(self) -> None:
        """See that there is something of each kind to change and delete. What was deleted stays listed: asking for what
        is gone is a case of its own."""
        website, name = self.create_website(), uuid4().hex
        self._revoke_keys()
        made = {
            "website": website,
            "team": self.post("/api/teams", {"name": "T"})[0]["id"],
            "user": self.post("/api/users", {"username": name, "password": PASSWORD, "role": "user"})["id"],
            "share": self.graphql(_CREATE_SHARE, id=website)["createShare"]["id"],
            "segment": self.post(f"/api/websites/{website}/segments", _SEGMENT)["id"],
            "report": self.post("/api/reports", {**_REPORT, "websiteId": website})["id"],
            "apiKey": self.graphql(_CREATE_KEY, scope="READ")["createApiKey"]["key"]["id"],
        }
        for kind, one in made.items():
            self.victims[kind] = [one, *self.victims[kind][:19]]

    def _revoke_keys(self) -> None:
        """A user has a hundred keys at the most."""
        keys = self.graphql("{ me { apiKeys(first: 100) { nodes { id } } } }")["me"]["apiKeys"]["nodes"]
        for key in keys[50:]:
            if key["id"] != self.lasting["apiKey"]:
                self.graphql("mutation($id: ID!) { revokeApiKey(id: $id) { id } }", id=key["id"])

    def rejected(self) -> list[tuple[str, str]]:
        """Rows that the event store refused, as (table, JSON)."""
        found = []
        for file in (self.data_dir / "journal").glob("journal-*.sqlite"):
            with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
                found += connection.execute("SELECT target, row FROM rejected").fetchall()
        return found

    def log(self) -> str:
        return self.process.log.read_text("utf-8", "replace")


_CREATE_SHARE = (
    'mutation($id: ID!) { createShare(websiteId: $id, input: {name: "s", password: "open it"}) { id slug } }'
)
_CREATE_KEY = 'mutation($scope: ApiKeyScope!) { createApiKey(input: {name: "k", scopes: [$scope]}) { secret key { id } } }'
_PAGES = """query($id: ID!) { website(id: $id) { analytics(period: {all: true}) {
    events(first: 2) { pageInfo { endCursor } }
    breakdown(by: [PATH], first: 1) { pageInfo { endCursor } } } } }"""
_SEGMENT = {"type": "segment", "name": "s", "parameters": {"country": "US"}}
_COHORT = {"type": "cohort", "name": "c", "parameters": {"url": "/"}}
_REPORT = {"name": "r", "type": "utm", "description": "", "parameters": {}}


@contextmanager
def instance(directory: Path, database_url: str = "") -> Iterator[Instance]:
    """Serve a fresh instance in a process until the block ends."""
    directory.mkdir(parents=True, exist_ok=True)
    # One caller asks all the questions here; what each may cost is limited as ever.
    env = environment(
        directory / "data",
        database_url,
        GRAPHQL_BUCKET_SIZE="1000000000",
        GRAPHQL_BUCKET_REFILL="1000000000",
        DISABLE_BOT_CHECK="1",
    )
    with serving(env, directory / "log") as process, httpx.Client(base_url=process.url, timeout=60) as client:
        client.headers["authorization"] = f"Bearer {process.token()}"
        made = Instance(process, directory / "data", client, Wire(process.url))
        _populate(made)
        made.refill()
        yield made
        made.wire.close()


def _populate(made: Instance) -> None:
    website = made.create_website()
    for hit in VECTORS:
        answer = made.client.post("/api/send", json=hit.body(website), headers=hit.visitor.headers)
        assert answer.status_code == 200, answer.text
    one = made.client.get(f"/api/websites/{website}/sessions", params={"startAt": 0, "endAt": 4e12}).json()
    team = made.post("/api/teams", {"name": "T"})[0]["id"]
    user = made.post("/api/users", {"username": "u", "password": PASSWORD, "role": "user"})["id"]
    share = made.graphql(_CREATE_SHARE, id=website)["createShare"]
    opened = made.post(f"/api/share/{share['slug']}", {"password": "open it"})
    login = made.post("/api/auth/login", {"username": "u", "password": PASSWORD})
    key = made.graphql(_CREATE_KEY, scope="READ")["createApiKey"]
    made.lasting = {
        "website": website,
        "session": one["data"][0]["id"],
        "team": team,
        "user": user,
        "share": share["id"],
        "slug": share["slug"],
        "segment": made.post(f"/api/websites/{website}/segments", _SEGMENT)["id"],
        "cohort": made.post(f"/api/websites/{website}/segments", _COHORT)["id"],
        "report": made.post("/api/reports", {**_REPORT, "websiteId": website})["id"],
        "apiKey": key["key"]["id"],
    }
    made.actors = {
        "admin": {"authorization": str(made.client.headers["authorization"])},
        "nobody": {},
        "user": {"authorization": f"Bearer {login['token']}"},
        "key": {"x-umami-api-key": key["secret"]},
        "share": {"x-umami-share-token": opened["token"]},
        "forger": {"authorization": "Bearer a.b.c"},
    }
    page = made.graphql(_PAGES, id=website)["website"]["analytics"]
    made.cursors = [page[name]["pageInfo"]["endCursor"] for name in ("events", "breakdown")]
