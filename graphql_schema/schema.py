"""The schema, and how one operation runs."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from typing import Any, Final

import strawberry
from graphql import (
    ASTValidationRule,
    GraphQLEnumType,
    GraphQLError,
    NoSchemaIntrospectionCustomRule,
    Undefined,
)
from strawberry.exceptions import MissingQueryError
from strawberry.extensions import AddValidationRules, MaxTokensLimiter
from strawberry.extensions.runner import SchemaExtensionsRunner
from strawberry.printer import print_schema
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from app.current import CURRENT
from app.settings import Settings
from graphql_schema.context import Context
from graphql_schema.documents import Documents, Kept, Listed, named_document
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
from graphql_schema.trusted import check_documents, listed_documents
from graphql_schema.types import SCALARS
from graphql_schema.work import ShowWork

# Characters of an operation's name that are logged.
_LONGEST_NAME: Final = 60
_NO_MEMBER: Final = re.compile(r"does not exist in '(\w+)' enum\.")
# How graphql-core names what looks alike.
_SUGGESTION: Final = re.compile(r" Did you mean [^?]*\?")


class Followed(InvalidOperationTypeError):
    """A subscription was asked for where there is one answer to give."""

    def __init__(self) -> None:
        super().__init__(OperationType.SUBSCRIPTION)

    def as_http_error_reason(self, method: str) -> str:
        return "A subscription is followed over a socket, or with `Accept: text/event-stream`"


class Schema(strawberry.Schema):
    """Strawberry's schema with Dashi's documents and errors."""

    documents: Documents
    suggests = True

    async def _prepare_operation_async(
        self, context: ExecutionContext, extensions_runner: SchemaExtensionsRunner
    ) -> PreExecutionError | None:
        """Overridden because requests, sockets and streams all come through here, and nowhere else before parsing."""
        try:
            named = named_document(context.operation_extensions or {})
            context.query = self.documents.text(context.query, named)
            refused = await super()._prepare_operation_async(context, extensions_runner)
        except (MissingQueryError, CannotGetOperationTypeError, InvalidOperationTypeError):
            raise  # each transport has its own words for these
        except Exception as error:
            # What an extension raises as well (a cached parser's syntax error): sockets would answer nothing to it.
            told = error if isinstance(error, GraphQLError) else GraphQLError("", original_error=error)
            context.pre_execution_errors = [told]
            return PreExecutionError(data=None, errors=context.pre_execution_errors)
        if refused is None:
            if named is not None and context.query:
                self.documents.keep(context.query)
            if isinstance(context.context, Context):
                context.context.document = context.graphql_document
            _name(context)
        return refused

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
        errors[:] = bounded([self._with_choice(public(error)) for error in errors])

    def _with_choice(self, error: GraphQLError) -> GraphQLError:
        """An error about a value of an enum with the values there are; none names anything that was not named, where the
        schema is not to be told: the setting of Strawberry's is about fields alone.
        """
        if not self.suggests:
            error.message = _SUGGESTION.sub("", error.message)
            return error
        found = _NO_MEMBER.search(error.message)
        enum = self._schema.type_map.get(found[1]) if found else None
        if isinstance(enum, GraphQLEnumType):
            # graphql-core names some that look alike instead.
            head = error.message.partition(" Did you mean")[0]
            error.message = f"{head} There are: {', '.join(enum.values)}."
        return error


def _name(context: ExecutionContext) -> None:
    """Have the log call the request by its operation; a socket has many at once."""
    current = CURRENT.get()
    if current is not None and current.method != "SOCKET":
        name = (context.operation_name or "")[:_LONGEST_NAME]
        current.operation = f"{context.operation_type.value} {name}".rstrip()


async def _only(error: GraphQLError) -> AsyncGenerator[Any, None]:
    yield PreExecutionError(data=None, errors=[error])


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
    schema.documents = documents
    schema.suggests = settings.introspection
    _leave_out_null_defaults(schema)
    show_prices(schema._schema)
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
