"""Segments and cohorts: filters of a website under a name."""

from __future__ import annotations

import datetime as dt
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Final

import strawberry

from app import models, segments
from app.context import Ctx
from app.errors import Invalid
from app.keep import KEEP, Keep
from app.segments import SegmentType
from app.stats.filters import Condition, Operator
from app.stats.shorthand import FILTERS, OPERATORS
from graphql_schema.context import Info
from graphql_schema.enums import described
from graphql_schema.filters import meaning
from graphql_schema.inputs import keep_or_text, not_empty
from graphql_schema.types import Data, entity_id, resolved, website_id

_UNSET: Final[Any] = strawberry.UNSET

described(
    SegmentType,
    "What filters under a name are of.",
    {
        "SEGMENT": "Of events.",
        "COHORT": "Of sessions: those with an event of any type that the filters match in the cohort's own period.",
    },
)

if TYPE_CHECKING:

    class SegmentField(Enum):
        PATH = "path"

    class SegmentOperator(Enum):
        EQ = "eq"

else:
    SegmentField = Enum("SegmentField", {name.upper(): name for name in FILTERS.values()})
    described(
        SegmentField,
        "A field that segments and cohorts filter by.",
        {name.upper(): meaning(name) for name in FILTERS.values()},
    )
    SegmentOperator = Enum("SegmentOperator", {one.name: one.value for one in OPERATORS})
    described(
        SegmentOperator,
        "How a value is compared.",
        {
            "EQ": "Equal to, as it is stored.",
            "NE": "Another value than, as it is stored.",
            "CONTAINS": "Contains, upper or lower case.",
            "NOT_CONTAINS": "Has a value that does not contain, upper or lower case.",
        },
    )

_SegmentId = Annotated[
    strawberry.ID, strawberry.argument(description="The id of the segment or cohort, a UUID.")
]


@strawberry.type(description="One filter of a segment or cohort.")
class SegmentFilter:
    field: SegmentField = strawberry.field(description="The field.")
    operator: SegmentOperator = strawberry.field(description="How it is compared.")
    value: str = strawberry.field(description="What it is compared with.")

    @classmethod
    def of(cls, asked: Condition) -> SegmentFilter:
        return cls(
            field=SegmentField(asked.field),
            operator=SegmentOperator(asked.operator.value),
            value=asked.values[0],
        )


@strawberry.type(
    description="Filters of a website under a name: a segment of events, or a cohort of sessions."
)
class Segment:
    id: strawberry.ID = strawberry.field(description="UUID, to be passed in an EventFilter.")
    type: SegmentType = strawberry.field(description="What the filters are of.")
    name: str = strawberry.field(description="Its name, 1 to 200 characters, by which REST filters.")
    parameters: Data = strawberry.field(
        description="Filters and period as REST clients write them, and whatever else they keep there."
    )
    created_at: dt.datetime = strawberry.field(description="When it was created.")
    updated_at: dt.datetime = strawberry.field(description="When it was last changed.")
    row: strawberry.Private[models.Segment]

    @classmethod
    def of(cls, row: models.Segment) -> Segment:
        return cls(
            id=strawberry.ID(str(row.segment_id)),
            type=SegmentType(row.type),
            name=row.name,
            parameters=Data(row.parameters),
            created_at=row.created_at,
            updated_at=row.updated_at,
            row=row,
        )

    @resolved("Its filters, all of which must match. Error `invalid` if a client stored one that is no text.")
    def filters(self) -> list[SegmentFilter] | None:
        return [SegmentFilter.of(asked) for asked in segments.conditions_of(self.row).values()]

    @resolved("The first instant of a cohort's period; null if it has no first, and for segments.")
    def start(self) -> dt.datetime | None:
        return segments.period_of(self.row)[0] if self.type is SegmentType.COHORT else None

    @resolved("The last instant of a cohort's period; null if it has no last, and for segments.")
    def end(self) -> dt.datetime | None:
        return segments.period_of(self.row)[1] if self.type is SegmentType.COHORT else None


@strawberry.input(description="One filter of a segment or cohort.")
class SegmentFilterInput:
    field: SegmentField = strawberry.field(description="The field; each at most once.")
    operator: SegmentOperator = strawberry.field(
        default=SegmentOperator.EQ, description="How it is compared."
    )
    value: str = strawberry.field(description="What it is compared with; cannot begin with `!` or `~`.")

    def condition(self) -> Condition:
        return Condition(self.field.value, Operator(self.operator.value), (self.value,))


@strawberry.input(description="A new segment or cohort.")
class CreateSegmentInput:
    type: SegmentType = strawberry.field(description="What the filters are of.")
    name: str = strawberry.field(description="1 to 200 characters.")
    filters: list[SegmentFilterInput] = strawberry.field(
        description="All must match. A cohort without filters is everybody, whatever its period."
    )
    start: dt.datetime | None = strawberry.field(
        default=None, description="First instant of a cohort's period; none if absent."
    )
    end: dt.datetime | None = strawberry.field(
        default=None, description="Last instant of a cohort's period; none if absent."
    )


@strawberry.input(description="Changes of a segment or cohort. What is not given stays as it is.")
class UpdateSegmentInput:
    name: str | None = strawberry.field(default=_UNSET, description="1 to 200 characters.")
    filters: list[SegmentFilterInput] | None = strawberry.field(
        default=_UNSET, description="All filters anew."
    )
    start: dt.datetime | None = strawberry.field(
        default=_UNSET, description="First instant of a cohort's period; null for none."
    )
    end: dt.datetime | None = strawberry.field(
        default=_UNSET, description="Last instant of a cohort's period; null for none."
    )


@strawberry.type
class SegmentMutations:
    @resolved("Store filters of a website under a name. For those who may change the website.")
    async def create_segment(
        self,
        info: Info,
        website_id: Annotated[strawberry.ID, strawberry.argument(description="The website's id, a UUID.")],
        input: Annotated[CreateSegmentInput, strawberry.argument(description="The segment or cohort.")],
    ) -> Segment | None:
        def verb(ctx: Ctx) -> Segment:
            made = segments.create(
                ctx,
                _website_id(website_id),
                kind=input.type,
                name=not_empty(input.name, "name"),
                parameters=segments.written(input.type, _conditions(input.filters), input.start, input.end),
            )
            return Segment.of(made)

        return await info.context.run(verb)

    @resolved("Change a segment or cohort. For those who may change the website.")
    async def update_segment(
        self,
        info: Info,
        id: _SegmentId,
        input: Annotated[UpdateSegmentInput, strawberry.argument(description="What to change.")],
    ) -> Segment | None:
        def verb(ctx: Ctx) -> Segment:
            row = segments.get(ctx, entity_id(id, "Segment"))
            if input.filters is None:
                raise Invalid("filters must not be null", field="filters")
            parameters = segments.written(
                SegmentType(row.type),
                KEEP if input.filters is _UNSET else _conditions(input.filters),
                _kept(input.start),
                _kept(input.end),
                before=row.parameters,
            )
            name = keep_or_text(input.name, "name")
            return Segment.of(segments.update(ctx, row.segment_id, name=name, parameters=parameters))

        return await info.context.run(verb)

    @resolved("Delete a segment or cohort. For those who may delete the website. Answers what it was.")
    async def delete_segment(self, info: Info, id: _SegmentId) -> Segment | None:
        return await info.context.run(lambda ctx: Segment.of(segments.delete(ctx, entity_id(id, "Segment"))))


# The argument of that name hides the function.
_website_id = website_id


def _conditions(given: list[SegmentFilterInput]) -> list[Condition]:
    return [one.condition() for one in given]


def _kept(given: dt.datetime | None) -> dt.datetime | Keep | None:
    return KEEP if given is _UNSET else given
