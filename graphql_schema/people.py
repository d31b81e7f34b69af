"""Users as they stand beside other things."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

import strawberry

from app import models
from app.access import ROLES, TEAM_ROLES
from graphql_schema.enums import described

if TYPE_CHECKING:

    class Role(Enum):
        USER = "user"

    class TeamRole(Enum):
        MEMBER = "team-member"

else:
    Role = Enum("Role", {name.upper().replace("-", "_"): name for name in ROLES})
    TeamRole = Enum(
        "TeamRole", {name.removeprefix("team-").upper().replace("-", "_"): name for name in TEAM_ROLES}
    )
    described(
        Role,
        "What a user may do on this server.",
        {
            "ADMIN": "Everything, for everyone.",
            "USER": "Have websites and teams.",
            "VIEW_ONLY": "Look at what teams show it.",
        },
    )
    described(
        TeamRole,
        "What a member may do in a team.",
        {
            "OWNER": "Everything, transferring a website to oneself included.",
            "MANAGER": "Change the team and its members, and what a member may.",
            "MEMBER": "Create, change and delete the team's websites.",
            "VIEW_ONLY": "Look at the team's websites.",
        },
    )


@strawberry.type(description="A user as others see it.")
class Person:
    id: strawberry.ID = strawberry.field(description="UUID.")
    username: str = strawberry.field(description="The name to log in with.")

    @classmethod
    def of(cls, row: models.User) -> Person:
        return cls(id=strawberry.ID(str(row.user_id)), username=row.username)
