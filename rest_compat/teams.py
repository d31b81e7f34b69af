"""Teams, their members and websites (Umami v2 REST behaviour §3.4)."""

from __future__ import annotations

from typing import Final

from app import access, parameters, teams, users, websites
from app.context import Ctx
from app.keep import KEEP
from app.models import Website
from app.settings import Settings
from rest_compat import params, shapes
from rest_compat.deps import OK, Asked, Route
from rest_compat.shapes import Json
from rest_compat.users import team_page
from rest_compat.websites import EXAMPLE as WEBSITE_EXAMPLE
from rest_compat.websites import NEW as NEW_WEBSITE

_AT: Final = "2026-11-23T13:27:24.997Z"
_TEAM: Final = {
    "id": "f8bb6a1c-7a5f-4a0c-9d61-7a9f9d0f2f15",
    "name": "T1",
    "accessCode": "team_WbugzhLJ97GCBoVr",
    "logoUrl": None,
    "createdAt": _AT,
    "updatedAt": _AT,
    "deletedAt": None,
}
_MEMBERSHIP: Final = {
    "id": "0a8e7c51-5b5b-4c12-8b19-0a5cf1a3a001",
    "teamId": _TEAM["id"],
    "userId": "41e2b680-648e-4b09-bcd7-3e2b10c06264",
    "role": "team-owner",
    "createdAt": _AT,
    "updatedAt": _AT,
}
_MEMBER: Final = {**_MEMBERSHIP, "user": {"id": _MEMBERSHIP["userId"], "username": "admin"}}
_NOT_A_MEMBER: Final = {400: {"error": "The User does not exists on this team."}}


def create(ctx: Ctx, asked: Asked) -> object:
    """The new team and the caller's membership, in an array of two."""
    owner = teams.create(ctx, asked.params["name"])
    return [shapes.team(ctx, owner.team), shapes.membership(owner)]


def mine(ctx: Ctx, asked: Asked) -> object:
    me = access.user(ctx)
    return team_page(ctx, me.user_id, asked)


def join(ctx: Ctx, asked: Asked) -> object:
    return shapes.membership(teams.join(ctx, asked.params["accessCode"]))


def get(ctx: Ctx, asked: Asked) -> object:
    found = teams.get(ctx, asked.id("teamId"))
    return {**shapes.team(ctx, found), "teamUser": [shapes.membership(row) for row in found.memberships]}


def update(ctx: Ctx, asked: Asked) -> object:
    given = asked.params
    changed = teams.update(
        ctx,
        asked.id("teamId"),
        name=given.get("name", KEEP),
        access_code=given.get("accessCode", KEEP),
    )
    return shapes.team(ctx, changed)


def delete(ctx: Ctx, asked: Asked) -> object:
    teams.delete(ctx, asked.id("teamId"))
    return OK


def members(ctx: Ctx, asked: Asked) -> object:
    given = asked.params
    order_by = params.ordered(given, teams.MEMBER_ORDERS)
    found = teams.members(
        ctx, asked.id("teamId"), params.window(given), search=params.searched(given), order_by=order_by
    )
    return shapes.page(found, shapes.member, given, order_by)


def add_member(ctx: Ctx, asked: Asked) -> object:
    given = asked.params
    return shapes.membership(teams.add_member(ctx, asked.id("teamId"), given["userId"], given["role"]))


def member(ctx: Ctx, asked: Asked) -> object:
    found = teams.member(ctx, asked.id("teamId"), asked.id("userId"))
    return shapes.membership(found) if found else None


def set_role(ctx: Ctx, asked: Asked) -> object:
    changed = teams.set_role(ctx, asked.id("teamId"), asked.id("userId"), asked.params["role"])
    return shapes.membership(changed)


def remove_member(ctx: Ctx, asked: Asked) -> object:
    teams.remove_member(ctx, asked.id("teamId"), asked.id("userId"))
    return OK


def websites_of(ctx: Ctx, asked: Asked) -> object:
    given = asked.params
    order_by = params.ordered(given, websites.ORDERS)
    found = teams.websites_of(
        ctx,
        asked.id("teamId"),
        params.window(given),
        search=params.searched(given),
        order_by=order_by,
    )
    creators = users.named(ctx, {row.created_by for row in found.rows if row.created_by})

    def row(one: Website) -> Json:
        return shapes.team_website(one, creators.get(one.created_by) if one.created_by else None)

    return shapes.page(found, row, given, order_by)


def create_website(ctx: Ctx, asked: Asked) -> object:
    given = asked.params
    made = websites.create(
        ctx,
        name=given["name"],
        domain=given["domain"],
        share_slug=given["shareId"],
        team_id=asked.id("teamId"),
        website_id=given["id"],
    )
    return shapes.website(made)


def delete_website(ctx: Ctx, asked: Asked) -> object:
    teams.delete_website(ctx, asked.id("teamId"), asked.id("websiteId"))
    return OK


def routes(settings: Settings) -> list[Route]:
    one = "/api/teams/{teamId}"
    a_member = f"{one}/users/{{userId}}"
    name = parameters.text("name", "Name of the team.", teams.MAX_NAME)
    code = parameters.text("accessCode", "What users join the team with.", teams.MAX_CODE)
    role = parameters.choice("role", "What the member may do.", teams.MEMBER_ROLES)
    listed = {
        "data": [{**_TEAM, "teamUser": [_MEMBER], "_count": {"website": 0, "teamUser": 1}}],
        "count": 1,
        "page": 1,
        "pageSize": 10,
    }
    website_row = {**WEBSITE_EXAMPLE, "createUser": _MEMBER["user"]}
    return [
        Route(
            "POST",
            "/api/teams",
            "Create a team, of which the caller is the owner: the team and the membership",
            create,
            body=(name,),
            request_example={"name": "T1"},
            example=[_TEAM, _MEMBERSHIP],
        ),
        *(
            Route(
                "GET",
                path,
                "The caller's teams, with their members",
                mine,
                query=params.PAGING,
                example=listed,
            )
            for path in ("/api/teams", "/api/me/teams")
        ),
        Route(
            "POST",
            "/api/teams/join",
            "Become a member by an access code",
            join,
            body=(code,),
            request_example={"accessCode": _TEAM["accessCode"]},
            example={**_MEMBERSHIP, "role": "team-member"},
            also={400: {"error": "User is already a team member."}, 404: {"error": "Team not found."}},
        ),
        Route("GET", one, "A team", get, example={**_TEAM, "teamUser": [_MEMBERSHIP]}),
        Route(
            "POST",
            one,
            "Change a team",
            update,
            body=(parameters.optional(name), parameters.optional(code)),
            request_example={"name": "T2"},
            example=_TEAM,
            refusal="You must be the owner of this team.",
        ),
        Route("DELETE", one, "Delete a team; its websites remain, without an owner", delete, example=OK),
        Route(
            "GET",
            f"{one}/users",
            "The members of a team",
            members,
            query=params.PAGING,
            example={**listed, "data": [_MEMBER]},
        ),
        Route(
            "POST",
            f"{one}/users",
            "Make a user a member",
            add_member,
            body=(parameters.uuid("userId", "The user."), role),
            request_example={"userId": _MEMBERSHIP["userId"], "role": "team-member"},
            example={**_MEMBERSHIP, "role": "team-member"},
            also={400: {"error": "User is already a member of the Team."}},
        ),
        Route("GET", a_member, "A membership, null if the user is no member", member, example=_MEMBERSHIP),
        Route(
            "POST",
            a_member,
            "Give a member another role",
            set_role,
            body=(role,),
            request_example={"role": "team-manager"},
            example={**_MEMBERSHIP, "role": "team-manager"},
            also=_NOT_A_MEMBER,
        ),
        Route("DELETE", a_member, "End a membership", remove_member, example=OK, also=_NOT_A_MEMBER),
        Route(
            "GET",
            f"{one}/websites",
            "The websites of a team",
            websites_of,
            query=params.PAGING,
            example={**listed, "data": [website_row]},
        ),
        Route(
            "POST",
            f"{one}/websites",
            "Create a website of a team",
            create_website,
            body=NEW_WEBSITE,
            request_example={"name": "Example", "domain": "example.com"},
            example={**WEBSITE_EXAMPLE, "userId": None, "teamId": _TEAM["id"]},
        ),
        Route(
            "DELETE",
            f"{one}/websites/{{websiteId}}",
            "Delete a website of a team with all its data",
            delete_website,
            example=OK,
            also={404: {"error": "This team has no such website"}},
        ),
    ]
