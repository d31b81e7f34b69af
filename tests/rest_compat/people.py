"""Users beside the admin."""

from __future__ import annotations

from uuid import uuid4

from app.context import SYSTEM, Ctx
from app.models import User
from app.security import hash_password
from tests.server import Server

Headers = dict[str, str]


def add_user(server: Server, role: str = "user") -> Headers:
    """A new user of the role, logged in over REST."""
    name = f"user-{uuid4().hex[:8]}"

    def add(ctx: Ctx) -> None:
        ctx.db.add(User(username=name, role=role, password=hash_password("their password")))

    server.runtime.call(SYSTEM, add)
    answer = server.client.post("/api/auth/login", json={"username": name, "password": "their password"})
    return {"Authorization": f"Bearer {answer.json()['token']}"}
