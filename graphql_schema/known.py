"""What is known of a document that was seen before: whether it is valid, and what it costs.

Documents are told apart by identity: the parser's cache answers the same one for the same text, while their own hash
walks the whole tree, which takes longer than pricing a dashboard.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from graphql import ASTValidationRule, DocumentNode, GraphQLError, GraphQLSchema, validate
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from graphql_schema.cost import Plans
from graphql_schema.sizes import MAX_ERRORS, structure_errors

# As many as the parser's cache holds.
_MOST_KNOWN: Final = 128


class Known:
    """A document, whether it is valid and, once it has been asked for, what it costs."""

    def __init__(
        self, schema: GraphQLSchema, document: DocumentNode, rules: Sequence[type[ASTValidationRule]]
    ) -> None:
        self.document = document
        self._schema = schema
        self._plans: Plans | None = None
        # Comparing fields takes time by the square of what the first check counts.
        self.errors: list[GraphQLError] = structure_errors(document) or validate(
            schema,
            document,
            (*rules, MaybeNullValidationRule, OneOfInputValidationRule),
            max_errors=MAX_ERRORS - 1,  # that there are more is one of its own
        )

    @property
    def plans(self) -> Plans:
        """What its operations cost. The document must be valid."""
        if self._plans is None:
            self._plans = Plans(self._schema, self.document)
        return self._plans


class KnownDocuments:
    """The documents of one schema that were asked for last."""

    def __init__(self) -> None:
        self._known: OrderedDict[int, Known] = OrderedDict()

    def of(
        self,
        schema: GraphQLSchema,
        document: DocumentNode,
        rules: Sequence[type[ASTValidationRule]],
        *,
        keep: bool,
    ) -> Known:
        """What is known of a document; of one that is not to be kept, found out again."""
        found = self._known.get(id(document))
        if found is None:
            # A document that is kept here keeps its identity to itself.
            found = Known(schema, document, rules)
            if keep:
                self._known[id(document)] = found
                if len(self._known) > _MOST_KNOWN:
                    self._known.popitem(last=False)
        elif keep:
            self._known.move_to_end(id(document))
        return found
