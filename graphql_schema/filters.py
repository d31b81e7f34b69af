"""`EventFilter`: one key for each field, combined by and, or and not, and how it becomes the core's filter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, NewType, TypeVar
from uuid import UUID

import strawberry
from graphql import GraphQLError
from strawberry.utils.str_converters import to_camel_case

from app import segments
from app.context import Ctx
from app.errors import Invalid
from app.segments import SegmentType
from app.stats.fields import DIMENSIONS, FIELDS
from app.stats.filters import And, Condition, Filter, Not, Operator, Or, Property
from graphql_schema.enums import described
from graphql_schema.types import entity_id

MAX_VALUES: Final = 500
_MAX_DEPTH: Final = 10
_UNSET: Final[Any] = strawberry.UNSET

C = TypeVar("C", bound=type)
# What a segment or cohort of this id stands for.
_Stored = Callable[[SegmentType, str], Filter]

# What the names do not say by themselves.
_MEANINGS: Final = {
    "path": "Path of the page, with its #fragment",
    "query": "Query string of the page, as sent",
    "title": "Title of the page",
    "hostname": "Host of the page",
    "referrer": "Domain the visitor came from; the site's own and none at all are left out",
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
    description="A text, a number or a boolean.",
    parse_value=_parse_property_value,
)


@strawberry.input(
    description="How a field is compared; all operators given must hold. `eq`, `ne`, `in` and `notIn` compare values as "
    "they are stored, the others take upper for lower case. Events without a value match `isSet: false` and nothing else."
)
class StringFilter:
    eq: str | None = strawberry.field(default=_UNSET, description="Equal to.")
    ne: str | None = strawberry.field(default=_UNSET, description="Another value than.")
    in_: list[str] | None = strawberry.field(default=_UNSET, name="in", description="One of, at most 500.")
    not_in: list[str] | None = strawberry.field(
        default=_UNSET, description="Another value than any of, at most 500."
    )
    contains: str | None = strawberry.field(default=_UNSET, description="Contains.")
    not_contains: str | None = strawberry.field(
        default=_UNSET, description="Has a value that does not contain."
    )
    starts_with: str | None = strawberry.field(default=_UNSET, description="Begins with.")
    ends_with: str | None = strawberry.field(default=_UNSET, description="Ends with.")
    matches: str | None = strawberry.field(
        default=_UNSET,
        description="Has a part that fits this regular expression; at most 200 characters.",
    )
    is_set: bool | None = strawberry.field(default=_UNSET, description="Whether there is a value.")


@strawberry.input(
    description="A property of the data sent with an event; all operators given must hold. A text compares with "
    "texts (dates are texts in ISO 8601, UTC), a number with numbers, a boolean with booleans."
)
class PropertyFilter:
    key: str = strawberry.field(
        description="Its key; those of nested objects are joined with dots: `cart.total`."
    )
    event: str | None = strawberry.field(
        default=None, description="Name of the event that has it; of any event if absent."
    )
    eq: PropertyValue | None = strawberry.field(default=_UNSET, description="Equal to.")
    ne: PropertyValue | None = strawberry.field(default=_UNSET, description="Another value than.")
    gt: PropertyValue | None = strawberry.field(default=_UNSET, description="Greater than.")
    gte: PropertyValue | None = strawberry.field(default=_UNSET, description="At least.")
    lt: PropertyValue | None = strawberry.field(default=_UNSET, description="Less than.")
    lte: PropertyValue | None = strawberry.field(default=_UNSET, description="At most.")
    contains: str | None = strawberry.field(
        default=_UNSET, description="A text that contains, upper or lower case."
    )
    is_set: bool | None = strawberry.field(default=_UNSET, description="Whether the event has it.")


def _key_for_each_field(cls: C) -> C:
    keys = dict.fromkeys(FIELDS, "StringFilter | None")
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
    segment: strawberry.ID | None = strawberry.field(
        default=_UNSET, description="Events that match this segment of the website, by its id."
    )
    cohort: strawberry.ID | None = strawberry.field(
        default=_UNSET,
        description="Events of the sessions in this cohort of the website, by its id: those with an event of any type "
        "that its filters match in its own period.",
    )
    and_: list[EventFilter] | None = strawberry.field(
        default=_UNSET, name="and", description="All of these match."
    )
    or_: list[EventFilter] | None = strawberry.field(
        default=_UNSET, name="or", description="At least one of these matches."
    )
    not_: EventFilter | None = strawberry.field(
        default=_UNSET,
        name="not",
        description="This does not match; events without a value do not match a comparison, so they count here.",
    )


def to_filter(ctx: Ctx, website_id: UUID, where: EventFilter | None) -> Filter | None:
    """The core's filter of a website's events, None if it asks for nothing.

    Raises Invalid for what would silently match everything or nothing: an operator with null, an empty list. Raises
    NotFound for a segment or cohort that the website does not have.
    """
    if where is None:
        return None

    def stored(kind: SegmentType, given: str) -> Filter:
        segment_id = entity_id(given, kind.value.capitalize())
        return segments.filter_of(segments.identified(ctx, website_id, kind, segment_id))

    return _all(list(_parts(where, stored, 0)))


def _all(parts: list[Filter]) -> Filter | None:
    return parts[0] if len(parts) == 1 else And(tuple(parts)) if parts else None


def _parts(where: EventFilter, stored: _Stored, depth: int) -> Iterator[Filter]:
    if depth > _MAX_DEPTH:
        raise Invalid(f"A filter nests at most {_MAX_DEPTH} levels", field="where")
    for name in FIELDS:
        if given := getattr(where, name):
            yield from to_conditions(name, given)
    if where.property:
        yield from _properties(where.property)
    for kind in SegmentType:
        given = getattr(where, kind.value)
        if given is not _UNSET and given is not None:  # the id '' is nobody's, and must not ask for everybody
            yield stored(kind, given)
    for part in where.and_ or ():
        yield from _parts(part, stored, depth + 1)
    if where.or_ is not _UNSET and where.or_ is not None:
        yield Or(tuple(_either(where.or_, stored, depth)))
    if where.not_:
        yield Not(_whole(where.not_, "not", stored, depth))


def _either(filters: list[EventFilter], stored: _Stored, depth: int) -> Iterator[Filter]:
    if not filters:
        raise Invalid("or needs at least one filter", field="or")
    for part in filters:
        yield _whole(part, "or", stored, depth)


def _whole(where: EventFilter, key: str, stored: _Stored, depth: int) -> Filter:
    found = _all(list(_parts(where, stored, depth + 1)))
    if found is None:
        raise Invalid(f"{key} needs a condition", field=key)
    return found


def to_conditions(name: str, given: StringFilter) -> Iterator[Condition]:
    """The conditions on this field, one for each operator. Raises Invalid for what would match everything or nothing."""
    key = to_camel_case(name)
    for operator, value in _operators(given, key).items():
        values = value if isinstance(value, list) else [_text(value)]
        if not 1 <= len(values) <= MAX_VALUES:
            raise Invalid(f"{operator} takes 1 to {MAX_VALUES} values", field=key)
        yield Condition(name, Operator(operator), tuple(values))


def _text(value: str | bool) -> str:
    return value if isinstance(value, str) else str(value).lower()


def _properties(given: PropertyFilter) -> Iterator[Property]:
    for operator, value in _operators(given, "property", "key", "event").items():
        yield Property(event=given.event, key=given.key, operator=operator, value=value)


def _operators(given: StringFilter | PropertyFilter, key: str, *others: str) -> dict[str, Any]:
    """The values by operator, `others` being no operators. Raises Invalid if there are none, or one is null."""
    fields = {
        name: value for name, value in vars(given).items() if name not in others and value is not _UNSET
    }
    # The core calls its operators what the fields are called in GraphQL.
    found = {to_camel_case(name.rstrip("_")): value for name, value in fields.items()}
    if not found:
        raise Invalid(f"{key} needs an operator", field=key)
    for operator, value in found.items():
        if value is None:
            raise Invalid(f"{operator} must not be null; isSet asks for absent values", field=key)
    return found
