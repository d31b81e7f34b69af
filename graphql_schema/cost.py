"""What an operation costs: at most, from its document and variables; and in the end, from what was answered.

What depends on the document alone, and on the variables of its @skip and @include, is worked out once and kept: a tree
of the fields that have a price, merged as they are executed. A fragment is part of every selection set that spreads it
but walked once for each set of selections, so one that spreads the next one twice costs no more than a chain.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from graphql import (
    BooleanValueNode,
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
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
from graphql.execution.values import VariableValues, get_argument_values

from app.errors import AppError
from graphql_schema.inputs import PeriodInput, to_period
from graphql_schema.introspection import entries
from graphql_schema.prices import (
    ASSUMED_ROWS,
    ENTRIES_A_POINT,
    MOST_DAYS,
    Circumstances,
    Price,
    charge,
    page_rows,
    price_of,
)

_FREE: Final = Price()
_DAY: Final = dt.timedelta(days=1)
_LEAST: Final = 1
_MOST_PLANS: Final = 16  # of a document: each switch in it doubles them
Plan = tuple["Step", ...]
# Position in an answer → days of the period that were really looked through there.
Covered = Mapping[tuple[str | int, ...], int]


@dataclass(frozen=True, slots=True)
class Step:
    """A field with a price, or on the way to one. `arguments` is None where they depend on variables."""

    key: str
    price: Price
    definition: GraphQLField
    node: FieldNode
    arguments: Mapping[str, Any] | None
    is_list: bool
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Quote:
    """The priced fields of an operation, with its variables: `requested` is what it costs at most, in points."""

    plan: Plan
    variables: VariableValues
    now: dt.datetime
    requested: int = 0

    def actual(self, data: Mapping[str, Any] | None, covered: Covered) -> int:
        """What was really done, by an answer: rows that there were, days that were looked through, fields that ran.

        Never more than was requested. A field that failed has run. Where nothing is left of the answer it cannot be told
        what ran.
        """
        if data is None:
            return self.requested
        done = sum(self._done(step, data, (), Circumstances(), covered) for step in self.plan)
        return min(max(_LEAST, done), self.requested)

    def most(self) -> int:
        """The price: of all the rows, days and fields that there may be."""
        return max(_LEAST, self._most(self.plan, Circumstances(), {}))

    def _most(self, steps: Plan, around: Circumstances, known: dict[tuple[int, Circumstances], int]) -> int:
        # Fields that several places share through fragments are priced once for the same circumstances.
        here = (id(steps), around)
        if here not in known:
            known[here] = sum(self._most_of(step, around, known) for step in steps)
        return known[here]

    def _most_of(self, step: Step, around: Circumstances, known: dict[tuple[int, Circumstances], int]) -> int:
        arguments = self._arguments(step)
        within = self._within(step, arguments, around)
        points = charge(step.price, arguments, within, within.rows, self._compared(step, arguments, within))
        if not step.steps:
            return points
        if not step.is_list:
            return points + self._most(step.steps, within, known)
        each = replace(within, rows=ASSUMED_ROWS)
        return points + within.rows * self._most(step.steps, each, known)

    def _done(
        self,
        step: Step,
        data: Mapping[str, Any],
        path: tuple[str | int, ...],
        around: Circumstances,
        covered: Covered,
    ) -> int:
        if step.key not in data:
            return 0  # it is of another type than the one that is there
        arguments, value, here = self._arguments(step), data[step.key], (*path, step.key)
        within = self._within(step, arguments, around)
        if here in covered:
            within = replace(within, days=min(within.days, covered[here]))
        rows = min(within.rows, _length(value))
        points = charge(step.price, arguments, within, rows, self._compared(step, arguments, within))
        if not step.steps or value is None:
            return points
        if not step.is_list:
            return points + sum(self._done(one, value, here, within, covered) for one in step.steps)
        each = replace(within, rows=ASSUMED_ROWS)
        return points + sum(
            self._done(one, row, (*here, index), each, covered)
            for index, row in enumerate(value)
            if row is not None
            for one in step.steps
        )

    def _arguments(self, step: Step) -> Mapping[str, Any]:
        if step.arguments is not None:
            return step.arguments
        try:
            return get_argument_values(step.definition, step.node, self.variables)
        except GraphQLError:
            return {}  # the field will be refused for the same reason, before it does anything

    def _within(self, step: Step, arguments: Mapping[str, Any], around: Circumstances) -> Circumstances:
        price = step.price
        if price is _FREE:
            return around
        days, conditions = around.days, around.conditions
        if "period" in step.definition.args:
            days, conditions = self._days(arguments.get("period")), _conditions(arguments.get("where"))
        elif price.days:
            days = price.days
        rows = page_rows(price, arguments) if price.page else ASSUMED_ROWS
        return Circumstances(days, conditions, rows)

    def _compared(self, step: Step, arguments: Mapping[str, Any], within: Circumstances) -> int:
        if not step.price.compared:
            return 0
        if arguments.get("compareTo") is not None:
            return self._days(arguments["compareTo"])
        return within.days if arguments.get("compare") is not None else 0

    def _days(self, given: Mapping[str, Any] | None) -> int:
        """Days of a period as it was sent, at most MOST_DAYS."""
        if given is None or given.get("all"):
            return MOST_DAYS
        try:
            period = to_period(PeriodInput(**given), self.now)
        except AppError:
            return MOST_DAYS  # its field is refused for the same reason
        return days_between(period.start, period.end)


def days_between(start: dt.datetime, end: dt.datetime) -> int:
    """Started days between two instants, as they are priced: 1 to MOST_DAYS."""
    return min(max(1, -((start - end) // _DAY)), MOST_DAYS)


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
                value = _condition(directive)
                if isinstance(value, VariableNode):
                    names.add(value.name.value)
            inner = getattr(node, "selection_set", None)
            if inner:
                waiting.append(inner)
    return tuple(sorted(names))


def _condition(directive: DirectiveNode) -> ValueNode | None:
    if directive.name.value not in ("skip", "include") or not directive.arguments:
        return None
    return directive.arguments[0].value  # both directives have the one argument `if`


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
            if not self._included(node.directives or ()):
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
        price = price_of(parent.name, name) or _FREE
        steps = self.steps(get_named_type(definition.type), inner) if inner else ()
        if price == _FREE and not steps:
            return None
        is_list = is_list_type(get_nullable_type(definition.type))
        return Step(key, price, definition, node, _constant(price, definition, node), is_list, steps)

    def _included(self, directives: Sequence[DirectiveNode]) -> bool:
        for directive in directives:
            value = _condition(directive)
            if isinstance(value, VariableNode):
                given = self.switches[value.name.value]
            elif isinstance(value, BooleanValueNode):
                given = value.value
            else:
                continue
            if given != (directive.name.value == "include"):
                return False
        return True


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


# As many listed values, or ordinary conditions, cost about what a scan of a month does.
_VALUES: Final = 50
_PLAIN: Final = 20


def _conditions(where: object) -> int:
    """How many scans more a filter costs: one for each property and cohort in it, and some for all that is compared."""
    own, plain, values = _tally(where)
    return own + plain // _PLAIN + values // _VALUES


def _tally(where: object) -> tuple[int, int, int]:
    """(properties and cohorts, other conditions, listed values) in a filter."""
    if isinstance(where, list):
        parts = [_tally(part) for part in where]
        return sum(part[0] for part in parts), sum(part[1] for part in parts), sum(part[2] for part in parts)
    own = plain = values = 0
    for name, given in where.items() if isinstance(where, Mapping) else ():
        if given is None:
            continue
        if name in ("and", "or", "not"):
            inside = _tally(given)
            own, plain, values = own + inside[0], plain + inside[1], values + inside[2]
        elif name in ("property", "cohort"):
            own += 1
        elif isinstance(given, Mapping):
            plain += len(given)
            values += sum(len(listed) for listed in given.values() if isinstance(listed, list))
    return own, plain, values


def _length(value: object) -> int:
    """Rows of a list, or of a connection by what was selected of it."""
    if isinstance(value, list):
        return len(value)
    if isinstance(value, Mapping):
        return max((len(one) for one in value.values() if isinstance(one, list)), default=0)
    return 0
