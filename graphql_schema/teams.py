"""Teams, their members and websites."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Final
from uuid import UUID

import strawberry

from app import access, models, teams
from app.context import Ctx
from app.errors import Hidden, Invalid
from app.keep import Keep
from app.paging import Page
from graphql_schema.connections import After, Connection, First, at_time, connection, name_window, time_window
from graphql_schema.context import Info
from graphql_schema.inputs import keep_or_text, to_text
from graphql_schema.people import Person, TeamRole
from graphql_schema.types import entity_id, resolved
from graphql_schema.website import Website, website_page

MIN_CODE: Final = 8
_UNSET: Final[Any] = strawberry.UNSET

Search = Annotated[str | None, strawberry.argument(description="Part of the name, upper or lower case.")]
TeamId = Annotated[strawberry.ID, strawberry.argument(description="The team's id, a UUID.")]
UserId = Annotated[strawberry.ID, strawberry.argument(description="The user's id, a UUID.")]
_NewRole = Annotated[
    TeamRole, strawberry.argument(description="MANAGER, MEMBER or VIEW_ONLY; the owner is who created it.")
]


@strawberry.type(description="A user in a team.")
class Member:
    id: strawberry.ID = strawberry.field(description="UUID of the membership.")
    role: TeamRole = strawberry.field(description="What the user may do in it.")
    created_at: dt.datetime = strawberry.field(description="When the user became a member.")
    user_id: strawberry.Private[UUID]

    @classmethod
    def of(cls, row: models.Membership) -> Member:
        return cls(
            id=strawberry.ID(str(row.membership_id)),
            role=TeamRole(row.role),
            created_at=row.created_at,
            user_id=row.user_id,
        )

    @resolved("Who it is.")
    async def user(self, info: Info) -> Person | None:
        found = await info.context.loaders.user.load(self.user_id)
        return Person.of(found) if found else None


@strawberry.type(description="Users who see the same websites, each in a role.")
class Team:
    id: strawberry.ID = strawberry.field(description="UUID.")
    name: str = strawberry.field(description="Display name, at most 50 characters.")
    created_at: dt.datetime = strawberry.field(description="When it was created.")
    updated_at: dt.datetime = strawberry.field(description="When it was last changed.")

    @classmethod
    def of(cls, row: models.Team) -> Team:
        return cls(
            id=strawberry.ID(str(row.team_id)),
            name=row.name,
            created_at=row.created_at,
            updated_at=row.updated_at,
        )

    @property
    def uuid(self) -> UUID:
        return UUID(self.id)

    @resolved("What users join it with; null for those who may not change the team.")
    async def access_code(self, info: Info) -> str | None:
        return await info.context.run(teams.access_code, self.uuid)

    @resolved("Your own role in it; null if you are no member.")
    async def my_role(self, info: Info) -> TeamRole | None:
        role = await info.context.run(access.team_role, self.uuid)
        return TeamRole(role) if role else None

    @resolved("Its members, oldest first.")
    async def members(
        self,
        info: Info,
        first: First = 20,
        after: After = None,
        search: Annotated[
            str | None, strawberry.argument(description="Part of the username, upper or lower case.")
        ] = None,
    ) -> Connection[Member] | None:
        asked = time_window(first, after)
        text = to_text(search, "search")
        page: Page[models.Membership] | None
        if asked.after is None and not text:
            # The first pages of many teams are one statement.
            page = await info.context.loaders.members.load((self.uuid, asked.limit))
            if page is None:
                raise Hidden("Team not found")
        else:
            page = await info.context.run(teams.members, self.uuid, asked, search=text)
        return connection(
            page.rows,
            first,
            Member.of,
            lambda row: at_time(row.created_at, row.membership_id),
            page.count,
        )

    @resolved("Its websites, by name.")
    async def websites(
        self, info: Info, first: First = 20, after: After = None, search: Search = None
    ) -> Connection[Website] | None:
        return await info.context.run(
            website_page,
            lambda ctx, asked, text: teams.websites_of(ctx, self.uuid, asked, search=text),
            first,
            after,
            search,
        )


def team_page(ctx: Ctx, user_id: UUID, first: int, after: str | None, search: str | None) -> Connection[Team]:
    """A page of a user's teams."""
    asked = name_window(first, after)
    page: Page[models.Team] = teams.of_user(ctx, user_id, asked, search=to_text(search, "search"))
    return connection(page.rows, first, Team.of, lambda row: (row.name, str(row.team_id)), page.count)


@strawberry.type
class TeamQueries:
    @resolved("Your teams, by name.")
    async def teams(
        self, info: Info, first: First = 20, after: After = None, search: Search = None
    ) -> Connection[Team] | None:
        return await info.context.run(
            lambda ctx: team_page(ctx, access.user(ctx).user_id, first, after, search)
        )

    @resolved("A team that you are in; any, for admins. Error `not-found` if there is none.")
    async def team(self, info: Info, id: TeamId) -> Team | None:
        return await info.context.run(lambda ctx: Team.of(teams.get(ctx, entity_id(id, "Team"))))


@strawberry.input(description="Changes of a team. What is not given stays as it is.")
class UpdateTeamInput:
    name: str | None = strawberry.field(default=_UNSET, description="Display name, 1 to 50 characters.")
    access_code: str | None = strawberry.field(
        default=_UNSET, description="What users join it with, 8 to 50 characters; hard to guess."
    )


@strawberry.type
class TeamMutations:
    @resolved("Create a team, of which you are the owner.")
    async def create_team(
        self,
        info: Info,
        name: Annotated[str, strawberry.argument(description="Display name, 1 to 50 characters.")],
    ) -> Team | None:
        return await info.context.run(lambda ctx: Team.of(teams.create(ctx, name).team))

    @resolved("Change a team. For its owners and managers.")
    async def update_team(
        self,
        info: Info,
        id: TeamId,
        input: Annotated[UpdateTeamInput, strawberry.argument(description="What to change.")],
    ) -> Team | None:
        def verb(ctx: Ctx) -> Team:
            code = keep_or_text(input.access_code, "accessCode")
            if not isinstance(code, Keep) and len(code) < MIN_CODE:
                raise Invalid(f"accessCode must contain at least {MIN_CODE} characters", field="accessCode")
            name = keep_or_text(input.name, "name")
            return Team.of(teams.update(ctx, entity_id(id, "Team"), name=name, access_code=code))

        return await info.context.run(verb)

    @resolved("Give a team a new random access code: nobody joins by the old one any more.")
    async def renew_access_code(self, info: Info, id: TeamId) -> Team | None:
        return await info.context.run(
            lambda ctx: Team.of(teams.renew_access_code(ctx, entity_id(id, "Team")))
        )

    @resolved("Delete a team; its websites remain, without an owner. For its owners. Answers what it was.")
    async def delete_team(self, info: Info, id: TeamId) -> Team | None:
        return await info.context.run(lambda ctx: Team.of(teams.delete(ctx, entity_id(id, "Team"))))

    @resolved("Become a member of a team. Error `not-found` for an unknown access code.")
    async def join_team(
        self,
        info: Info,
        access_code: Annotated[str, strawberry.argument(description="The team's access code.")],
    ) -> Team | None:
        return await info.context.run(
            lambda ctx: Team.of(teams.join(ctx, to_text(access_code, "accessCode")).team)
        )

    @resolved("Make a user a member without an access code. For admins.")
    async def add_team_member(
        self, info: Info, team_id: TeamId, user_id: UserId, role: _NewRole
    ) -> Member | None:
        return await info.context.run(
            lambda ctx: Member.of(
                teams.add_member(ctx, entity_id(team_id, "Team"), entity_id(user_id, "User"), role.value)
            )
        )

    @resolved("Give a member another role. For owners and managers of the team.")
    async def set_team_role(
        self, info: Info, team_id: TeamId, user_id: UserId, role: _NewRole
    ) -> Member | None:
        return await info.context.run(
            lambda ctx: Member.of(
                teams.set_role(ctx, entity_id(team_id, "Team"), entity_id(user_id, "User"), role.value)
            )
        )

    @resolved("End a membership: your own, or another's as owner or manager. Answers what it was.")
    async def remove_team_member(self, info: Info, team_id: TeamId, user_id: UserId) -> Member | None:
        return await info.context.run(
            lambda ctx: Member.of(
                teams.remove_member(ctx, entity_id(team_id, "Team"), entity_id(user_id, "User"))
            )
        )
