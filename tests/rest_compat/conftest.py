"""More people than the admin, and servers with other settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from app.settings import Settings
from tests.rest_compat.people import Headers, add_user
from tests.server import Server, running


@pytest.fixture(scope="session")
def bob(live: Server) -> Headers:
    """An ordinary user, who owns nothing of the admin's."""
    return add_user(live)


@pytest.fixture(scope="session")
def viewer(live: Server) -> Headers:
    """A user whose role allows nothing."""
    return add_user(live, "view-only")


@pytest.fixture
def live_website(live: Server) -> str:
    """A fresh website of the admin's on the server of embedded files."""
    return live.create_website()


@pytest.fixture
def shared(live: Server, live_website: str) -> tuple[str, Headers]:
    """A website with a share link, and the headers of somebody who opened the link."""
    slug = uuid4().hex[:16]
    changed = live.client.post(f"/api/websites/{live_website}", json={"shareId": slug}, headers=live.admin)
    assert changed.json()["shareId"] == slug
    opened = live.client.get(f"/api/share/{slug}").json()
    assert opened["websiteId"] == live_website
    return live_website, {"x-umami-share-token": opened["token"]}


@pytest.fixture(scope="module")
def customised(make_settings: Callable[..., Settings]) -> Iterator[Server]:
    """A server on which every setting that the door reads differs from its default."""
    changes: dict[str, Any] = {
        "base_path": "/stats",
        "collect_api_endpoint": "/pulse",
        "tracker_script_name": "a.js,b",
        "cors_max_age": 60,
        "force_ssl": "1",
        "ignore_ip": "9.9.9.0/24",
        "max_body_bytes": 2048,
    }
    with running(make_settings("duckdb", **changes)) as started:
        yield started
