"""The priced fields of a document, as they are executed: what of a price depends on the document alone.

That, and what depends on the variables of its @skip and @include, is worked out once and kept: a tree of the fields that
have a price, merged as they are executed. A fragment is part of every selection set that spreads it but walked once for
each set of selections, so one that spreads the next one twice costs no more than a chain.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    get_operation_ast,
    get_variable_values,
    is_list_type,
)
from graphql.execution.values import get_argument_values

from graphql_schema.cost import FREE, Plan, Quote, Step
from graphql_schema.introspection import entries
from graphql_schema.prices import ENTRIES_A_POINT, Price, price_of
from graphql_schema.selection import condition_of, included

_MOST_PLANS: Final = 16  # of a document: each switch in it doubles them


class Plans:
    """The plans of one valid document, each made once."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode) -> None:
        self._schema = schema
        self._document = document
        self._switches = _switches(document)
        self._kept: dict[tuple[str | None, tuple[bool, ...]], Plan] = {}

    def quote(
        self, operation_name: str | None, variables: Mapping[str, Any], now: dt.datetime
    ) -> Quote | None:
        """What an operation costs at most. None if there is no such one or its variables do not fit: it will not run."""
        operation = get_operation_ast(self._document, operation_name)
        if operation is None:
            return None
        values = get_variable_values(self._schema, operation.variable_definitions or (), dict(variables))
        if isinstance(values, list):
            return None
        switches = tuple(bool(values.coerced.get(name)) for name in self._switches)
        plan = self._kept.get((operation_name, switches))
        if plan is None:
            given = dict(zip(self._switches, switches, strict=True))
            plan = _plan(self._schema, self._document, operation, given)
            if len(self._kept) < _MOST_PLANS:
                self._kept[operation_name, switches] = plan
        found = Quote(plan, values, now)
        return replace(found, requested=found.most())


def _switches(document: DocumentNode) -> tuple[str, ...]:
    """Variables that decide about fields: those in @skip and @include."""
    names: set[str] = set()
    waiting: list[SelectionSetNode] = [
        one.selection_set
        for one in document.definitions
        if isinstance(one, OperationDefinitionNode | FragmentDefinitionNode)
    ]
    while waiting:
        for node in waiting.pop().selections:
            for directive in node.directives or ():
                value = condition_of(directive)
                if isinstance(value, VariableNode):
                    names.add(value.name.value)
            inner = getattr(node, "selection_set", None)
            if inner:
                waiting.append(inner)
    return tuple(sorted(names))


def _plan(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    switches: Mapping[str, bool],
) -> Plan:
    root = schema.get_root_type(operation.operation)
    # A document that asks for what the schema has no type of is not valid.
    return _Planner(schema, document, switches).steps(root, (operation.selection_set,)) if root else ()


@dataclass
class _Planner:
    schema: GraphQLSchema
    document: DocumentNode
    switches: Mapping[str, bool]
    fragments: dict[str, FragmentDefinitionNode] = field(init=False)
    _known: dict[tuple[str, tuple[int, ...]], tuple[Step, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.fragments = {
            one.name.value: one
            for one in self.document.definitions
            if isinstance(one, FragmentDefinitionNode)
        }

    def steps(self, parent: GraphQLNamedType, selections: Sequence[SelectionSetNode]) -> tuple[Step, ...]:
        """The priced fields of merged selection sets."""
        known = (parent.name, tuple(sorted({id(one) for one in selections})))
        if known not in self._known:
            merged: dict[tuple[str, str], list[FieldNode]] = {}
            owners: dict[str, GraphQLObjectType] = {}
            seen: set[str] = set()
            for one in selections:
                self._collect(parent, one, merged, owners, seen)
            found = [self._step(owners[owner], nodes) for (owner, _), nodes in merged.items()]
            self._known[known] = tuple(one for one in found if one is not None)
        return self._known[known]

    def _collect(
        self,
        parent: GraphQLNamedType,
        selections: SelectionSetNode,
        merged: dict[tuple[str, str], list[FieldNode]],
        owners: dict[str, GraphQLObjectType],
        seen: set[str],
    ) -> None:
        for node in selections.selections:
            if not included(node.directives or (), self.switches):
                continue
            if isinstance(node, FieldNode):
                # A union has no fields but __typename, which costs nothing.
                if isinstance(parent, GraphQLObjectType):
                    owners[parent.name] = parent
                    key = node.alias.value if node.alias else node.name.value
                    merged.setdefault((parent.name, key), []).append(node)
            elif isinstance(node, InlineFragmentNode):
                named = node.type_condition
                self._collect(
                    self.schema.type_map[named.name.value] if named else parent,
                    node.selection_set, merged, owners, seen,
                )  # fmt: skip
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in seen:
                seen.add(node.name.value)
                fragment = self.fragments[node.name.value]
                named_type = self.schema.type_map[fragment.type_condition.name.value]
                self._collect(named_type, fragment.selection_set, merged, owners, seen)

    def _step(self, parent: GraphQLObjectType, nodes: list[FieldNode]) -> Step | None:
        node = nodes[0]
        name = node.name.value
        key = node.alias.value if node.alias else name
        definition = self.schema.get_field(parent, name)
        if definition is None or name == "__typename":
            return None
        inner = [one.selection_set for one in nodes if one.selection_set]
        if name.startswith("__"):
            count = entries(self.schema, self.fragments, inner)
            price = Price(base=1 + count // ENTRIES_A_POINT)
            return Step(key, price, definition, node, {}, False, ())
        price = price_of(parent.name, name) or FREE
        steps = self.steps(get_named_type(definition.type), inner) if inner else ()
        if price == FREE and not steps:
            return None
        is_list = is_list_type(get_nullable_type(definition.type))
        return Step(key, price, definition, node, _constant(price, definition, node), is_list, steps)


def _constant(price: Price, definition: GraphQLField, node: FieldNode) -> Mapping[str, Any] | None:
    """The arguments that a price depends on, None if these depend on variables."""
    if not price.arguments & definition.args.keys():
        return {}
    if any(one.name.value in price.arguments and _has_variables(one.value) for one in node.arguments or ()):
        return None
    kept = [one for one in node.arguments or () if one.name.value in price.arguments]
    needed = {name: one for name, one in definition.args.items() if name in price.arguments}
    return get_argument_values(
        GraphQLField(definition.type, needed), FieldNode(name=node.name, arguments=tuple(kept))
    )


def _has_variables(value: ValueNode) -> bool:
    match value:
        case VariableNode():
            return True
        case ListValueNode():
            return any(map(_has_variables, value.values))
        case ObjectValueNode():
            return any(_has_variables(one.value) for one in value.fields)
    return False
