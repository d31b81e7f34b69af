"""The routes' tables as an OpenAPI 3.1 description: what is parsed is what is described."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI

from app.parameters import ABSENT, Field
from app.settings import Settings
from rest_compat.deps import Route, TooLarge

Json = dict[str, Any]

_SECURITY: Final[Json] = {
    "login": {"type": "http", "scheme": "bearer", "description": "Token of `POST /api/auth/login`."},
    "key": {
        "type": "apiKey",
        "in": "header",
        "name": "x-umami-api-key",
        "description": "An API key, which may also be sent as the bearer token. It acts as its user, within its "
        "scopes; collecting needs none, but believes a key to be the sender's.",
    },
    "share": {
        "type": "apiKey",
        "in": "header",
        "name": "x-umami-share-token",
        "description": "Token of `GET /api/share/{shareId}`: reads that one website.",
    },
}


def extend(app: FastAPI, groups: Mapping[str, Sequence[Route]], settings: Settings) -> None:
    """Add the routes to what the application says of itself."""
    described = paths(groups, settings.base_path)
    generate = app.openapi

    def openapi() -> Json:
        schema = generate()
        schema.setdefault("components", {}).setdefault("securitySchemes", {}).update(_SECURITY)
        for path, operations in described.items():
            schema.setdefault("paths", {}).setdefault(path, {}).update(operations)
        return schema

    # FastAPI documents replacing this method as the way to extend the description.
    app.openapi = openapi  # type: ignore[method-assign]


def paths(groups: Mapping[str, Sequence[Route]], base: str = "") -> dict[str, Json]:
    """The `paths` object: path → method → operation."""
    described: dict[str, Json] = {}
    for tag, routes in groups.items():
        for route in routes:
            described.setdefault(base + route.path, {})[route.method.lower()] = operation(route, tag)
    return described


def operation(route: Route, tag: str) -> Json:
    names = re.findall(r"{(\w+)}", route.path)
    slug = re.sub(r"\W+", "_", route.path).strip("_")
    described: Json = {
        "tags": [tag],
        "summary": route.summary,
        "operationId": f"{route.method.lower()}_{slug}",
        "parameters": [
            *({"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names),
            *(
                {
                    "name": field.name,
                    "in": "query",
                    "required": field.required,
                    "description": field.text,
                    "schema": _schema(field),
                }
                for field in route.query
            ),
        ],
        "responses": _responses(route),
    }
    if not route.public:
        described["security"] = [{name: []} for name in _SECURITY]
    if route.body is not None or route.request_example is not None:
        described["requestBody"] = {"required": True, "content": {"application/json": _body(route)}}
    return described


def _body(route: Route) -> Json:
    described: Json = {}
    if route.request_schema is not None:
        described["schema"] = route.request_schema
    elif route.body is not None:
        described["schema"] = {
            "type": "object",
            "properties": {field.name: {**_schema(field), "description": field.text} for field in route.body},
            "required": [field.name for field in route.body if field.required],
        }
    if route.request_example is not None:
        described["example"] = route.request_example
    return described


def _schema(field: Field) -> Json:
    schema = dict(field.schema)
    if field.nullable:
        schema["type"] = [schema["type"], "null"]
    if field.default not in (ABSENT, None, ""):
        schema["default"] = field.default
    return schema


def _names_a_thing(field: Field) -> bool:
    """Whether it is the id of something that has to be there."""
    return field.name.endswith("Id") and field.schema.get("format") == "uuid"


def _responses(route: Route) -> Json:
    examples: dict[int, object] = {200: route.example}
    fields = (*route.query, *(route.body or ()))
    if fields:
        # The first field that has to be sent, else the first there is.
        told = min(fields, key=lambda field: not field.required)
        examples[400] = {"error": [f"{told.name}: {told.missing if told.required else 'Invalid'}"]}
    if not route.public:
        examples[401] = {"error": route.refusal}
    if "{" in route.path or any(_names_a_thing(field) for field in fields):
        examples[404] = {"error": "Not found"}
    if route.body is not None:
        examples[413] = {"error": TooLarge.default}
    examples.update(route.also or {})
    described: Json = {}
    for status, example in examples.items():
        media = route.media_type if status == 200 else "application/json"
        content: Json = {} if example is None else {"example": example}
        described[str(status)] = {"description": HTTPStatus(status).phrase, "content": {media: content}}
    return described
