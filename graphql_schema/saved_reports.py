"""Saved reports: the parameters of a report under a name, and its result."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Final
from uuid import UUID

import strawberry

from app import models, saved_reports, websites
from app.context import Actor, Ctx
from app.errors import Invalid
from app.keep import KEEP
from app.paging import Page, Window
from app.reports import registry
from app.stats.period import time_zone
from app.stats.zones import UTC
from graphql_schema.connections import MAX_PAGE, After, Connection, First, at_time, connection, time_window
from graphql_schema.context import Info
from graphql_schema.enums import described
from graphql_schema.inputs import keep_or_text, not_empty, to_text
from graphql_schema.people import Person
from graphql_schema.report_results import ReportResult, result_of
from graphql_schema.types import Data, entity_id, page_size, resolved, website_id

if TYPE_CHECKING:
    from graphql_schema.website import Website

    class ReportType(Enum):
        UTM = "utm"

else:
    ReportType = Enum("ReportType", {name.upper(): name for name in saved_reports.TYPES})
    described(
        ReportType,
        "Which report it is.",
        {
            "FUNNEL": "Visitors who took steps one after the other.",
            "INSIGHTS": "Page views by any dimensions.",
            "RETENTION": "Whether visitors come back.",
            "UTM": "Campaign parameters of page addresses.",
            "GOALS": "Whether things happened that were meant to happen.",
            "JOURNEY": "The ways that most visits take.",
            "REVENUE": "Revenue in one currency.",
            "ATTRIBUTION": "What brought the visitors who converted.",
        },
    )

_UNSET: Final[Any] = strawberry.UNSET

SearchReports = Annotated[
    str | None,
    strawberry.argument(
        description="Part of the name, description or type, of the author's name, or of the website's name or domain, upper "
        "or lower case."
    ),
]
_ReportId = Annotated[strawberry.ID, strawberry.argument(description="The report's id, a UUID.")]


@strawberry.type(description="The parameters of a report under a name.")
class SavedReport:
    id: strawberry.ID = strawberry.field(description="UUID.")
    type: ReportType = strawberry.field(description="Which report it is.")
    name: str = strawberry.field(description="Its name, at most 200 characters.")
    description: str = strawberry.field(description="At most 500 characters; may be empty.")
    parameters: Data = strawberry.field(
        description="What it takes, in the form of `POST /api/reports/<type>`: `dateRange` and the report's own."
    )
    created_at: dt.datetime = strawberry.field(description="When it was saved first.")
    updated_at: dt.datetime = strawberry.field(description="When it was last changed.")
    # Under whom it was read: what is read below it is read as the same one, behind a share link too.
    actor: strawberry.Private[Actor]
    author_id: strawberry.Private[UUID | None]
    website_id: strawberry.Private[UUID]

    @classmethod
    def of(cls, ctx: Ctx, row: models.SavedReport) -> SavedReport:
        """To be called within the operation that read the row."""
        # Those who read through a share link learn nothing of who made it.
        shared = ctx.shared_website_id == row.website_id
        return cls(
            id=strawberry.ID(str(row.report_id)),
            type=ReportType(row.type),
            name=row.name,
            description=row.description,
            parameters=Data(row.parameters),
            created_at=row.created_at,
            updated_at=row.updated_at,
            actor=ctx.actor,
            author_id=None if shared else row.user_id,
            website_id=row.website_id,
        )

    @resolved("Who saved it, or changed it last; null for those who read through a share link.")
    async def author(self, info: Info) -> Person | None:
        found = await info.context.loaders.user.load(self.author_id) if self.author_id else None
        return Person.of(found) if found else None

    @resolved("The website it is about. Error `not-found` for its author who may not see that any more.")
    async def website(
        self, info: Info
    ) -> Annotated["Website", strawberry.lazy("graphql_schema.website")] | None:  # noqa: UP037
        from graphql_schema.website import Website

        return await info.context.runtime.run(
            self.actor, lambda ctx: Website.of(ctx, websites.get(ctx, self.website_id))
        )

    @resolved(
        "Its result over its website and the period that was saved. Error `malformed` if its parameters, which REST does not "
        "check, are none of this report."
    )
    async def result(
        self,
        info: Info,
        timezone: Annotated[
            str | None,
            strawberry.argument(
                description="IANA time zone of days where the saved parameters name none; UTC if absent."
            ),
        ] = None,
        first: Annotated[
            int, strawberry.argument(description="How many rows of each list at most, 1 to 100.")
        ] = MAX_PAGE,
    ) -> ReportResult | None:
        def verb(ctx: Ctx) -> ReportResult:
            limit = page_size(first, MAX_PAGE)
            zone = UTC if timezone is None else time_zone(timezone)
            return result_of(registry.run_saved(ctx, UUID(self.id), zone), limit)

        return await info.context.runtime.run(self.actor, verb)


def report_page(
    ctx: Ctx,
    read: Callable[[Ctx, Window, str], Page[models.SavedReport]],
    first: int,
    after: str | None,
    search: str | None,
) -> Connection[SavedReport]:
    """A page of a list of reports, the newest first; `read` gives the rows of a window that contain a text."""
    asked = time_window(first, after)
    page = read(ctx, asked, to_text(search, "search"))
    return connection(
        page.rows,
        first,
        lambda row: SavedReport.of(ctx, row),
        lambda row: at_time(row.created_at, row.report_id),
        page.count,
    )


@strawberry.type
class SavedReportQueries:
    @resolved("Saved reports of a team's websites, or of your own, the newest first.")
    async def saved_reports(
        self,
        info: Info,
        team_id: Annotated[
            strawberry.ID | None,
            strawberry.argument(description="The team's id; your own websites if absent."),
        ] = None,
        first: First = 20,
        after: After = None,
        search: SearchReports = None,
    ) -> Connection[SavedReport] | None:
        def read(ctx: Ctx, asked: Window, text: str) -> Page[models.SavedReport]:
            if team_id is None:
                return saved_reports.own(ctx, asked, search=text)
            return saved_reports.of_team(ctx, entity_id(team_id, "Team"), asked, search=text)

        return await info.context.run(report_page, read, first, after, search)

    @resolved("A saved report: yours, or of a website that you may read. Error `not-found` if there is none.")
    async def saved_report(self, info: Info, id: _ReportId) -> SavedReport | None:
        return await info.context.run(
            lambda ctx: SavedReport.of(ctx, saved_reports.get(ctx, entity_id(id, "Report")))
        )


@strawberry.input(description="A new saved report.")
class CreateReportInput:
    type: ReportType = strawberry.field(description="Which report it is.")
    name: str = strawberry.field(description="1 to 200 characters.")
    description: str = strawberry.field(default="", description="At most 500 characters.")
    parameters: Data = strawberry.field(
        description="An object: what `POST /api/reports/<type>` takes, `dateRange` and the report's own. Refused if the report "
        "cannot be run with it, or has a key that the report does not know."
    )


@strawberry.input(description="Changes of a saved report. What is not given stays as it is.")
class UpdateReportInput:
    name: str | None = strawberry.field(default=_UNSET, description="1 to 200 characters.")
    description: str | None = strawberry.field(default=_UNSET, description="At most 500 characters.")
    parameters: Data | None = strawberry.field(
        default=_UNSET, description="All parameters anew, checked as those of a new report."
    )


@strawberry.type
class SavedReportMutations:
    @resolved("Save a report about a website. For those who may change the website.")
    async def create_report(
        self,
        info: Info,
        website_id: Annotated[strawberry.ID, strawberry.argument(description="The website's id, a UUID.")],
        input: Annotated[CreateReportInput, strawberry.argument(description="The report.")],
    ) -> SavedReport | None:
        def verb(ctx: Ctx) -> SavedReport:
            site, kind = _website_id(website_id), input.type.value
            made = saved_reports.create(
                ctx,
                site,
                kind=kind,
                name=not_empty(input.name, "name"),
                description=input.description,
                parameters=_checked(kind, input.parameters, site),
            )
            return SavedReport.of(ctx, made)

        return await info.context.run(verb)

    @resolved("Change a saved report, of which you become the author. For its author, and for admins.")
    async def update_report(
        self,
        info: Info,
        id: _ReportId,
        input: Annotated[UpdateReportInput, strawberry.argument(description="What to change.")],
    ) -> SavedReport | None:
        def verb(ctx: Ctx) -> SavedReport:
            row = saved_reports.get(ctx, entity_id(id, "Report"))
            if input.description is None:
                raise Invalid("description must not be null", field="description")
            changed = saved_reports.update(
                ctx,
                row.report_id,
                name=keep_or_text(input.name, "name"),
                description=KEEP if input.description is _UNSET else input.description,
                parameters=KEEP
                if input.parameters is _UNSET
                else _checked(row.type, input.parameters, row.website_id),
            )
            return SavedReport.of(ctx, changed)

        return await info.context.run(verb)

    @resolved("Delete a saved report. For its author, and for admins. Answers what it was.")
    async def delete_report(self, info: Info, id: _ReportId) -> SavedReport | None:
        return await info.context.run(
            lambda ctx: SavedReport.of(ctx, saved_reports.delete(ctx, entity_id(id, "Report")))
        )


# The argument of that name hides the function.
_website_id = website_id


def _checked(kind: str, parameters: object, site: UUID) -> dict[str, Any]:
    """Parameters that the report can be run with. Raises Invalid for others, naming what is at fault."""
    if not isinstance(parameters, dict):
        raise Invalid("parameters is an object", field="parameters")
    registry.check(kind, parameters, site)
    return parameters
