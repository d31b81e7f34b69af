"""Users beside the admin."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import uuid4

from tests.server import Server

Headers = dict[str, str]


@dataclass(frozen=True)
class Person:
    id: str
    name: str
    headers: Headers


def add_person(server: Server, role: str = "user") -> Person:
    """A new user of the role, made by the admin and logged in, both over REST."""
    given = {"username": f"user-{uuid4().hex[:8]}", "password": "their password"}
    made = server.client.post("/api/users", json={**given, "role": role}, headers=server.admin)
    assert made.status_code == 200, made.text
    answer = server.client.post("/api/auth/login", json=given)
    headers = {"Authorization": f"Bearer {answer.json()['token']}"}
    return Person(made.json()["id"], given["username"], headers)


def add_user(server: Server, role: str = "user") -> Headers:
    """The headers of a new user of the role."""
    return add_person(server, role).headers
