"""JSON objects that clients keep here: what is in them is theirs, but it has to fit every store and every answer."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final

import orjson

from app.errors import Invalid
from app.ingest.data import MAX_DEPTH, MAX_KEYS, storable, too_large
from app.parameters import Field, Unfit, type_name

MAX_BYTES: Final = 1 << 16
_MAX_INTEGER: Final = 2**63


def document(name: str, about: str, *, text: bool = False) -> Field:
    """A JSON object; with `text` also one that is written as a text, as old clients do."""

    def reader(value: object) -> dict[str, Any]:
        if text and isinstance(value, str):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                raise Unfit("Invalid JSON") from None
        return stored(value)

    return Field(name, reader, about, {"type": "object"})


def checked(parameters: object) -> dict[str, Any]:
    """As `stored`, for what came through any door: raises Invalid."""
    try:
        return stored(parameters)
    except Unfit as unfit:
        raise Invalid(f"parameters: {', '.join(unfit.messages)}", field="parameters") from None


def stored(value: object) -> dict[str, Any]:
    """The object as it can be stored and answered; what JSON cannot say of a number is null, as in JavaScript.

    Raises Unfit for what is no object, or is too large or too deep.
    """
    if not isinstance(value, Mapping):
        raise Unfit(f"Expected object, received {type_name(value)}")
    given = dict(value)
    if too_large(given):
        raise Unfit(f"Must have at most {MAX_KEYS} keys on {MAX_DEPTH} levels")
    clean: dict[str, Any] = _clean(given)
    if len(orjson.dumps(clean)) > MAX_BYTES:
        raise Unfit(f"Must have at most {MAX_BYTES} bytes")
    return clean


def _clean(value: Any) -> Any:
    match value:
        case str():
            return storable(value)
        case dict():
            return {storable(str(key)): _clean(item) for key, item in value.items()}
        case list():
            return [_clean(item) for item in value]
        case int() if not isinstance(value, bool) and abs(value) >= _MAX_INTEGER:
            return _clean(_double(value))
        case float() if not math.isfinite(value):
            return None
        case _:
            return value


def _double(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf
