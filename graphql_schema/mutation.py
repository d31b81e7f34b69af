"""What can be changed, and hits sent by servers. Mutations return the changed object."""

from __future__ import annotations

from typing import Annotated, Any, Final

import strawberry

from app import access, auth, websites
from app.context import Ctx
from app.errors import AppError, Invalid, Malformed
from app.ingest.collect import Accepted, Outcome
from app.ingest.payload import parse_hit
from app.keep import KEEP
from graphql_schema.api_keys import ApiKeyMutations
from graphql_schema.context import Info
from graphql_schema.inputs import (
    MAX_BATCH,
    CreateWebsiteInput,
    TrackInput,
    UpdateWebsiteInput,
    keep_or_list,
    keep_or_text,
    to_text,
)
from graphql_schema.saved_reports import SavedReportMutations
from graphql_schema.segments import SegmentMutations
from graphql_schema.shares import ShareMutations
from graphql_schema.teams import TeamMutations
from graphql_schema.types import entity_id, resolved, website_id
from graphql_schema.users import User, UserMutations
from graphql_schema.visitors import VisitorMutations
from graphql_schema.website import Website

_WebsiteId = Annotated[strawberry.ID, strawberry.argument(description="The website's id, a UUID.")]


@strawberry.type(description="A successful login.")
class Login:
    token: str = strawberry.field(description="Send it as `Authorization: Bearer <token>`.")
    user: User = strawberry.field(description="Who is logged in.")


@strawberry.type(description="Why one hit of a batch was refused.")
class TrackError:
    code: str = strawberry.field(description="As `extensions.code` of an error.")
    message: str = strawberry.field(description="What is wrong, for people.")
    field: str | None = strawberry.field(description="The input field at fault, where there is one.")


@strawberry.type(description="What became of a hit.")
class TrackResult:
    accepted: bool = strawberry.field(description="Whether it was taken: then it is on disk.")
    dropped: str | None = strawberry.field(
        default=None, description="Why it was understood but not stored, e.g. `bot`; null otherwise."
    )
    error: TrackError | None = strawberry.field(
        default=None, description="Why it was refused; null otherwise. `track` answers with an error instead."
    )
    session_id: strawberry.ID | None = strawberry.field(
        default=None, description="The visitor's session, a UUID; null unless accepted."
    )
    visit_id: strawberry.ID | None = strawberry.field(
        default=None, description="The visit, a UUID; null unless accepted."
    )
    cache: str | None = strawberry.field(
        default=None,
        description="To be sent back as the header `x-umami-cache` with the visitor's next hit; null unless accepted.",
    )


@strawberry.type(description="What can be changed.")
class Mutation(
    UserMutations,
    TeamMutations,
    ShareMutations,
    ApiKeyMutations,
    SegmentMutations,
    SavedReportMutations,
    VisitorMutations,
):
    @resolved("A login token for a name and a password. Error `unauthenticated` if wrong.")
    async def login(
        self,
        info: Info,
        username: Annotated[str, strawberry.argument(description="The user's name.")],
        password: Annotated[str, strawberry.argument(description="The user's password.")],
    ) -> Login | None:
        context = info.context
        context.count_login()

        def verb(ctx: Ctx) -> Login:
            found = auth.login(ctx, to_text(username, "username"), password, context.caller)
            return Login(token=found.token, user=User.of(found.user))

        return await context.run_hashing(verb)

    @resolved("Create a website of your own.")
    async def create_website(
        self,
        info: Info,
        input: Annotated[CreateWebsiteInput, strawberry.argument(description="The new website.")],
    ) -> Website | None:
        def verb(ctx: Ctx) -> Website:
            given = input.checked()
            row = websites.create(
                ctx,
                name=given.name,
                domain=given.domain,
                share_slug=given.share_id,
                website_id=given.uuid(),
                team_id=entity_id(given.team_id, "Team") if given.team_id is not None else None,
                allowed_hosts=given.allowed_hosts,
                excluded_hosts=given.excluded_hosts,
                excluded_addresses=given.excluded_addresses,
                retention_days=given.retention_days,
            )
            return Website.of(ctx, row)

        return await info.context.run(verb)

    @resolved("Change a website. What is not given stays as it is.")
    async def update_website(
        self,
        info: Info,
        id: _WebsiteId,
        input: Annotated[UpdateWebsiteInput, strawberry.argument(description="What to change.")],
    ) -> Website | None:
        def verb(ctx: Ctx) -> Website:
            row = websites.update(
                ctx,
                website_id(id),
                name=keep_or_text(input.name, "name"),
                domain=keep_or_text(input.domain, "domain"),
                share_slug=KEEP if input.share_id is strawberry.UNSET else input.share_id,
                allowed_hosts=keep_or_list(input.allowed_hosts, "allowedHosts"),
                excluded_hosts=keep_or_list(input.excluded_hosts, "excludedHosts"),
                excluded_addresses=keep_or_list(input.excluded_addresses, "excludedAddresses"),
                retention_days=KEEP if input.retention_days is strawberry.UNSET else input.retention_days,
            )
            return Website.of(ctx, row)

        return await info.context.run(verb)

    @resolved(
        "Delete a website and everything collected for it. Answers what it was, at once; what is much goes in the "
        "background, see `removal`."
    )
    async def delete_website(self, info: Info, id: _WebsiteId) -> Website | None:
        return await info.context.run(lambda ctx: Website.of(ctx, websites.delete(ctx, website_id(id))))

    @resolved("Hand your own website to a team whose owner or manager you are.")
    async def transfer_website_to_team(
        self,
        info: Info,
        id: _WebsiteId,
        team_id: Annotated[strawberry.ID, strawberry.argument(description="The team that receives it.")],
    ) -> Website | None:
        return await info.context.run(
            lambda ctx: Website.of(
                ctx, websites.transfer(ctx, website_id(id), team_id=entity_id(team_id, "Team"))
            )
        )

    @resolved("Take a website from a team whose owner you are.")
    async def transfer_website_to_me(self, info: Info, id: _WebsiteId) -> Website | None:
        def verb(ctx: Ctx) -> Website:
            me = access.user(ctx, access.MANAGE, within_website=True)
            return Website.of(ctx, websites.transfer(ctx, website_id(id), user_id=me.user_id))

        return await info.context.run(verb)

    @resolved(
        "Remove everything collected for a website and count from now on. It counts nowhere once this is answered; what "
        "is much goes in the background, see `removal`."
    )
    async def reset_website(self, info: Info, id: _WebsiteId) -> Website | None:
        return await info.context.run(lambda ctx: Website.of(ctx, websites.reset(ctx, website_id(id))))

    @resolved(
        "Send one hit; answered after it is on disk. Needs no login. The visitor's address and agent come "
        "from the request's headers unless given."
    )
    async def track(
        self, info: Info, input: Annotated[TrackInput, strawberry.argument(description="The hit.")]
    ) -> TrackResult | None:
        body = input.body()
        try:
            return _result(await info.context.collector.collect(body, info.context.request))
        except Malformed as error:
            raise _explained(error, body) from error

    @resolved("Send hits in order, each as if sent alone; one result for each.")
    async def track_batch(
        self,
        info: Info,
        inputs: Annotated[list[TrackInput], strawberry.argument(description="The hits, at most 500.")],
    ) -> list[TrackResult] | None:
        if len(inputs) > MAX_BATCH:
            raise Invalid(f"A batch has at most {MAX_BATCH} hits", field="inputs")
        bodies = [input.body() for input in inputs]
        outcomes = await info.context.collector.collect_batch(bodies, info.context.request)
        return [_item(outcome, body) for outcome, body in zip(outcomes, bodies, strict=True)]


def _result(outcome: Outcome) -> TrackResult:
    if not isinstance(outcome, Accepted):
        return TrackResult(accepted=False, dropped=outcome.reason)
    return TrackResult(
        accepted=True,
        session_id=strawberry.ID(str(outcome.session_id)),
        visit_id=strawberry.ID(str(outcome.visit_id)),
        cache=outcome.cache,
    )


def _item(outcome: Outcome | AppError, body: dict[str, Any]) -> TrackResult:
    if not isinstance(outcome, AppError):
        return _result(outcome)
    error = _explained(outcome, body) if isinstance(outcome, Malformed) else outcome
    return TrackResult(
        accepted=False, error=TrackError(code=error.code, message=error.message, field=error.field)
    )


def _explained(error: Malformed, body: dict[str, Any]) -> AppError:
    """The same refusal naming the input field: Umami's wire format says only that the payload is at fault."""
    website = {"website": "00000000-0000-0000-0000-000000000000"}
    for name, value in body["payload"].items():
        try:
            parse_hit({"type": body["type"], "payload": {**website, name: value}})
        except Malformed:
            return Invalid(f"{name} {_RULES.get(name, 'is not acceptable')}", field=name)
    return error


# The rules of Umami v2 REST behaviour §2.1, in words.
_RULES: Final = {
    "website": "is a UUID",
    "url": "is a URL or a path",
    "referrer": "is a URL or a path",
    "hostname": "has at most 100 characters",
    "language": "has at most 35 characters",
    "screen": "has at most 11 characters",
    "name": "has at most 50 characters",
    "tag": "has at most 50 characters",
    "data": "is an object of at most 1,000 keys, nested at most 64 levels deep",
    "ip": "is an IPv4 or IPv6 address",
    "timestamp": "is in whole seconds since 1970, before the year 2100",
}
