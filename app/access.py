"""Who may do what: the rules of Umami v2 REST behaviour §1.4 as one table, and one function for each way to a row.

The first line of every verb is a call of this module: it returns the row or raises. What the actor may not see is
Hidden, so that nothing tells whether it exists; what it sees and may not change is Denied.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

import sqlalchemy as sa

from app.context import Ctx, Kind
from app.errors import Denied, Hidden, NotFound, Unauthenticated
from app.models import Membership, Removal, SavedReport, Segment, Share, Team, User, Website


class KeyScope(StrEnum):
    """What an API key may be used for, within what its user may do."""

    READ = "read"
    INGEST = "ingest"
    MANAGE = "manage"


READ, MANAGE = KeyScope.READ, KeyScope.MANAGE

# What a key needs → the scopes of which one is enough. Who may change things may look at them.
_ENOUGH: Final[Mapping[KeyScope, frozenset[KeyScope]]] = {
    KeyScope.READ: frozenset({KeyScope.READ, KeyScope.MANAGE}),
    KeyScope.INGEST: frozenset({KeyScope.INGEST}),
    KeyScope.MANAGE: frozenset({KeyScope.MANAGE}),
}

ROLES: Final[Mapping[str, frozenset[str]]] = {
    "admin": frozenset({"website:create", "website:update", "website:delete", "team:create"}),
    "user": frozenset({"website:create", "website:update", "website:delete", "team:create"}),
    "view-only": frozenset(),
}

TEAM_ROLES: Final[Mapping[str, frozenset[str]]] = {
    "team-owner": frozenset(
        {
            "team:update",
            "team:delete",
            "website:create",
            "website:update",
            "website:delete",
            "website:transfer-to-team",
            "website:transfer-to-user",
        }
    ),
    "team-manager": frozenset(
        {"team:update", "website:create", "website:update", "website:delete", "website:transfer-to-team"}
    ),
    "team-member": frozenset({"website:create", "website:update", "website:delete"}),
    "team-view-only": frozenset(),
}


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may do something with a thing: any one of these is enough. An API key needs its scope besides."""

    key: KeyScope
    admin: bool = True
    own: bool = False  # whose it is: a website's owner, a report's author, the user itself
    member: bool = False  # any member of the team it belongs to
    team: str = ""  # a member whose role in that team has this permission
    share: bool = False  # who opened a share link of that website


RULES: Final[Mapping[str, Rule]] = {
    "website:view": Rule(READ, own=True, member=True, share=True),
    # An owner may, even as a view-only user; a team's website follows the role in that team.
    "website:update": Rule(MANAGE, own=True, team="website:update"),
    "website:delete": Rule(MANAGE, own=True, team="website:delete"),
    "website:ingest": Rule(KeyScope.INGEST, own=True, member=True),
    # Admins get no exception from the two transfers.
    "website:transfer-to-user": Rule(MANAGE, admin=False, team="website:transfer-to-user"),
    "website:transfer-to-team": Rule(MANAGE, admin=False, own=True),
    "team:view": Rule(READ, member=True),
    "team:update": Rule(MANAGE, team="team:update"),
    "team:delete": Rule(MANAGE, team="team:delete"),
    "team:view-member": Rule(READ, team="team:update"),
    "team:add-member": Rule(MANAGE),
    "team:remove-member": Rule(MANAGE, own=True, team="team:update"),
    "team:receive-website": Rule(MANAGE, admin=False, team="website:transfer-to-team"),
    "team:create-website": Rule(MANAGE, team="website:create"),
    "user:view": Rule(READ, own=True),
    "user:update": Rule(MANAGE, own=True),
    "user:delete": Rule(MANAGE),
    "users:view": Rule(READ),
    "users:create": Rule(MANAGE),
    "removal:view": Rule(READ, own=True, member=True),
    "report:view": Rule(READ, own=True),
    "report:update": Rule(MANAGE, own=True),
}


def authenticated(ctx: Ctx) -> None:
    """Raise Unauthenticated unless a user, a key, a share or the system asks."""
    if ctx.user is None and ctx.shared_website_id is None and ctx.actor.kind is not Kind.SYSTEM:
        raise _nobody(ctx)


def user(ctx: Ctx, scope: KeyScope = READ, *, within_website: bool = False) -> User:
    """The user who asks, in person or by an API key that has the scope.

    Raises Unauthenticated when no user asks, Denied for a key without the scope or, unless `within_website`, for one
    that is for a single website: such a key sees nothing else of its user.
    """
    if ctx.user is None:
        raise _nobody(ctx)
    if ctx.key is not None:
        _need(ctx, scope)
        if ctx.key.website_id is not None and not within_website:
            raise Denied("This API key is for one website only")
    return ctx.user


def in_person(ctx: Ctx) -> User:
    """The user who asks, logged in: what keys must not do, such as making keys. Raises Unauthenticated or Denied."""
    if ctx.user is None:
        raise _nobody(ctx)
    if ctx.key is not None:
        raise Denied("An API key cannot do this: log in")
    return ctx.user


def admin(ctx: Ctx, action: str) -> None:
    """Raise Unauthenticated or Denied unless an admin asks. For what belongs to nobody, such as the list of users."""
    if ctx.actor.kind is not Kind.SYSTEM and not user(ctx, RULES[action].key).is_admin:
        raise Denied


def team_role(ctx: Ctx, team_id: UUID | None) -> str | None:
    """The asking user's role in a team, None if not a member."""
    if ctx.user is None or team_id is None:
        return None
    mine = (Membership.team_id == team_id) & (Membership.user_id == ctx.user.user_id)
    return ctx.db.scalar(sa.select(Membership.role).where(mine))


def website(ctx: Ctx, website_id: UUID, action: str) -> Website:
    """A website with which the actor may do this.

    Raises Unauthenticated when nobody asks, Hidden when there is none or the actor may not see it, Denied when it may
    only be seen.
    """
    authenticated(ctx)
    found = ctx.db.get(Website, website_id)
    # A key that may only send hits need not see the website.
    seen = RULES["website:view" if action != "website:ingest" else action]
    if found is None or not _may(ctx, seen, found.user_id, found.team_id, found.website_id):
        _need(ctx, seen.key)  # a key without the scope is told of that, whether or not there is a website
        raise Hidden("Website not found")
    if RULES[action] is not seen and not _may(
        ctx, RULES[action], found.user_id, found.team_id, found.website_id
    ):
        if ctx.user is None:
            raise Unauthenticated
        raise Denied
    ctx.remembered.append(found)
    return found


def remember_websites(ctx: Ctx, website_ids: Collection[UUID]) -> None:
    """Read these websites at once, so that asking for each of them within this operation reads nothing more."""
    if len(website_ids) > 1:
        found = ctx.db.scalars(sa.select(Website).where(Website.website_id.in_(set(website_ids))))
        ctx.remembered.extend(found)


def view_website(ctx: Ctx, website_id: UUID) -> Website:
    """A website the actor may read. Raises as `website`."""
    return website(ctx, website_id, "website:view")


def update_website(ctx: Ctx, website_id: UUID) -> Website:
    """A website the actor may change. Raises as `website`."""
    return website(ctx, website_id, "website:update")


def delete_website(ctx: Ctx, website_id: UUID) -> Website:
    """A website the actor may delete. Raises as `website`."""
    return website(ctx, website_id, "website:delete")


def share(ctx: Ctx, share_id: UUID) -> Share:
    """A share of a website that the actor may change.

    Raises Unauthenticated when nobody asks, Hidden when there is none or the actor may not see its website, Denied when
    the website may only be seen.
    """
    authenticated(ctx)
    _need(ctx, RULES["website:update"].key)
    found = ctx.db.get(Share, share_id)
    if found is None:
        raise Hidden("Share not found")
    try:
        update_website(ctx, found.website_id)
    except Hidden:
        raise Hidden("Share not found") from None
    return found


def create_website(ctx: Ctx, team_id: UUID | None = None) -> User:
    """The user who may create a website for itself or for the team.

    A global view-only user may not, whatever the role in the team. Raises Unauthenticated, Denied, or Hidden for a team
    that the actor may not see.
    """
    asking = user(ctx, MANAGE)
    if team_id is not None:
        team(ctx, team_id, "team:create-website")
    if "website:create" not in ROLES.get(asking.role, frozenset()):
        raise Denied
    return asking


def team(ctx: Ctx, team_id: UUID, action: str, *, member: UUID | None = None) -> Team:
    """A team with which the actor may do this; `member` is the user of a membership that it is about.

    Raises Unauthenticated when no user asks, Hidden when there is no such team or the actor may not see it, Denied
    when it may only be seen.
    """
    user(ctx, RULES[action].key)
    found = ctx.db.get(Team, team_id)
    if found is None or not _may(ctx, RULES["team:view"], None, team_id):
        raise Hidden("Team not found")
    if not _may(ctx, RULES[action], member, team_id):
        raise Denied("You must be the owner of this team." if action == "team:update" else "")
    return found


def user_account(ctx: Ctx, user_id: UUID, action: str) -> User:
    """A user with whom the actor may do this. Raises Unauthenticated, or Hidden alike for other users and for none."""
    user(ctx, RULES[action].key)
    found = ctx.db.get(User, user_id)
    if found is None or not _may(ctx, RULES["user:view"], user_id):
        raise Hidden("User not found")
    if not _may(ctx, RULES[action], user_id):
        raise Denied
    return found


def removal(ctx: Ctx, removal_id: UUID) -> Removal:
    """A removal that the actor asked for, or of a website of its own or its team's.

    Raises Unauthenticated when nobody asks, Hidden when there is none or the actor may not see it.
    """
    authenticated(ctx)
    found = ctx.db.get(Removal, removal_id)
    if found is not None:
        site = ctx.db.get(Website, found.website_id)
        rule = RULES["removal:view"]
        asked = _may(ctx, rule, found.requested_by, website_id=found.website_id)
        # A website that was made later has nothing to do with it but the id.
        mine = site is not None and site.created_at <= found.requested_at
        if asked or (mine and site and _may(ctx, rule, site.user_id, site.team_id, site.website_id)):
            return found
    raise Hidden("Removal not found")


def segment(ctx: Ctx, segment_id: UUID, action: str, website_id: UUID | None = None) -> Segment:
    """A segment with whose website the actor may do this; with `website_id`, a segment of that one.

    Raises as `website`, for which an unknown segment and one of a website that the actor may not see are alike. Who may
    see the website of `website_id` may know what it lacks: NotFound.
    """
    if website_id is not None:
        website(ctx, website_id, action)
    authenticated(ctx)
    found = ctx.db.get(Segment, segment_id)
    if website_id is not None and (found is None or found.website_id != website_id):
        raise NotFound
    if found is None:
        raise Hidden("Segment not found")
    try:
        website(ctx, found.website_id, action)
    except Hidden:
        raise Hidden("Segment not found") from None
    return found


def report(ctx: Ctx, report_id: UUID, action: str) -> SavedReport:
    """A saved report with which the actor may do this; to see it, seeing its website is enough.

    Raises Unauthenticated when nobody asks, Hidden when there is none or the actor may not see it, Denied when it may
    only be seen.
    """
    authenticated(ctx)
    found = ctx.db.get(SavedReport, report_id)
    if found is None:
        raise Hidden("Report not found")
    site = found.website
    seen = _may(ctx, RULES["report:view"], found.user_id, website_id=found.website_id) or _may(
        ctx, RULES["website:view"], site.user_id, site.team_id, site.website_id
    )
    if not seen:
        raise Hidden("Report not found")
    if action != "report:view" and not _may(ctx, RULES[action], found.user_id, website_id=found.website_id):
        if ctx.user is None:
            raise Unauthenticated
        raise Denied
    return found


def _may(
    ctx: Ctx, rule: Rule, owner: UUID | None, team_id: UUID | None = None, website_id: UUID | None = None
) -> bool:
    """Whether the rule lets the actor at a thing of this owner, team and website.

    Raises Denied for an API key without the scope: that is no secret, whatever the thing is.
    """
    if ctx.actor.kind is Kind.SYSTEM:
        return True
    if rule.share and website_id is not None and ctx.shared_website_id == website_id:
        return True
    asking = ctx.user
    if asking is None:
        return False
    if ctx.key is not None:
        _need(ctx, rule.key)
        if ctx.key.website_id is not None and ctx.key.website_id != website_id:
            return False
    if (rule.admin and asking.is_admin) or (rule.own and owner == asking.user_id):
        return True
    if not rule.member and not rule.team:
        return False
    role = team_role(ctx, team_id)
    return role is not None and (rule.member or rule.team in TEAM_ROLES.get(role, frozenset()))


def _nobody(ctx: Ctx) -> Unauthenticated:
    """What is said to an actor that proved to be nobody."""
    actor = ctx.actor
    if actor.kind is Kind.KEY:
        return Unauthenticated("This API key is unknown, revoked or expired")
    if actor.kind is Kind.USER or actor.unproven:
        return Unauthenticated("This token proves nothing here, or no longer: log in again")
    return Unauthenticated()


def _need(ctx: Ctx, scope: KeyScope) -> None:
    """Raise Denied unless the API key in use has the scope."""
    if ctx.key is not None and _ENOUGH[scope].isdisjoint(ctx.key.scopes.split()):
        raise Denied(f"This API key does not have the scope {scope.value!r}")
