"""`EventFilter`: one key for each field, combined by and, or and not, and how it becomes the core's filter."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, NewType, TypeVar

import strawberry
from graphql import GraphQLError
from strawberry.utils.str_converters import to_camel_case

from app.errors import Invalid
from app.stats.fields import DIMENSIONS, FIELDS
from app.stats.filters import MAX_VALUES, And, Comparator, Condition, Filter, Not, Operator, Or, Property
from graphql_schema.enums import described

MAX_CONDITIONS: Final = 100
_MAX_DEPTH: Final = 10
_UNSET: Final[Any] = strawberry.UNSET

C = TypeVar("C", bound=type)

# What the names do not say by themselves.
_MEANINGS: Final = {
    "path": "Path of the page, with its #fragment",
    "query": "Query string of the page, as sent",
    "title": "Title of the page",
    "hostname": "Host of the page",
    "referrer": "Domain the visitor came from, the site's own excluded",
    "event": "Name of the custom event; page views have none",
    "tag": "Tag sent with the event",
    "browser": "Browser, e.g. `chrome`, `ios`, `edge-chromium`",
    "os": "Operating system, e.g. `Windows 10`, `Mac OS`",
    "device": "`desktop`, `laptop`, `tablet` or `mobile`",
    "screen": "Screen size in pixels, e.g. `1920x1080`",
    "language": "Language, e.g. `en-US`",
    "country": "Country, ISO 3166 alpha-2, e.g. `DE`",
    "region": "Region, ISO 3166-2, e.g. `DE-BE`",
    "city": "City, its English name",
    "distinct_id": "Your own id of the visitor",
    "entry": "First page of the visit; goes alone",
    "exit": "Last page of the visit; goes alone",
    "channel": "How the visitor came, e.g. `organicSearch`; goes alone",
}


def meaning(name: str) -> str:
    """What a field or dimension is."""
    return f"{_MEANINGS.get(name, f'Value of `{name}` in the query string of the page')}."


if TYPE_CHECKING:

    class EventField(Enum): ...

    class Dimension(Enum): ...

else:
    EventField = Enum("EventField", {name.upper(): name for name in FIELDS})
    described(EventField, "A field that events have.", {name.upper(): meaning(name) for name in FIELDS})
    Dimension = Enum("Dimension", {name.upper(): name for name in DIMENSIONS})
    described(Dimension, "What a breakdown is by.", {name.upper(): meaning(name) for name in DIMENSIONS})


PropertyValue = NewType("PropertyValue", object)


def _parse_property_value(value: object) -> object:
    if isinstance(value, str | bool | int | float):
        return value
    raise GraphQLError("A property is compared with a text, a number or a boolean")


PROPERTY_VALUE: Final = strawberry.scalar(
    name="PropertyValue",
    description="A text, a number or a boolean: the type says which values of the property are compared.",
    parse_value=_parse_property_value,
)


@strawberry.input(
    description="How a field is compared; all operators given must hold. Texts are compared by case unless said "
    "otherwise. Events without a value match `isSet: false` and nothing else."
)
class StringFilter:
    eq: str | None = strawberry.field(default=_UNSET, description="Equal to.")
    ne: str | None = strawberry.field(default=_UNSET, description="Another value than.")
    in_: list[str] | None = strawberry.field(default=_UNSET, name="in", description="One of, at most 500.")
    not_in: list[str] | None = strawberry.field(
        default=_UNSET, description="Another value than any of, at most 500."
    )
    contains: str | None = strawberry.field(default=_UNSET, description="Contains, upper or lower case.")
    not_contains: str | None = strawberry.field(
        default=_UNSET, description="Has a value that does not contain, upper or lower case."
    )
    starts_with: str | None = strawberry.field(default=_UNSET, description="Begins with.")
    ends_with: str | None = strawberry.field(default=_UNSET, description="Ends with.")
    matches: str | None = strawberry.field(
        default=_UNSET,
        description="Has a part that fits this regular expression, upper or lower case; at most 200 characters.",
    )
    is_set: bool | None = strawberry.field(default=_UNSET, description="Whether there is a value.")


@strawberry.input(description="A property of the data sent with an event; all operators given must hold.")
class PropertyFilter:
    key: str = strawberry.field(
        description="Its key; those of nested objects are joined with dots: `cart.total`."
    )
    event: str | None = strawberry.field(
        default=None, description="Name of the event that has it; of any event if absent."
    )
    eq: PropertyValue | None = strawberry.field(default=_UNSET, description="Equal to.")
    ne: PropertyValue | None = strawberry.field(default=_UNSET, description="Another value than.")
    gt: float | None = strawberry.field(default=_UNSET, description="A number greater than.")
    gte: float | None = strawberry.field(default=_UNSET, description="A number of at least.")
    lt: float | None = strawberry.field(default=_UNSET, description="A number less than.")
    lte: float | None = strawberry.field(default=_UNSET, description="A number of at most.")
    contains: str | None = strawberry.field(
        default=_UNSET, description="A text that contains, upper or lower case."
    )
    is_set: bool | None = strawberry.field(default=_UNSET, description="Whether the event has it.")


def _key_for_each_field(cls: C) -> C:
    keys = {name: "StringFilter | None" for name in FIELDS}
    for name in keys:
        setattr(cls, name, strawberry.field(default=_UNSET, description=meaning(name)))
    cls.__annotations__ = {**keys, **cls.__annotations__}
    return cls


@strawberry.input(
    description="Which events count; all keys given must match. Events are chosen before visits are formed, so bounces "
    "and durations are those of what remains."
)
@_key_for_each_field
class EventFilter:
    property: PropertyFilter | None = strawberry.field(
        default=_UNSET, description="Events with such a property in their data."
    )
    and_: list[EventFilter] | None = strawberry.field(
        default=_UNSET, name="and", description="All of these match."
    )
    or_: list[EventFilter] | None = strawberry.field(
        default=_UNSET, name="or", description="At least one of these matches."
    )
    not_: EventFilter | None = strawberry.field(
        default=_UNSET, name="not", description="This does not match."
    )


def to_filter(where: EventFilter | None) -> Filter | None:
    """The core's filter, None if it asks for nothing.

    Raises Invalid for what would silently match everything or nothing: an operator with null, an empty list.
    """
    if where is None:
        return None
    found = _all(list(_parts(where, 0)))
    if sum(1 for _ in _leaves(found)) > MAX_CONDITIONS:
        raise Invalid(f"A filter has at most {MAX_CONDITIONS} conditions", field="where")
    return found


def _all(parts: list[Filter]) -> Filter | None:
    return parts[0] if len(parts) == 1 else And(tuple(parts)) if parts else None


def _leaves(where: Filter | None) -> Iterator[Condition | Property]:
    match where:
        case Condition() | Property():
            yield where
        case And(parts) | Or(parts):
            for part in parts:
                yield from _leaves(part)
        case Not(part):
            yield from _leaves(part)


def _parts(where: EventFilter, depth: int) -> Iterator[Filter]:
    if depth > _MAX_DEPTH:
        raise Invalid(f"A filter nests at most {_MAX_DEPTH} levels", field="where")
    for name in FIELDS:
        if given := getattr(where, name):
            yield from _conditions(name, given)
    if where.property:
        yield from _properties(where.property)
    for part in where.and_ or ():
        yield from _parts(part, depth + 1)
    if where.or_ is not _UNSET and where.or_ is not None:
        yield Or(tuple(_either(where.or_, depth)))
    if where.not_:
        yield Not(_whole(where.not_, "not", depth))


def _either(filters: list[EventFilter], depth: int) -> Iterator[Filter]:
    if not filters:
        raise Invalid("or needs at least one filter", field="or")
    for part in filters:
        yield _whole(part, "or", depth)


def _whole(where: EventFilter, key: str, depth: int) -> Filter:
    found = _all(list(_parts(where, depth + 1)))
    if found is None:
        raise Invalid(f"{key} needs a condition", field=key)
    return found


def _conditions(name: str, given: StringFilter) -> Iterator[Condition]:
    for operator, value in _operators(given, Operator, to_camel_case(name)):
        values = (
            value if isinstance(value, list) else [str(value).lower() if isinstance(value, bool) else value]
        )
        if not values:
            raise Invalid(f"{operator} needs at least one value", field=to_camel_case(name))
        yield Condition(name, Operator(operator), tuple(values))


def _properties(given: PropertyFilter) -> Iterator[Property]:
    for operator, value in _operators(given, Comparator, "property"):
        yield Property(given.key, Comparator(operator), value, given.event)


def _operators(given: Any, operators: type[Operator | Comparator], field: str) -> list[tuple[str, Any]]:
    """The operators given, with their values. Raises Invalid if there are none, or one has null."""
    attributes = {
        operator.value: "in_" if operator is Operator.IN else operator.name.lower() for operator in operators
    }
    found = [(name, getattr(given, attribute)) for name, attribute in attributes.items()]
    found = [(name, value) for name, value in found if value is not _UNSET]
    if not found:
        raise Invalid(f"{field} needs an operator", field=field)
    for name, value in found:
        if value is None:
            raise Invalid(f"{name} must not be null; isSet asks for absent values", field=field)
    return found
