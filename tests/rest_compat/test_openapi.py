"""The description says what the tables parse."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from app.settings import Settings
from rest_compat.deps import Route
from rest_compat.router import table
from tests.server import Server

ROUTES = table(Settings(app_secret=SecretStr("any")))


@pytest.fixture(scope="module")
def description(live: Server) -> dict[str, Any]:
    described: dict[str, Any] = live.client.get("/openapi.json").json()
    return described


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_route_is_described(description: dict[str, Any], route: Route) -> None:
    operation = description["paths"][route.path][route.method.lower()]
    assert operation["summary"] == route.summary
    in_query = {one["name"]: one["required"] for one in operation["parameters"] if one["in"] == "query"}
    assert in_query == {field.name: field.required for field in route.query}
    assert all(one.get("description") for one in operation["parameters"] if one["in"] == "query")
    [(media, success)] = operation["responses"]["200"]["content"].items()
    assert media == route.media_type
    assert success.get("example") == route.example
    assert ("security" in operation) != route.public
    if route.body is not None:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        assert list(schema["properties"]) == [field.name for field in route.body]
        assert schema["required"] == [field.name for field in route.body if field.required]


def test_operations_have_names_of_their_own(description: dict[str, Any]) -> None:
    names = [
        operation["operationId"] for path in description["paths"].values() for operation in path.values()
    ]
    assert len(names) == len(set(names))
    assert "post_api_send" in names


def test_a_field_in_full(description: dict[str, Any]) -> None:
    parameters = description["paths"]["/api/websites/{websiteId}/metrics"]["get"]["parameters"]
    by_name = {one["name"]: one for one in parameters}
    assert by_name["limit"] == {
        "name": "limit",
        "in": "query",
        "required": False,
        "description": "Most rows.",
        "schema": {"type": "integer", "minimum": 0, "maximum": 2147483647, "default": 500},
    }
    assert by_name["websiteId"]["in"] == "path"
    body = description["paths"]["/api/websites"]["post"]["requestBody"]["content"]["application/json"]
    assert body["schema"]["properties"]["shareId"]["type"] == ["string", "null"]


def test_paths_carry_the_base_path(customised: Server) -> None:
    paths = customised.client.get("/openapi.json").json()["paths"]
    assert "/stats/api/send" in paths
    assert "/stats/a.js" in paths
