"""Look-ahead: which fields of the object being resolved were asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from graphql import (
    BooleanValueNode,
    DirectiveNode,
    FieldNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
)

from graphql_schema.context import Info


def selected(info: Info, *path: str) -> frozenset[str]:
    """Names of the fields asked for below the field being resolved, or below `path` from there.

    Aliases are seen through, fragments followed, @skip and @include obeyed.
    """
    # Not `info.selected_fields`: it expands a fragment at each spread, so small documents can cost minutes.
    fields = [node for node in info._raw_info.field_nodes if node.selection_set]
    found = _below(info, fields)
    for step in path:
        found = _below(info, [node for node in found if node.name.value == step])
    return frozenset(node.name.value for node in found)


def _below(info: Info, fields: Iterable[FieldNode]) -> list[FieldNode]:
    seen: set[str] = set()
    return [
        found for node in fields if node.selection_set for found in _fields(info, node.selection_set, seen)
    ]


def _fields(info: Info, selections: SelectionSetNode, seen: set[str]) -> Iterator[FieldNode]:
    for node in selections.selections:
        if not included(node.directives or (), info.variable_values):
            continue
        if isinstance(node, FieldNode):
            yield node
        elif isinstance(node, InlineFragmentNode):
            yield from _fields(info, node.selection_set, seen)
        elif isinstance(node, FragmentSpreadNode) and node.name.value not in seen:
            seen.add(node.name.value)
            yield from _fields(info, info._raw_info.fragments[node.name.value].selection_set, seen)


def included(directives: Iterable[DirectiveNode], variables: Mapping[str, Any]) -> bool:
    """Whether a node with these directives is executed, where variables have these values."""
    for directive in directives:
        condition = condition_of(directive)
        if condition is None:
            continue
        if isinstance(condition, VariableNode):
            given = bool(variables.get(condition.name.value))
        else:
            given = isinstance(condition, BooleanValueNode) and condition.value
        if given != (directive.name.value == "include"):
            return False
    return True


def condition_of(directive: DirectiveNode) -> ValueNode | None:
    """What a @skip or @include depends on, None for other directives."""
    if directive.name.value not in ("skip", "include") or not directive.arguments:
        return None
    return directive.arguments[0].value  # both directives have the one argument `if`
