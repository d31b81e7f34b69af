"""Users: oneself, and for admins all of them."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Final
from uuid import UUID

import strawberry

from app import access, models, users, websites
from app.context import Ctx
from app.errors import Invalid
from app.keep import KEEP, Keep
from graphql_schema.api_keys import ApiKeyFields
from graphql_schema.connections import After, Connection, First, at_time, connection, time_window
from graphql_schema.context import Info
from graphql_schema.inputs import PeriodInput, keep_or_text, not_empty, to_text
from graphql_schema.people import Role
from graphql_schema.teams import Search, Team, UserId, team_page
from graphql_schema.types import entity_id, resolved
from graphql_schema.usage import UserUsage, user_usage
from graphql_schema.website import Website, website_page

_UNSET: Final[Any] = strawberry.UNSET


@strawberry.type(description="Someone who can log in.")
class User(ApiKeyFields):
    id: strawberry.ID = strawberry.field(description="UUID.")
    username: str = strawberry.field(description="The name to log in with.")
    role: Role = strawberry.field(description="What the user may do on this server.")
    created_at: dt.datetime = strawberry.field(description="When it was created.")

    @classmethod
    def of(cls, row: models.User) -> User:
        return cls(
            id=strawberry.ID(str(row.user_id)),
            username=row.username,
            role=Role(row.role),
            created_at=row.created_at,
        )

    @property
    def uuid(self) -> UUID:
        return UUID(self.id)

    @resolved("The websites it owns itself, by name; those of its teams are under `teams`.")
    async def websites(
        self, info: Info, first: First = 20, after: After = None, search: Search = None
    ) -> Connection[Website] | None:
        return await info.context.run(
            website_page,
            lambda ctx, asked, text: websites.of_user(ctx, self.uuid, asked, search=text),
            first,
            after,
            search,
        )

    @resolved("The teams it is in, by name.")
    async def teams(
        self, info: Info, first: First = 20, after: After = None, search: Search = None
    ) -> Connection[Team] | None:
        return await info.context.run(team_page, self.uuid, first, after, search)

    @resolved("How much was collected for its websites and those of teams it owns. For admins.")
    async def usage(
        self,
        info: Info,
        period: Annotated[PeriodInput, strawberry.argument(description="The period that counts.")],
    ) -> UserUsage | None:
        return await info.context.run(user_usage, self.uuid, period)


@strawberry.type
class UserQueries:
    @resolved("The user who asks; null for anyone who is not logged in.")
    async def me(self, info: Info) -> User | None:
        return await info.context.run(lambda ctx: User.of(access.user(ctx)) if ctx.user else None)

    @resolved("A user: yourself, or for admins anyone. Error `not-found` if there is none.")
    async def user(self, info: Info, id: UserId) -> User | None:
        return await info.context.run(lambda ctx: User.of(users.get(ctx, entity_id(id, "User"))))

    @resolved("All users, the newest first. For admins.")
    async def users(
        self,
        info: Info,
        first: First = 20,
        after: After = None,
        search: Annotated[
            str | None, strawberry.argument(description="Part of the username, upper or lower case.")
        ] = None,
    ) -> Connection[User] | None:
        return await info.context.run(_users, first, after, search)


@strawberry.input(description="A new user.")
class CreateUserInput:
    username: str = strawberry.field(description="The name to log in with, 1 to 255 characters.")
    password: str = strawberry.field(description="At least 8 characters.")
    role: Role = strawberry.field(default=Role.USER, description="What the user may do on this server.")


@strawberry.input(description="Changes of a user. What is not given stays as it is.")
class UpdateUserInput:
    username: str | None = strawberry.field(
        default=_UNSET, description="The name to log in with, 1 to 255 characters. For admins to change."
    )
    password: str | None = strawberry.field(default=_UNSET, description="At least 8 characters.")
    role: Role | None = strawberry.field(
        default=_UNSET, description="What the user may do on this server. For admins to change."
    )


@strawberry.type
class UserMutations:
    @resolved("Create a user. For admins.")
    async def create_user(
        self,
        info: Info,
        input: Annotated[CreateUserInput, strawberry.argument(description="The new user.")],
    ) -> User | None:
        def verb(ctx: Ctx) -> User:
            users.check_password(input.password)
            name = not_empty(to_text(input.username, "username"), "username")
            made = users.create(ctx, username=name, password=input.password, role=input.role.value)
            return User.of(made)

        return await info.context.run_hashing(verb)

    @resolved("Change a user: an admin everything, anyone else its own password.")
    async def update_user(
        self,
        info: Info,
        id: UserId,
        input: Annotated[UpdateUserInput, strawberry.argument(description="What to change.")],
    ) -> User | None:
        def verb(ctx: Ctx) -> User:
            password = keep_or_text(input.password, "password")
            if not isinstance(password, Keep):
                users.check_password(password)
            if input.role is None:
                raise Invalid("role must not be null", field="role")
            changed = users.update(
                ctx,
                entity_id(id, "User"),
                username=keep_or_text(input.username, "username"),
                password=password,
                role=KEEP if input.role is _UNSET else input.role.value,
            )
            return User.of(changed)

        return await info.context.run_hashing(verb)

    @resolved("Change your own password. Every login with the old one ends: log in again.")
    async def change_password(
        self,
        info: Info,
        current: Annotated[str, strawberry.argument(description="The password until now.")],
        new: Annotated[str, strawberry.argument(description="The new one, at least 8 characters.")],
    ) -> User | None:
        context = info.context
        context.count_login()
        return await context.run_hashing(
            lambda ctx: User.of(users.change_password(ctx, current, new, context.caller))
        )

    @resolved(
        "Delete a user with its websites and all their data, and the teams it owns. For admins. Answers what it was."
    )
    async def delete_user(self, info: Info, id: UserId) -> User | None:
        return await info.context.run(lambda ctx: User.of(users.delete(ctx, entity_id(id, "User"))))


def _users(ctx: Ctx, first: int, after: str | None, search: str | None) -> Connection[User]:
    asked = time_window(first, after)
    page = users.listed(ctx, asked, search=to_text(search, "search"))
    return connection(
        page.rows,
        first,
        User.of,
        lambda row: at_time(row.created_at, row.user_id),
        page.count,
    )
