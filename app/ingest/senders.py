"""Whose hits are taken: anybody's for a website that exists, and those that come with an API key if the key may send."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from app import access, auth
from app.context import SYSTEM, Actor, Ctx, Kind, Runtime
from app.errors import AppError, Denied, Hidden, Invalid, Unauthenticated
from app.ingest.remembered import Remembered
from app.models import Website
from app.rules import Rules
from app.security import digest

# How long (seconds) a website is remembered, with its rules, or not to exist, and what an API key may do. Websites that
# come, change and go, revoked keys and deleted users are seen at once, by way of PostgreSQL in other processes too
# (`app.peers`); these bound how late all other changes are.
_KNOWN: Final = 15.0
_UNKNOWN: Final = 2.0
_KEY: Final = 5.0

# Why a hit is refused: the error's type and message.
Refusal = tuple[type[AppError], str]


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends a hit, and what its website takes."""

    has_key: bool
    rules: Rules


class Senders:
    """What a process knows of websites and API keys; the accounts store is asked in the worker given."""

    def __init__(self, runtime: Runtime, worker: Executor) -> None:
        def rules(website_id: UUID) -> Rules | None:
            return runtime.call(SYSTEM, _rules, website_id)

        def refusal(asked: tuple[str, UUID]) -> Refusal | None:
            key_digest, website_id = asked
            return runtime.call(Actor(Kind.KEY, key_digest=key_digest), _refusal, website_id)

        # While the accounts store is down, those that were let in before go on sending.
        self._websites = Remembered(rules, lambda known: _KNOWN if known else _UNKNOWN, worker, bool)
        self._keys = Remembered(refusal, lambda _: _KEY, worker, lambda refused: refused is None)
        runtime.on_website_change.append(self._websites.forget)
        runtime.on_key_change.append(self._keys.forget_all)
        runtime.on_doubt += [self._websites.doubt_all, self._keys.doubt_all]

    async def check(self, website_id: UUID, headers: Mapping[str, str]) -> Sender:
        """The sender of a hit.

        Raises Invalid for an unknown website, Unauthenticated for an unknown key, Denied for one that may not send hits
        of this website.
        """
        rules = await self._rules(website_id)
        key = auth.api_key(headers)
        if not key:
            return Sender(False, rules)
        refusal = await self._keys.get((digest(key), website_id))
        if refusal is not None:
            error, message = refusal
            raise error(message)
        # It may have been deleted while the key was looked up.
        return Sender(True, await self._rules(website_id))

    def knows(self, website_id: UUID, headers: Mapping[str, str]) -> bool:
        """Whether an API key came with the hit of which is known by now that it may send it. Nothing is asked."""
        key = auth.api_key(headers)
        return bool(key) and self._keys.holds((digest(key), website_id), None)

    async def _rules(self, website_id: UUID) -> Rules:
        rules = await self._websites.get(website_id)
        if rules is None:
            raise Invalid("Website not found.", field="website")
        return rules


def _rules(ctx: Ctx, website_id: UUID) -> Rules | None:
    """What the website takes, None if there is no such website."""
    website = ctx.db.get(Website, website_id)
    if website is None:
        return None
    return Rules.of(website.allowed_hosts, website.excluded_hosts, website.excluded_addresses)


def _refusal(ctx: Ctx, website_id: UUID) -> Refusal | None:
    """Why the API key in use may not send hits of the website, None if it may."""
    try:
        access.website(ctx, website_id, "website:ingest")
    except Hidden:
        # That it exists is no secret here: hits without a key are taken for it.
        return Denied, "This API key is not for this website"
    except (Unauthenticated, Denied) as error:
        return type(error), error.message
    return None
