"""What is known of a document that was seen before: its tree, whether it is valid, and what it costs.

Dashboards send the same few documents again and again, and each step takes longer than most of their figures. They are
known by their text: the hash of a tree walks it whole, which takes longer than pricing it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final

from graphql import ASTValidationRule, DocumentNode, GraphQLError, GraphQLSchema, parse, validate
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from graphql_schema.plans import Plans
from graphql_schema.sizes import MAX_ERRORS, structure_errors

# Characters of a document that is kept, and of all that are: a tree takes up to 170 bytes for each.
_LONGEST: Final = 16_384
_MOST: Final = 262_144


class Known:
    """A document and, once asked for, whether it is valid and what it costs. It is asked about one schema only."""

    def __init__(self, document: DocumentNode) -> None:
        self.document = document
        self._errors: list[GraphQLError] | None = None
        self._plans: Plans | None = None

    def errors(self, schema: GraphQLSchema, rules: Sequence[type[ASTValidationRule]]) -> list[GraphQLError]:
        """What is wrong with it; a list of the caller's own."""
        if self._errors is None:
            # Comparing fields takes time by the square of what the first check counts.
            self._errors = structure_errors(self.document) or validate(
                schema,
                self.document,
                (*rules, MaybeNullValidationRule, OneOfInputValidationRule),
                max_errors=MAX_ERRORS - 1,  # that there are more is one of its own
            )
        return list(self._errors)

    def plans(self, schema: GraphQLSchema) -> Plans:
        """What its operations cost. It must be valid."""
        if self._plans is None:
            self._plans = Plans(schema, self.document)
        return self._plans


class KnownDocuments:
    """The documents of one schema that were asked for last, as many as have a bounded length together."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Known] = OrderedDict()
        self._length = 0

    def __len__(self) -> int:
        return len(self._known)

    def parsed(self, text: str, options: dict[str, Any]) -> DocumentNode:
        """The tree of a document. Raises GraphQLSyntaxError as `parse`, whose options these are."""
        found = self._known.get(text)
        return self.about(text, parse(text, **options) if found is None else found.document).document

    def about(self, text: str | None, document: DocumentNode) -> Known:
        """What is known of a document with this text."""
        found = self._known.get(text or "")
        if found is not None and found.document is document:
            self._known.move_to_end(text or "")
            return found
        found = Known(document)
        if text and len(text) <= _LONGEST:
            self._keep(text, found)
        return found

    def _keep(self, text: str, found: Known) -> None:
        if text not in self._known:
            self._length += len(text)
        self._known[text] = found
        while self._length > _MOST:
            oldest, _ = self._known.popitem(last=False)
            self._length -= len(oldest)
