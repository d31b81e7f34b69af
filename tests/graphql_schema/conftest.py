"""Websites on the server of embedded files, for what does not depend on the store."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.rest_compat.people import Headers
from tests.server import Server


@pytest.fixture
def live_website(live: Server) -> str:
    """A fresh website of the admin's."""
    return live.create_website()


@pytest.fixture
def shared(live: Server, live_website: str) -> tuple[str, Headers]:
    """A website with a share link, and the headers of somebody who opened the link."""
    slug = uuid4().hex[:16]
    share = "mutation($id: ID!, $input: UpdateWebsiteInput!) { updateWebsite(id: $id, input: $input) { shareId } }"
    changed = live.graphql(share, {"id": live_website, "input": {"shareId": slug}})
    assert changed["data"]["updateWebsite"] == {"shareId": slug}
    opened = live.graphql("query($slug: String!) { share(slug: $slug) { token } }", {"slug": slug}, {})
    return live_website, {"x-umami-share-token": opened["data"]["share"]["token"]}
