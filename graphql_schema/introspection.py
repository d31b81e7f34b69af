"""How much an introspection answers, by the schema it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    SelectionSetNode,
)


@lru_cache(maxsize=8)
def _lengths(schema: GraphQLSchema) -> Mapping[str, int]:
    """Field of an introspection type → entries of the list it answers, a mean where that depends on the type."""
    types = list(schema.type_map.values())
    fields = [f for t in types if isinstance(t, GraphQLObjectType) for f in t.fields.values()]
    inputs = sum(len(t.fields) for t in types if isinstance(t, GraphQLInputObjectType))
    values = sum(len(t.values) for t in types if isinstance(t, GraphQLEnumType))
    return {
        "types": len(types),
        "directives": len(schema.directives),
        "fields": _mean(len(fields), len(types)),
        "args": _mean(sum(len(f.args) for f in fields), len(fields)),
        "inputFields": _mean(inputs, len(types)),
        "enumValues": _mean(values, len(types)),
    }


def _mean(total: int, among: int) -> int:
    return -(-total // among)


def entries(
    schema: GraphQLSchema,
    fragments: Mapping[str, FragmentDefinitionNode],
    selections: Sequence[SelectionSetNode],
) -> int:
    """About how many entries the selections below `__schema` or `__type` answer, all lists in lists included."""
    lengths, known = _lengths(schema), dict[int, int]()

    def within(one: SelectionSetNode) -> int:
        if id(one) not in known:
            known[id(one)] = sum(map(selected, one.selections))
        return known[id(one)]

    def selected(node: object) -> int:
        match node:
            case FieldNode(selection_set=SelectionSetNode() as inner):
                length = lengths.get(node.name.value, 0)
                return length * (1 + within(inner)) if length else within(inner)
            case InlineFragmentNode():
                return within(node.selection_set)
            case FragmentSpreadNode():
                return within(fragments[node.name.value].selection_set)
        return 0

    return sum(map(within, selections))
