"""How large a document may be, checked before anything is executed.

Strawberry's own depth and alias limiters walk a fragment again at each place that spreads it: eighteen fragments that
each spread the next one twice took them 0.6 s, and every further one doubles that. Here each is measured once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from typing import Any, NamedTuple

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValidationContext,
    ValidationRule,
    VisitorAction,
)
from strawberry.extensions import SchemaExtension

from graphql_schema.known import KnownDocuments


class Extent(NamedTuple):
    """Fields on the longest path, and aliases with each fragment counted wherever it is spread."""

    depth: int
    aliases: int


class _Measure:
    def __init__(self, context: ValidationContext) -> None:
        self._context = context
        self._fragments: dict[str, Extent] = {}

    def selections(self, node: SelectionSetNode | None) -> Extent:
        extents = [self._selection(selection) for selection in node.selections] if node else []
        return Extent(max((e.depth for e in extents), default=0), sum(e.aliases for e in extents))

    def _selection(self, node: Any) -> Extent:
        match node:
            case FieldNode():
                # Introspection is nested deeply by nature and reads no data.
                if node.name.value.startswith("__"):
                    return Extent(0, int(node.alias is not None))
                inner = self.selections(node.selection_set)
                return Extent(inner.depth + 1, inner.aliases + (node.alias is not None))
            case InlineFragmentNode():
                return self.selections(node.selection_set)
            case FragmentSpreadNode():
                return self._fragment(node.name.value)
        raise TypeError(node.kind)

    def _fragment(self, name: str) -> Extent:
        if name not in self._fragments:
            # What a cycle or an unknown name would add is of no account: other rules refuse the document.
            self._fragments[name] = Extent(0, 0)
            definition: FragmentDefinitionNode | None = self._context.get_fragment(name)
            if definition:
                self._fragments[name] = self.selections(definition.selection_set)
        return self._fragments[name]


# Validation results are cached by their rules, so there must be one class for one pair of limits.
@lru_cache(maxsize=64)
def extent_rule(max_depth: int, max_aliases: int) -> type[ValidationRule]:
    """A validation rule that refuses operations with more nested fields or more aliases."""

    class ExtentRule(ValidationRule):
        def enter_operation_definition(self, node: OperationDefinitionNode, *_: Any) -> VisitorAction:
            extent = _Measure(self.context).selections(node.selection_set)
            if extent.depth > max_depth:
                self._refuse(
                    node, "depth-limit", f"nests {extent.depth} fields; at most {max_depth} are allowed"
                )
            if extent.aliases > max_aliases:
                self._refuse(
                    node, "alias-limit", f"uses {extent.aliases} aliases; at most {max_aliases} are allowed"
                )
            return None

        def _refuse(self, node: OperationDefinitionNode, code: str, text: str) -> None:
            name = f'Operation "{node.name.value}"' if node.name else "The operation"
            self.report_error(GraphQLError(f"{name} {text}", node, extensions={"code": code, "status": 400}))

    return ExtentRule


class ParsedOnce(SchemaExtension):
    """Parses a document that is sent again and again the first time."""

    def __init__(self, known: KnownDocuments) -> None:
        self._known = known

    def on_parse(self) -> Iterator[None]:
        context = self.execution_context
        if context.query and context.graphql_document is None:
            # What cannot be parsed is parsed again by Strawberry, which in a stream catches its own errors alone.
            with suppress(GraphQLError, RecursionError):
                context.graphql_document = self._known.parsed(context.query, dict(context.parse_options))
        yield


class ValidatedOnce(SchemaExtension):
    """As `ParsedOnce`: validating a dashboard's document takes longer than most of its figures."""

    def __init__(self, known: KnownDocuments) -> None:
        self._known = known

    def on_validate(self) -> Iterator[None]:
        context = self.execution_context
        if context.graphql_document:
            found = self._known.about(context.query, context.graphql_document)
            context.pre_execution_errors = found.errors(context.schema._schema, context.validation_rules)
        yield


class OneOperation(SchemaExtension):
    """Refuses a document of several operations that does not say which is meant: Strawberry would run the first."""

    def on_validate(self) -> Iterator[None]:
        context = self.execution_context
        document = context.graphql_document
        operations = document.definitions if document else ()
        if (
            not context.pre_execution_errors
            and context._provided_operation_name is None
            and sum(isinstance(one, OperationDefinitionNode) for one in operations) > 1
        ):
            told = "The document has several operations: say which in operationName"
            error = GraphQLError(told, extensions={"code": "graphql-validation", "status": 400})
            context.pre_execution_errors = [error]
        yield
