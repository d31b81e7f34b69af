"""Logging in, and reading who asks from the headers of a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from app.context import ANONYMOUS, Actor, Ctx, Kind
from app.errors import NotFound, TooMany, Unauthenticated
from app.models import Share, User
from app.security import API_KEY_PREFIX, Keys, digest, hash_password, random_password, verify_password

# The id of the first admin in every Umami installation: client configurations name it.
STOCK_ADMIN_ID: Final = UUID("41e2b680-648e-4b09-bcd7-3e2b10c06264")


@dataclass(frozen=True, slots=True)
class Login:
    token: str
    user: User


@dataclass(frozen=True, slots=True)
class ShareAccess:
    """What a share link gives: a token that reads one website."""

    website_id: UUID
    token: str


def bearer_token(headers: Mapping[str, str]) -> str:
    """The second word of the Authorization header; the scheme word is not looked at. '' if there is none."""
    words = headers.get("authorization", "").split()
    return words[1] if len(words) > 1 else ""


def api_key(headers: Mapping[str, str]) -> str:
    """The API key in the headers, in one of its own or as bearer token; '' if there is none.

    What does not look like one is none: clients of Umami's cloud send keys of their own.
    """
    for text in (headers.get("x-umami-api-key", ""), bearer_token(headers)):
        if text.startswith(API_KEY_PREFIX):
            return text
    return ""


def identify(keys: Keys, headers: Mapping[str, str]) -> Actor:
    """The actor that the headers (lower-case names) prove. A user who opened a share link may read its website too."""
    share = share_actor(keys, headers.get("x-umami-share-token", ""))
    if key := api_key(headers):
        return replace(share, kind=Kind.KEY, key_digest=digest(key))
    claims = keys.login_claims(bearer_token(headers))
    user_id = _uuid(claims.get("userId")) if claims else None
    if claims and user_id:
        return replace(share, kind=Kind.USER, user_id=user_id, fingerprint=claims.get("pwd"))
    return replace(share, unproven=bool(headers.get("authorization")))


def share_actor(keys: Keys, token: str) -> Actor:
    """The actor of a share token, anonymous if it is none.

    A visit cache is signed with the same key and names a website too, but it is handed to every visitor: one that
    names a session is refused.
    """
    claims = keys.verify(token)
    website_id = _uuid(claims.get("websiteId")) if claims and "sessionId" not in claims else None
    if claims is None or website_id is None:
        return ANONYMOUS
    share_id = _uuid(claims["share"]) if "share" in claims else None
    if share_id is None and "share" in claims:
        return ANONYMOUS  # not one of Umami's, which name none
    return Actor(
        Kind.SHARE,
        website_id=website_id,
        issued_at=_int(claims.get("iat")),
        share_id=share_id,
        share_fingerprint=claims.get("pwd"),
    )


def login(ctx: Ctx, username: str, password: str, caller: str) -> Login:
    """A login token for a name and a password that came from the address `caller`.

    Raises Unauthenticated if they are wrong, TooMany after too many wrong ones. Names that do not exist take as long,
    and are refused alike.
    """
    try:
        with ctx.runtime.throttle.attempt(f"user {username}", caller):
            # Made by the first login whether it is needed or not: it takes as long as a check.
            nobodys = _nobodys_hash()
            user = ctx.db.scalar(sa.select(User).where(User.username == username))
            if not verify_password(password, user.password if user else nobodys) or user is None:
                raise Unauthenticated("Incorrect username or password")
    except (TooMany, Unauthenticated) as error:
        ctx.runtime.logged_in("throttled" if isinstance(error, TooMany) else "refused")
        raise
    ctx.runtime.logged_in("succeeded")
    return Login(ctx.keys.login_token(str(user.user_id), ctx.keys.fingerprint(user.password)), user)


def open_share(ctx: Ctx, slug: str, password: str | None = None, caller: str = "") -> ShareAccess:
    """A token for the website behind a share link; `caller` is the address that a password came from.

    Raises NotFound for an unknown or expired one, Unauthenticated without the password it needs or with a wrong one,
    TooMany after too many wrong ones.
    """
    share = ctx.db.scalar(sa.select(Share).where(Share.slug == slug))
    if share is None or share.is_over(ctx.now):
        raise NotFound
    claims = {"websiteId": str(share.website_id), "share": str(share.share_id)}
    if share.password is not None:
        if not password:
            raise Unauthenticated("This share needs a password", field="password")
        with ctx.runtime.throttle.attempt(f"share {share.share_id}", caller):
            if not verify_password(password, share.password):
                raise Unauthenticated("Incorrect password", field="password")
        # The token ends with the password, as a login does.
        claims["pwd"] = ctx.keys.fingerprint(share.password)
    return ShareAccess(share.website_id, ctx.keys.sign(claims))


def ensure_admin(ctx: Ctx) -> str | None:
    """Make the first admin if there is no user yet; a random password, if one was made, is returned to be shown."""
    if ctx.db.scalar(sa.select(sa.func.count()).select_from(User)):
        return None
    chosen = ctx.settings.admin_password
    password = chosen.get_secret_value() if chosen else random_password()
    made = User(user_id=STOCK_ADMIN_ID, username="admin", role="admin", password=hash_password(password))
    try:
        with ctx.db.begin_nested():
            ctx.db.add(made)
    except sa.exc.IntegrityError:
        return None  # a process that started at the same moment was first
    return None if chosen else password


@cache
def _nobodys_hash() -> str:
    return hash_password(random_password())


def _uuid(value: Any) -> UUID | None:
    try:
        return UUID(value)
    except (ValueError, TypeError, AttributeError):
        return None


def _int(value: Any) -> int | None:
    return int(value) if isinstance(value, int | float) else None
