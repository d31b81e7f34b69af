"""What visitors do one after the other: funnels, goals, journeys, and whether they come back."""

from __future__ import annotations

from typing import Annotated

import strawberry

from app.context import Ctx
from app.errors import Invalid
from app.reports import funnel, goal, journey, retention
from app.stats.period import Period
from graphql_schema.context import Info
from graphql_schema.enums import described
from graphql_schema.scoped import Scoped
from graphql_schema.types import Int64, LocalDateTime, resolved

described(
    goal.Operator,
    "What is made of the values of a property.",
    {
        "COUNT": "How many there are, of any type.",
        "SUM": "The sum of those that are numbers; 0 without any.",
        "AVERAGE": "The average of those that are numbers; 0 without any.",
    },
    name="GoalAggregate",
)


@strawberry.input(
    description="A step of a funnel: exactly one of `path` and `event`. A `*` at the start or the end stands for any text; "
    "all else stands for itself, upper and lower case too."
)
class FunnelStepInput:
    path: str | None = strawberry.field(
        default=None, description="Path of a page view or a custom event, e.g. `/docs/*`."
    )
    event: str | None = strawberry.field(default=None, description="Name of a custom event, e.g. `signup`.")

    def asked(self) -> funnel.Step:
        """The core's step. Raises Invalid unless exactly one part is given."""
        if self.path is not None and self.event is None:
            return funnel.Step(funnel.PATH, self.path)
        if self.event is not None and self.path is None:
            return funnel.Step(funnel.EVENT, self.event)
        raise Invalid("A step is exactly one of path and event", field="steps")


@strawberry.type(description="A step of a funnel, and who got to it.")
class FunnelStep:
    path: str | None = strawberry.field(description="The path asked for; null for a step by event.")
    event: str | None = strawberry.field(description="The event's name asked for; null for a step by path.")
    visitors: Int64 = strawberry.field(description="Visitors who got to this step.")
    previous: Int64 = strawberry.field(
        description="Visitors who got to the step before; 0 for the first step."
    )
    dropped: Int64 = strawberry.field(
        description="Visitors who got to the step before and not to this one; 0 for the first step."
    )
    dropoff: float | None = strawberry.field(
        description="`dropped` for each of `previous`, 0 to 1; null where that is 0."
    )
    remaining: float | None = strawberry.field(
        description="Visitors for each visitor of the first step, 0 to 1; null where it had none."
    )

    @classmethod
    def of(cls, found: funnel.Reached) -> FunnelStep:
        step = found.step
        return cls(
            path=step.value if step.type == funnel.PATH else None,
            event=None if step.type == funnel.PATH else step.value,
            visitors=Int64(found.visitors),
            previous=Int64(found.previous),
            dropped=Int64(found.dropped),
            dropoff=found.dropoff,
            remaining=found.remaining,
        )


@strawberry.type(description="Visitors who took steps one after the other.")
class Funnel:
    steps: list[FunnelStep] = strawberry.field(description="The steps, as asked for.")


@strawberry.input(
    description="Something that is meant to happen: exactly one of `path` and `event`. With `property` it is about a property "
    "of that event's data, else about how often it happens."
)
class GoalInput:
    path: str | None = strawberry.field(
        default=None, description="Path, as a whole, of page views and custom events."
    )
    event: str | None = strawberry.field(default=None, description="Name of a custom event.")
    property: str | None = strawberry.field(
        default=None,
        description="Key of the event's data, nested ones joined with dots: `cart.total`; goes with `aggregate`.",
    )
    aggregate: goal.Operator | None = strawberry.field(
        default=None, description="What is made of the property's values; goes with `property`."
    )
    target: float = strawberry.field(description="How often, or how much, it is meant to be.")

    def asked(self) -> goal.Goal:
        """The core's goal. Raises Invalid for parts that do not go together."""
        if (self.path is None) == (self.event is None):
            raise Invalid("A goal is exactly one of path and event", field="goals")
        if (self.property is None) != (self.aggregate is None) or (self.path is not None and self.property):
            raise Invalid("property and aggregate go together, and with event", field="goals")
        if self.path is not None:
            return goal.Goal(goal.Kind.PATH, self.path, self.target)
        if self.aggregate is None:
            return goal.Goal(goal.Kind.EVENT, self.event or "", self.target)
        return goal.Goal(goal.Kind.DATA, self.event or "", self.target, self.aggregate, self.property)


@strawberry.type(description="A goal, and what became of it.")
class Goal:
    path: str | None = strawberry.field(description="The path asked for; null for a goal by event.")
    event: str | None = strawberry.field(description="The event's name asked for; null for a goal by path.")
    property: str | None = strawberry.field(description="The property asked for, if any.")
    aggregate: goal.Operator | None = strawberry.field(
        description="What is made of the property's values; null without a property."
    )
    target: float = strawberry.field(description="What was meant to be.")
    result: float = strawberry.field(
        description="What is: page views and custom events at the path, custom events of the name, or what is made of the "
        "property."
    )
    progress: float | None = strawberry.field(
        description="The result for each of the target, 1 where it is reached; null for a target of 0."
    )

    @classmethod
    def of(cls, found: goal.Achieved) -> Goal:
        asked = found.goal
        by_path = asked.kind is goal.Kind.PATH
        return cls(
            path=asked.value if by_path else None,
            event=None if by_path else asked.value,
            property=asked.property,
            aggregate=asked.operator,
            target=asked.target,
            result=found.result,
            progress=found.result / asked.target if asked.target else None,
        )


@strawberry.type(description="A way that visits take, and how many took it.")
class Journey:
    steps: list[str] = strawberry.field(
        description="The first steps, in order, repetitions included: a custom event's name or a page view's path. Fewer "
        "than asked for where the visits had no more."
    )
    visits: Int64 = strawberry.field(description="Visits that took exactly this way.")

    @classmethod
    def of(cls, found: journey.Journey) -> Journey:
        return cls(steps=[step for step in found.steps if step is not None], visits=Int64(found.visits))


@strawberry.type(description="The visitors who came first on one day, and how many of them came back.")
class RetentionCohort:
    date: LocalDateTime = strawberry.field(description="Start of the day of their first event ever.")
    visitors: Int64 = strawberry.field(description="How many they are: distinct sessions.")
    returned: list[Int64] = strawberry.field(
        description="How many of them had an event on that day, a day later, two days later …: up to 31 days later, or the "
        "end of the period."
    )
    rates: list[float] = strawberry.field(description="The same for each visitor of the cohort, 0 to 1.")

    @classmethod
    def of(cls, cohort: retention.Cohort, period: Period) -> RetentionCohort:
        last = period.end.astimezone(period.zone).date()
        days = min(retention.MAX_DAY, (last - cohort.date.date()).days)
        returned = [cohort.returned.get(day, 0) for day in range(days + 1)]
        return cls(
            date=LocalDateTime(cohort.date),
            visitors=Int64(cohort.visitors),
            returned=[Int64(visitors) for visitors in returned],
            rates=[visitors / cohort.visitors for visitors in returned],
        )


@strawberry.type
class Conversions(Scoped):
    """Fields of `Analytics` about what visitors do one after the other."""

    @resolved(
        "Visitors who took some steps one after the other. Each step counts the window anew from the step before; events "
        "of the same instant are in order, so one event can be several steps."
    )
    async def funnel(
        self,
        info: Info,
        steps: Annotated[
            list[FunnelStepInput],
            strawberry.argument(description=f"The steps, {funnel.MIN_STEPS} to {funnel.MAX_STEPS}."),
        ],
        window_minutes: Annotated[
            int,
            strawberry.argument(
                description=f"Minutes that the next step may take, 1 to {funnel.MAX_WINDOW_MINUTES}."
            ),
        ],
    ) -> Funnel | None:
        def verb(ctx: Ctx) -> Funnel:
            params = funnel.Params(tuple(step.asked() for step in steps), window_minutes)
            found = funnel.run(ctx, self.scope, params)
            return Funnel(steps=[FunnelStep.of(one) for one in found])

        return await self.ask(info, verb)

    @resolved("How often something happened that was meant to happen, each goal in turn.")
    async def goals(
        self,
        info: Info,
        goals: Annotated[
            list[GoalInput], strawberry.argument(description=f"What is meant to be, 1 to {goal.MAX_GOALS}.")
        ],
    ) -> list[Goal] | None:
        def verb(ctx: Ctx) -> list[Goal]:
            params = goal.Params(tuple(one.asked() for one in goals))
            return [Goal.of(one) for one in goal.run(ctx, self.scope, params)]

        return await self.ask(info, verb)

    @resolved("The ways that most visits take, most visits first, then by their steps.")
    async def journeys(
        self,
        info: Info,
        steps: Annotated[
            int,
            strawberry.argument(
                description=f"How many steps of each visit are looked at, {journey.MIN_STEPS} to {journey.MAX_STEPS}."
            ),
        ],
        start_step: Annotated[
            str | None, strawberry.argument(description="Only visits whose first step is this path or event.")
        ] = None,
        end_step: Annotated[
            str | None,
            strawberry.argument(description="Only visits whose last step, of those looked at, is this."),
        ] = None,
        first: Annotated[
            int, strawberry.argument(description=f"How many at most, 1 to {journey.LIMIT}.")
        ] = 20,
    ) -> list[Journey] | None:
        def verb(ctx: Ctx) -> list[Journey]:
            params = journey.Params(steps, start_step or "", end_step or "", first)
            return [Journey.of(one) for one in journey.run(ctx, self.scope, params)]

        return await self.ask(info, verb)

    @resolved("Whether visitors come back: one cohort for each day of the period that had new ones, by date.")
    async def retention(self, info: Info) -> list[RetentionCohort] | None:
        def verb(ctx: Ctx) -> list[RetentionCohort]:
            found = retention.run(ctx, self.scope, retention.Params())
            return [RetentionCohort.of(cohort, self.scope.period) for cohort in found]

        return await self.ask(info, verb)
