"""The schema, and how one operation runs."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import strawberry
from graphql import ASTValidationRule, GraphQLError, NoSchemaIntrospectionCustomRule, Undefined
from strawberry.extensions import AddValidationRules, MaxTokensLimiter
from strawberry.printer import print_schema
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.exceptions import InvalidOperationTypeError
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from app.settings import Settings
from graphql_schema.errors import public
from graphql_schema.filters import PROPERTY_VALUE, PropertyValue
from graphql_schema.known import KnownDocuments
from graphql_schema.limits import OneOperation, ParsedOnce, ValidatedOnce, extent_rule
from graphql_schema.metering import UNPRICED, metered
from graphql_schema.mutation import Mutation
from graphql_schema.prices import show_prices
from graphql_schema.query import Query
from graphql_schema.sizes import bounded, length_error
from graphql_schema.subscription import Subscription
from graphql_schema.types import SCALARS
from graphql_schema.work import ShowWork


class Followed(InvalidOperationTypeError):
    """A subscription was asked for where there is one answer to give."""

    def __init__(self) -> None:
        super().__init__(OperationType.SUBSCRIPTION)

    def as_http_error_reason(self, method: str) -> str:
        return "A subscription is followed over a socket, or with `Accept: text/event-stream`"


class Schema(strawberry.Schema):
    """Strawberry's schema with Dashi's errors."""

    async def execute(self, query: str | None, *args: Any, **named: Any) -> ExecutionResult:
        too_long = length_error(query)
        if too_long:
            return PreExecutionError(data=None, errors=[too_long], extensions=dict(UNPRICED))
        allowed = set(named.pop("allowed_operation_types", None) or OperationType)
        named["allowed_operation_types"] = allowed - {OperationType.SUBSCRIPTION}
        try:
            return await super().execute(query, *args, **named)
        except InvalidOperationTypeError as error:
            if error.operation_type is OperationType.SUBSCRIPTION:
                raise Followed from None
            raise

    async def stream(self, query: str | None, *args: Any, **named: Any) -> AsyncGenerator[Any, None]:
        too_long = length_error(query)
        return _only(too_long) if too_long else await super().stream(query, *args, **named)

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        # In place: this very list is what is answered.
        errors[:] = bounded([public(error) for error in errors])


async def _only(error: GraphQLError) -> AsyncGenerator[Any, None]:
    yield PreExecutionError(data=None, errors=[error])


def make_schema(settings: Settings) -> Schema:
    """The schema with this instance's limits. Extensions are factories: an instance belongs to one request."""
    rules: list[type[ASTValidationRule]] = [
        extent_rule(settings.graphql_max_depth, settings.graphql_max_aliases)
    ]
    if not settings.introspection:
        rules.append(NoSchemaIntrospectionCustomRule)
    known = KnownDocuments()
    schema = Schema(
        Query,
        Mutation,
        Subscription,
        config=StrawberryConfig(
            scalar_map={**SCALARS, PropertyValue: PROPERTY_VALUE},
            # Suggestions would tell what introspection is not to tell.
            disable_field_suggestions=not settings.introspection,
        ),
        extensions=[
            lambda: MaxTokensLimiter(settings.graphql_max_tokens),
            lambda: AddValidationRules(rules),
            lambda: ParsedOnce(known),
            lambda: ValidatedOnce(known),
            OneOperation,
            metered(settings, known),
            ShowWork,
        ],
    )
    _leave_out_null_defaults(schema)
    show_prices(schema._schema)
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
