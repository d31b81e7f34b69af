"""Every operation is priced before it runs, paid for by who asks, and refunded what it did not need."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Hashable, Iterator
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any, Final, cast

import strawberry
from graphql import DocumentNode, GraphQLError
from strawberry.extensions import SchemaExtension
from strawberry.types.graphql import OperationType

from app.addresses import network_of
from app.buckets import Balance, Buckets
from app.context import Ctx, Kind
from app.settings import Settings
from app.stats.scope import Scope
from graphql_schema.context import Context, Info
from graphql_schema.cost import Quote, days_between
from graphql_schema.known import KnownDocuments
from graphql_schema.sizes import refusal, variables_error

# What is said of a request that is refused before it has a price.
UNPRICED: Final = MappingProxyType({"cost": {"requested": 0, "actual": 0}})


@dataclass(slots=True)
class Meter:
    """What one operation costs: the root value, so that every resolver finds the one of its own operation."""

    quote: Quote
    caller: Hashable
    buckets: Buckets
    balance: Balance
    covered: dict[tuple[str | int, ...], int] = field(default_factory=dict)

    def cover(self, info: Info, scope: Scope) -> None:
        """Remember how much of its period the field being resolved really looks through."""
        end = min(scope.period.end, self.quote.now)
        self.covered[tuple(info.path.as_list())] = days_between(min(scope.start, end), end)


def meter_of(info: Info) -> Meter:
    """The meter of the operation."""
    return cast(Meter, cast(Any, info).root_value)


@strawberry.type(description="What you may still ask for. Points flow back all the time.")
class RateLimit:
    cost: int = strawberry.field(
        description="Points taken for this very operation; those that it turns out not to need are given back after it."
    )
    limit: int = strawberry.field(description="Points you have at most.")
    remaining: int = strawberry.field(description="Points you have left, this operation paid.")
    refill: int = strawberry.field(description="Points that flow back every second.")
    reset_at: dt.datetime = strawberry.field(
        description="When you would have all of them again, if you asked nothing until then."
    )

    @classmethod
    def of(cls, info: Info) -> RateLimit:
        meter = meter_of(info)
        balance = meter.balance
        return cls(
            cost=meter.quote.requested,
            limit=meter.buckets.size,
            remaining=balance.remaining,
            refill=int(meter.buckets.refill),
            reset_at=meter.quote.now + dt.timedelta(seconds=balance.full_in),
        )


class Metered(SchemaExtension):
    """Prices an operation after validation and before anything else, and says in the answer what it cost.

    It comes after the extensions that validate: what they refuse costs nothing.
    """

    def __init__(self, settings: Settings, known: KnownDocuments, buckets: Buckets) -> None:
        self._settings = settings
        self._known = known
        self._buckets = buckets
        self._cost = {"requested": 0, "actual": 0}
        self._meter: Meter | None = None

    async def on_validate(self) -> AsyncIterator[None]:
        context = self.execution_context
        if not context.pre_execution_errors and context.graphql_document:
            error = await self._refused(context.graphql_document)
            if error:
                context.pre_execution_errors = [error]
        yield

    def on_execute(self) -> Iterator[None]:
        yield
        # What was cancelled or failed as a whole never gets here: it may have done all it paid for.
        meter, result = self._meter, self.execution_context.result
        if meter is not None and self.execution_context.operation_type is not OperationType.SUBSCRIPTION:
            actual = meter.quote.actual(getattr(result, "data", None), meter.covered)
            self._cost["actual"] = actual
            meter.buckets.give_back(meter.caller, meter.quote.requested - actual)

    def get_results(self) -> dict[str, Any]:
        running = self._meter is not None
        if running and self.execution_context.operation_type is OperationType.SUBSCRIPTION:
            return {}  # it is paid for once, and an answer comes with every push
        return {"cost": self._cost}

    async def _refused(self, document: DocumentNode) -> GraphQLError | None:
        """Why the operation does not run; None if it does, and is paid."""
        asked, settings = self.execution_context, self._settings
        if error := variables_error(asked.variables, settings.graphql_max_variables):
            return error
        plans = self._known.about(asked.query, document).plans(asked.schema._schema)
        quote = plans.quote(asked._provided_operation_name, asked.variables or {}, dt.datetime.now(dt.UTC))
        if quote is None:
            return None  # execution says what is wrong
        self._cost["requested"] = cost = quote.requested
        most = min(settings.graphql_max_cost, self._buckets.size)
        if cost > most:
            told = f"The operation costs {cost} points; at most {most} are allowed"
            return refusal("cost-limit", told, cost=cost, limit=most)
        caller = await self._caller(asked.context, cost)
        balance = self._buckets.take(caller, cost)
        if balance.retry_after:
            told = f"The operation costs {cost} points and you have {balance.remaining} left"
            return refusal(
                "rate-limit",
                told,
                status=429,
                cost=cost,
                remaining=balance.remaining,
                limit=self._buckets.size,
                retryAfter=balance.retry_after,
            )
        asked.root_value = self._meter = Meter(quote, caller, self._buckets, balance)
        return None

    async def _caller(self, context: Context | None, cost: int) -> Hashable:
        """Whose bucket it is: the actor's if it is proven, else that of the client's address.

        Anyone can make up API keys, so each is looked up once before it has a bucket of its own.
        """
        if context is None:
            return None
        actor = context.actor
        if actor.kind is Kind.USER:
            return actor.kind, actor.user_id
        if actor.kind is Kind.SHARE:
            return actor.kind, actor.share_id or actor.website_id
        address = network_of(context.caller)
        if actor.kind is Kind.KEY:
            caller = actor.kind, actor.key_digest
            # Looking a key up is work too: it is done for those who could pay for it.
            known = caller in self._buckets
            if known or (self._buckets.affords(address, cost) and await context.run(_key_is_known)):
                return caller
        return address


def _key_is_known(ctx: Ctx) -> bool:
    return ctx.key is not None


def metered(settings: Settings, known: KnownDocuments) -> partial[Metered]:
    """Makes the extension for each operation of a schema, all with the same buckets."""
    buckets = Buckets(settings.graphql_bucket_size, settings.graphql_bucket_refill)
    return partial(Metered, settings, known, buckets)
