"""The schema, and how one operation runs."""

from __future__ import annotations

import strawberry
from graphql import ASTValidationRule, GraphQLError, NoSchemaIntrospectionCustomRule, Undefined
from strawberry.extensions import AddValidationRules, MaxTokensLimiter
from strawberry.printer import print_schema
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext

from app.settings import Settings
from graphql_schema.documents import FromDocuments, Kept, Listed
from graphql_schema.errors import public
from graphql_schema.filters import PROPERTY_VALUE, PropertyValue
from graphql_schema.limits import OneOperation, ParsedOnce, ValidatedOnce, extent_rule
from graphql_schema.mutation import Mutation
from graphql_schema.query import Query
from graphql_schema.trusted import check_documents, listed_documents
from graphql_schema.types import SCALARS


class Schema(strawberry.Schema):
    """Strawberry's schema with Dashi's errors."""

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        # In place: this very list is what is answered.
        errors[:] = [public(error) for error in errors]


def make_schema(settings: Settings) -> Schema:
    """The schema with this instance's limits. Extensions are factories: an instance belongs to one request.

    Raises Invalid for trusted documents that cannot be read or do not fit the schema.
    """
    trusted = listed_documents(settings.graphql_documents) if settings.graphql_documents else None
    documents = Kept(settings.graphql_persisted_bytes) if trusted is None else Listed(trusted)
    rules: list[type[ASTValidationRule]] = [
        extent_rule(settings.graphql_max_depth, settings.graphql_max_aliases)
    ]
    if not settings.introspection:
        rules.append(NoSchemaIntrospectionCustomRule)
    schema = Schema(
        Query,
        Mutation,
        config=StrawberryConfig(
            scalar_map={**SCALARS, PropertyValue: PROPERTY_VALUE},
            # Suggestions would tell what introspection is not to tell.
            disable_field_suggestions=not settings.introspection,
        ),
        extensions=[
            lambda: FromDocuments(documents),
            lambda: MaxTokensLimiter(settings.graphql_max_tokens),
            lambda: AddValidationRules(rules),
            ParsedOnce,
            ValidatedOnce,
            OneOperation,
        ],
    )
    _leave_out_null_defaults(schema)
    if trusted is not None:
        check_documents(trusted, schema._schema, rules, settings.graphql_max_tokens)
    return schema


def _leave_out_null_defaults(schema: Schema) -> None:
    """`x: T` says all that `x: T = null` says: Strawberry prints the latter for every Python default of None."""
    for named in schema._schema.type_map.values():
        for field in getattr(named, "fields", {}).values():
            for argument in (field, *getattr(field, "args", {}).values()):
                if getattr(argument, "default_value", Undefined) is None:
                    argument.default_value = Undefined


def print_sdl() -> str:
    """The schema in SDL, without a final newline; with one it is committed as `schema.graphql`."""
    return print_schema(make_schema(Settings()))
