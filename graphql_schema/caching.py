"""Which answers a browser may keep, and how it asks whether they still hold.

Only an answer over closed periods is kept, and never used unasked: events come late, websites are reset and renamed.
The tag is taken from the data of the answer itself, so that 304 is said when every figure is the same and only then
(docs/decisions/0016-documents-and-caching.md).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final
from zoneinfo import ZoneInfo

import orjson
from graphql import (
    BREAK,
    ArgumentNode,
    DocumentNode,
    FieldNode,
    GraphQLError,
    GraphQLSchema,
    ObjectFieldNode,
    OperationDefinitionNode,
    OperationType,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    VisitorAction,
    get_named_type,
    value_from_ast_untyped,
    visit,
)

from app.errors import Invalid
from app.stats.zones import UTC, time_zone
from graphql_schema.types import parse_moment

# What of these types depends on nothing but what is counted and what a website is called. Whatever else a query can
# reach is left out, a new field too until it is named here. Types that are not here are reached through these alone.
_STABLE: Final[Mapping[str, frozenset[str]]] = {
    "Query": frozenset({"__typename", "website", "websites", "version"}),
    "Website": frozenset(
        {"__typename", "id", "name", "domain", "createdAt", "updatedAt", "resetAt", "analytics"}
    ),
}

HEADERS: Final = {
    "Cache-Control": "private, no-cache",
    "Vary": "Accept, Authorization, X-Umami-Api-Key, X-Umami-Share-Token",
}


def tag_of(data: object) -> str:
    """The entity tag of an answer. Weak: what stands beside the data, such as its cost, may differ."""
    return f'W/"{sha256(orjson.dumps(data)).hexdigest()[:32]}"'


def holds(tag: str, if_none_match: str) -> bool:
    """Whether the header If-None-Match names this tag."""
    named = {one.strip().removeprefix("W/") for one in if_none_match.split(",")}
    return "*" in named or tag.removeprefix("W/") in named


def is_closed(
    schema: GraphQLSchema, document: DocumentNode, variables: Mapping[str, Any], now: dt.datetime
) -> bool:
    """Whether a valid document is one query over periods that are over, and asks for nothing that changes by itself.

    Fragments and directives are not followed: what is written counts, executed or not.
    """
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    if len(operations) != 1 or operations[0].operation is not OperationType.QUERY:
        return False
    defaults = {
        definition.variable.name.value: value_from_ast_untyped(definition.default_value)
        for definition in operations[0].variable_definitions or ()
        if definition.default_value
    }
    info = TypeInfo(schema)
    found = _Closed(info, {**defaults, **variables}, now)
    visit(document, TypeInfoVisitor(info, found))
    return found.closed


class _Closed(Visitor):
    def __init__(self, info: TypeInfo, variables: dict[str, Any], now: dt.datetime) -> None:
        super().__init__()
        self._info = info
        self._variables = variables
        self._now = now
        self.closed = True

    def enter_field(self, node: FieldNode, *_: Any) -> VisitorAction:
        parent = self._info.get_parent_type()
        stable = _STABLE.get(parent.name) if parent else None
        return self._unless(stable is None or node.name.value in stable)

    def enter_argument(self, node: ArgumentNode, *_: Any) -> VisitorAction:
        return self._period(node)

    def enter_object_field(self, node: ObjectFieldNode, *_: Any) -> VisitorAction:
        return self._period(node)

    def _period(self, node: ArgumentNode | ObjectFieldNode) -> VisitorAction:
        if getattr(get_named_type(self._info.get_input_type()), "name", "") != "PeriodInput":
            return None
        return self._unless(is_over(value_from_ast_untyped(node.value, self._variables), self._now))

    def _unless(self, fine: bool) -> VisitorAction:
        self.closed = fine
        return None if fine else BREAK


def is_over(period: Any, now: dt.datetime) -> bool:
    """Whether a PeriodInput as it was sent names two ends and the last of them has passed."""
    given = (
        {name: value for name, value in period.items() if value is not None}
        if isinstance(period, dict)
        else {}
    )
    if given.keys() - {"timezone"} != {"start", "end"}:
        return False
    try:
        zone: ZoneInfo = time_zone(given["timezone"]) if "timezone" in given else UTC
        return parse_moment(given["end"]).last(zone) < now
    except (
        GraphQLError,
        Invalid,
        OverflowError,
    ):  # the answer says so too, and an answer with errors is not kept
        return False
