"""Apollo Client and urql, as a page uses them, with automatic persisted queries by POST and by GET."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.clients.conftest import Running
from tests.clients.install import npm
from tests.server import Server

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def installed(cache: Path) -> Path:
    """The clients with `run.mjs` beside them. Skips without Node and npm, but CI must have them."""
    return npm(cache, "persisted", HERE, "run.mjs")


@pytest.fixture(params=["POST", "GET"])
def method(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["apollo", "urql"])
def client(request: pytest.FixtureRequest, method: str, installed: Path, live: Server) -> Iterator[Running]:
    running = Running(["node", installed / "run.mjs", request.param, live.url, method], os.environ)
    yield running
    running.close()


def test_the_text_is_sent_once_and_the_hash_from_then_on(live: Server, client: Running, method: str) -> None:
    website = live.create_website("Mine")
    document = f"query Q{uuid4().hex}($id: ID!) {{ website(id: $id) {{ name }} }}"
    first = client.call("query", document, {"id": website}, live.admin)
    assert (first["data"]["website"]["name"], first["errors"]) == ("Mine", [])
    # Both prefer the newer media type, in which the status says that the hash was not known.
    (asked, named, status), (_, sent, accepted) = first["sent"]
    assert (asked, named, sent, accepted) == (method, "hash", "text", 200)
    assert status == 404
    again = client.call("query", document, {"id": website}, live.admin)
    assert (again["data"]["website"]["name"], again["sent"]) == ("Mine", [[method, "hash", 200]])
    other = client.call("query", document, {"id": "nope"}, live.admin)
    assert other["data"] == {"website": None}
    assert [error["extensions"]["code"] for error in other["errors"]] == ["not-found"]
    assert other["sent"] == [[method, "hash", 200]]


def test_what_is_invalid_is_told(live: Server, client: Running) -> None:
    told = client.call("query", f"query Q{uuid4().hex} {{ nope }}", {}, live.admin)
    assert [error["extensions"]["code"] for error in told["errors"]] == ["graphql-validation"]
    assert [named for _, named, _ in told["sent"]] == ["hash", "text"]
