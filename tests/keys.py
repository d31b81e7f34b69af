"""API keys for tests, made through the front door."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from app.context import SYSTEM, Ctx
from app.models import ApiKey, utc_now
from tests.server import Server

CREATE = "mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { key { id } secret } }"
REVOKE = "mutation($id: ID!) { revokeApiKey(id: $id) { id } }"


@dataclass(frozen=True)
class Made:
    """A key: its id and the text a program sends."""

    id: str
    secret: str

    @property
    def header(self) -> dict[str, str]:
        return {"x-umami-api-key": self.secret}

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.secret}"}


def make_key(
    server: Server, *scopes: str, website: str | None = None, headers: dict[str, str] | None = None
) -> Made:
    """A new key of the admin's, or of whom the headers name."""
    given = {"name": "a program's", "scopes": [scope.upper() for scope in scopes], "websiteId": website}
    answer = server.graphql(CREATE, {"input": given}, headers)
    assert "errors" not in answer, answer
    made = answer["data"]["createApiKey"]
    return Made(made["key"]["id"], made["secret"])


def revoke(server: Server, key: Made) -> None:
    """By the admin, who may revoke anybody's."""
    assert server.graphql(REVOKE, {"id": key.id})["data"]["revokeApiKey"] == {"id": key.id}


def expire(server: Server, key: Made) -> None:
    """Let its end be a moment ago."""

    def end(ctx: Ctx) -> None:
        row = ctx.db.get(ApiKey, UUID(key.id))
        assert row is not None
        row.expires_at = utc_now() - dt.timedelta(milliseconds=1)

    server.runtime.call(SYSTEM, end)
