"""Users, for admins and themselves (Umami v2 REST behaviour §3.3)."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from app import parameters, teams, users, websites
from app.access import ROLES
from app.context import Ctx
from app.keep import KEEP
from app.models import Website
from app.settings import Settings
from rest_compat import params, shapes
from rest_compat.deps import OK, Asked, Route
from rest_compat.shapes import Json

ID: Final = "41e2b680-648e-4b09-bcd7-3e2b10c06264"
EXAMPLE: Final = {"id": ID, "username": "bob", "role": "user", "createdAt": "2026-11-23T13:27:24.997Z"}
ROW_EXAMPLE: Final = {
    **EXAMPLE,
    "logoUrl": None,
    "displayName": None,
    "updatedAt": None,
    "deletedAt": None,
    "_count": {"websiteUser": 0},
}
_USERNAME: Final = parameters.text("username", "Name to log in with.", users.MAX_USERNAME)
_ROLE: Final = parameters.choice("role", "What the user may do.", tuple(ROLES))


def create(ctx: Ctx, asked: Asked) -> object:
    given = asked.params
    made = users.create(
        ctx,
        username=given["username"],
        password=given["password"],
        role=given["role"],
        user_id=given["id"],
    )
    return {"id": str(made.user_id), "username": made.username, "role": made.role}


def listed(ctx: Ctx, asked: Asked) -> object:
    given = asked.params
    order_by = params.ordered(given, users.ORDERS) or "createdAt"
    found = users.listed(ctx, params.window(given), search=params.searched(given), order_by=order_by)
    owned = websites.counts(ctx, Website.user_id, [row.user_id for row in found.rows])
    return shapes.page(found, lambda row: shapes.user_row(row, owned[row.user_id]), given, order_by)


def get(ctx: Ctx, asked: Asked) -> object:
    return shapes.account(users.get(ctx, asked.id("userId")))


def update(ctx: Ctx, asked: Asked) -> object:
    """What a user may not change of itself is not looked at (§3.3): only an admin's name and role count."""
    given = asked.params
    by_admin = ctx.user is not None and ctx.user.is_admin
    changed = users.update(
        ctx,
        asked.id("userId"),
        # An empty text is what a form sends for a field that was not touched.
        password=given.get("password") or KEEP,
        username=(given.get("username") or KEEP) if by_admin else KEEP,
        role=given.get("role", KEEP) if by_admin else KEEP,
    )
    return shapes.account(changed)


def delete(ctx: Ctx, asked: Asked) -> object:
    users.delete(ctx, asked.id("userId"))
    return OK


def websites_of(ctx: Ctx, asked: Asked) -> object:
    given = asked.params
    order_by = params.ordered(given, websites.ORDERS) or "name"
    found = websites.of_user(
        ctx,
        asked.id("userId"),
        params.window(given),
        search=params.searched(given),
        order_by=order_by,
    )
    return shapes.page(found, shapes.website_row, given, order_by)


def teams_of(ctx: Ctx, asked: Asked) -> object:
    return team_page(ctx, asked.id("userId"), asked)


def team_page(ctx: Ctx, user_id: UUID, asked: Asked) -> Json:
    """A page of a user's teams with their members and numbers."""
    order_by = params.ordered(asked.params, teams.ORDERS)
    found = teams.of_user(
        ctx, user_id, params.window(asked.params), search=params.searched(asked.params), order_by=order_by
    )
    owned = websites.counts(ctx, Website.team_id, [row.team_id for row in found.rows])
    return shapes.page(
        found, lambda row: shapes.team_row(ctx, row, owned[row.team_id]), asked.params, order_by
    )


def reachable(ctx: Ctx, asked: Asked) -> object:
    given = asked.params
    order_by = params.ordered(given, websites.ORDERS)
    found = websites.within_reach(
        ctx,
        given["userId"],
        params.window(given),
        search=params.searched(given),
        owned_teams=bool(given["includeOwnedTeams"]),
        all_teams=bool(given["includeAllTeams"]),
        order_by=order_by,
    )
    return shapes.page(found, lambda row: shapes.reachable_website(ctx, row), given, order_by)


def _example_page(row: object, order_by: str = "") -> Json:
    envelope: Json = {"data": [row], "count": 1, "page": 1, "pageSize": 10}
    return {**envelope, "orderBy": order_by} if order_by else envelope


def routes(settings: Settings) -> list[Route]:
    one = "/api/users/{userId}"
    taken = {400: {"error": "User already exists"}}
    password = parameters.text("password", "Password.")
    team: Json = {
        "id": "f8bb6a1c-7a5f-4a0c-9d61-7a9f9d0f2f15",
        "name": "T1",
        "accessCode": "team_WbugzhLJ97GCBoVr",
        "logoUrl": None,
        "createdAt": EXAMPLE["createdAt"],
        "updatedAt": EXAMPLE["createdAt"],
        "deletedAt": None,
        "teamUser": [],
        "_count": {"website": 0, "teamUser": 1},
    }
    return [
        Route(
            "POST",
            "/api/users",
            "Create a user",
            create,
            body=(
                _USERNAME,
                password,
                _ROLE,
                parameters.optional(
                    parameters.uuid("id", "Id of the user; a random one if absent."), None, nullable=True
                ),
            ),
            request_example={"username": "bob", "password": "…", "role": "user"},
            example={"id": ID, "username": "bob", "role": "user"},
            hashes=True,
            also=taken,
        ),
        *(
            Route(
                "GET",
                path,
                "All users, the newest first",
                listed,
                query=params.PAGING,
                example=_example_page(ROW_EXAMPLE, "createdAt"),
            )
            for path in ("/api/users", "/api/admin/users")
        ),
        Route("GET", one, "A user", get, example=EXAMPLE),
        Route(
            "POST",
            one,
            "Change a user; of itself a user changes the password only",
            update,
            body=(
                parameters.optional(_USERNAME),
                parameters.optional(parameters.text("password", "The new password.", 255)),
                parameters.optional(_ROLE),
            ),
            request_example={"username": "bob", "role": "view-only"},
            example=EXAMPLE,
            hashes=True,
            also=taken,
        ),
        Route(
            "DELETE",
            one,
            "Delete a user with its websites and their data",
            delete,
            example=OK,
            also={400: {"error": "You cannot delete yourself."}},
        ),
        Route(
            "GET",
            f"{one}/websites",
            "The websites that a user owns itself",
            websites_of,
            query=params.PAGING,
            example=_example_page({"id": "765b9d7c-35d0-4c93-a87f-c869a11eabf2", "name": "Example"}, "name"),
        ),
        Route(
            "GET",
            f"{one}/teams",
            "The teams of a user, with their members",
            teams_of,
            query=params.PAGING,
            example=_example_page(team),
        ),
        Route(
            "GET",
            "/api/admin/websites",
            "The websites that a user owns, and those of its teams",
            reachable,
            query=(
                parameters.uuid("userId", "The user."),
                parameters.optional(
                    parameters.text("includeOwnedTeams", "Not empty: those of the teams it owns too."), ""
                ),
                parameters.optional(
                    parameters.text("includeAllTeams", "Not empty: those of all its teams too."), ""
                ),
                *params.PAGING,
            ),
            example=_example_page({"id": "765b9d7c-35d0-4c93-a87f-c869a11eabf2", "name": "Example"}),
        ),
    ]
