"""Documents made from the schema itself, so that a new field is asked for by the tests without being named in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    get_named_type,
    is_leaf_type,
    is_required_argument,
    is_required_input_field,
)

from app.settings import Settings
from graphql_schema.schema import make_schema

SCHEMA: Final[GraphQLSchema] = make_schema(Settings())._schema
NOBODY: Final = "0b8a3f2e-7a54-4c7e-9a54-2f6a3f0f0f0f"

_SAMPLES: Final[dict[str, Any]] = {
    "String": "sampletext12",
    "ID": NOBODY,
    "Int": 5,
    "Int64": 1_760_000_000,
    "Float": 1.0,
    "Boolean": True,
    "JSON": {},
    "DateTime": "2099-01-01T00:00:00Z",
    "Moment": "2026-11-10",
    "PropertyValue": "x",
    "PeriodInput": {"last": "DAYS_7"},
    "FunnelStepInput": {"path": "/"},
    "ConversionInput": {"path": "/"},
    "GoalInput": {"path": "/", "target": 1.0},
}


@dataclass(frozen=True)
class Asked:
    """A field of one of the types whose fields take the place of routes: Query, Mutation, Website, Analytics."""

    parent: str
    name: str

    @property
    def field(self) -> GraphQLField:
        parent = SCHEMA.type_map[self.parent]
        assert isinstance(parent, GraphQLObjectType)
        return parent.fields[self.name]

    def __str__(self) -> str:
        return f"{self.parent}.{self.name}"

    def document(self, given: dict[str, Any]) -> str:
        """An operation that asks for this field with these arguments as variables, and for something beside it."""
        field = self.field
        declared = "".join(f", ${name}: {field.args[name].type}" for name in given)
        passed = ", ".join(f"{name}: ${name}" for name in given)
        call = f"asked: {self.name}{f'({passed})' if passed else ''}{selection(field.type)}"
        if self.parent == "Mutation":
            return f"mutation({declared[2:]}) {{ {call} }}" if declared else f"mutation {{ {call} }}"
        if self.parent == "Query":
            body = f"{call} version"
            return f"query({declared[2:]}) {{ {body} }}" if declared else f"{{ {body} }}"
        if self.parent == "Analytics":
            call = f'analytics(period: {{start: "2026-11-10", end: "2026-11-11"}}) {{ {call} period {{ timezone }} }}'
        return f"query($site: ID!{declared}) {{ version website(id: $site) {{ name {call} }} }}"

    def required(self) -> dict[str, Any]:
        """A fitting value for each argument that has to be there."""
        return {name: sample(one.type) for name, one in self.field.args.items() if is_required_argument(one)}


def fields_of(*parents: str) -> list[Asked]:
    found = []
    for parent in parents:
        named = SCHEMA.type_map[parent]
        assert isinstance(named, GraphQLObjectType)
        found += [Asked(parent, name) for name in named.fields]
    return found


def sample(kind: Any) -> Any:
    """A value that fits the type; ids are nobody's."""
    if isinstance(kind, GraphQLNonNull):
        return sample(kind.of_type)
    if isinstance(kind, GraphQLList):
        return [sample(kind.of_type)]
    if kind.name in _SAMPLES:
        return _SAMPLES[kind.name]
    if isinstance(kind, GraphQLEnumType):
        return next(iter(kind.values))
    assert isinstance(kind, GraphQLInputObjectType), kind
    return {name: sample(one.type) for name, one in kind.fields.items() if is_required_input_field(one)}


def selection(kind: Any, depth: int = 3) -> str:
    """All that can be selected of a type without arguments, three levels deep."""
    named = get_named_type(kind)
    if is_leaf_type(named):
        return ""
    if isinstance(named, GraphQLUnionType):
        return " { __typename }"
    assert isinstance(named, GraphQLObjectType)
    return f" {{ __typename {' '.join(_selected(named, depth))} }}"


def _selected(named: GraphQLObjectType, depth: int) -> Iterator[str]:
    for name, field in named.fields.items():
        if any(is_required_argument(one) for one in field.args.values()):
            continue
        if is_leaf_type(get_named_type(field.type)):
            yield name
        elif depth > 1:
            yield f"{name}{selection(field.type, depth - 1)}"
