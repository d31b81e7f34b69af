"""Runs functions of an unmodified `umami` package, whichever is on the path.

A call is one line of JSON in, `{"call", "arguments": [keyword arguments]}`; what came of it is one line of JSON out,
`{"gave"}` or `{"threw"}`. Arguments whose names end in `_at` are ISO 8601 instants.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import inspect
import json
import sys
from typing import Any

import pydantic
import umami


def read(name: str, value: Any) -> Any:
    return dt.datetime.fromisoformat(value) if name.endswith("_at") else value


async def finished(awaitable: Any) -> Any:
    return await awaitable


def run(name: str, arguments: dict[str, Any]) -> Any:
    gave = getattr(umami, name)(**{key: read(key, value) for key, value in arguments.items()})
    return asyncio.run(finished(gave)) if inspect.isawaitable(gave) else gave


def plain(value: object) -> object:
    if isinstance(value, pydantic.BaseModel):
        return value.model_dump()
    raise TypeError(f"{type(value).__name__} has no JSON form")


for line in sys.stdin:
    asked = json.loads(line)
    try:
        result = {"gave": run(asked["call"], *asked["arguments"])}
    except Exception as error:
        result = {"threw": f"{type(error).__name__}: {error}"}
    sys.stdout.write(json.dumps(result, default=plain) + "\n")
    sys.stdout.flush()
