"""Login, tokens and share links (Umami v2 REST behaviour §3.1, §3.2, §3.5)."""

from __future__ import annotations

from typing import Final

from app import access, auth, parameters, users
from app.context import Ctx
from app.settings import Settings
from rest_compat import shapes
from rest_compat.deps import Answer, Asked, Call, Route, json_answer

_USER_EXAMPLE: Final = {
    "id": str(auth.STOCK_ADMIN_ID),
    "username": "admin",
    "role": "admin",
    "createdAt": "2026-11-23T13:27:24.997Z",
    "isAdmin": True,
}


def login(ctx: Ctx, asked: Asked) -> object:
    opened = auth.login(ctx, asked.params["username"], asked.params["password"], asked.caller)
    return {"token": opened.token, "user": shapes.user(opened.user)}


def verify(ctx: Ctx, asked: Asked) -> object:
    """The user of the token; null for a share token, which is valid and nobody's."""
    access.authenticated(ctx)
    return shapes.user(access.user(ctx)) if ctx.user else None


def me(ctx: Ctx, asked: Asked) -> object:
    access.authenticated(ctx)
    opened = None
    if ctx.shared_website_id is not None:
        opened = {"websiteId": str(ctx.shared_website_id), "iat": ctx.actor.issued_at}
    if ctx.user is None:
        return {"user": None, "shareToken": opened}
    return {
        "user": shapes.user(access.user(ctx)),
        # An API key is not a token that a client keeps, and is best repeated nowhere.
        "token": None if ctx.key else auth.bearer_token(asked.headers),
        "shareToken": opened,
    }


def change_password(ctx: Ctx, asked: Asked) -> object:
    given = asked.params
    changed = users.change_password(ctx, given["currentPassword"], given["newPassword"], asked.caller)
    return shapes.account(changed)


def share(ctx: Ctx, asked: Asked) -> object:
    opened = auth.open_share(ctx, asked.text("shareId"), asked.params.get("password"), asked.caller)
    return {"websiteId": str(opened.website_id), "token": opened.token}


async def logout(call: Call) -> Answer:
    """Nothing to do: a token is forgotten by whoever holds it."""
    return json_answer({"ok": True})


def routes(settings: Settings) -> list[Route]:
    credentials = (parameters.text("username", "Name of the user."), parameters.text("password", "Password."))
    opened = {"websiteId": "765b9d7c-35d0-4c93-a87f-c869a11eabf2", "token": "eyJhbGciOiJIUzI1NiJ9…"}
    not_opened = {401: {"error": "Unauthorized"}, 404: {"error": "Not found"}}
    too_many = {429: {"error": "Too many wrong passwords: try again later"}}
    return [
        Route(
            "POST",
            "/api/auth/login",
            "Log in with name and password",
            login,
            body=credentials,
            request_example={"username": "admin", "password": "…"},
            example={"token": "eyJhbGciOiJIUzI1NiJ9…", "user": _USER_EXAMPLE},
            public=True,
            hashes=True,
            secret=True,
            refusal="message.incorrect-username-password",
            also={401: {"error": "message.incorrect-username-password"}, **too_many},
        ),
        Route("POST", "/api/auth/verify", "The user of a token", verify, example=_USER_EXAMPLE),
        Route("GET", "/api/auth/verify", "The user of a token", verify, example=_USER_EXAMPLE),
        Route("POST", "/api/auth/logout", "Log out", raw=logout, example={"ok": True}, public=True),
        Route(
            "GET",
            "/api/me",
            "Who asks",
            me,
            example={"user": _USER_EXAMPLE, "token": "eyJhbGciOiJIUzI1NiJ9…", "shareToken": None},
            secret=True,
        ),
        Route(
            "POST",
            "/api/me/password",
            "Change one's own password",
            change_password,
            body=(
                parameters.text("currentPassword", "The password until now."),
                parameters.text("newPassword", "The new one.", shortest=users.MIN_PASSWORD),
            ),
            request_example={"currentPassword": "…", "newPassword": "…"},
            example={name: value for name, value in _USER_EXAMPLE.items() if name != "isAdmin"},
            hashes=True,
            also={400: {"error": "Current password is incorrect"}, **too_many},
        ),
        Route(
            "GET",
            "/api/share/{shareId}",
            "A token that reads the website behind a share link",
            share,
            example=opened,
            public=True,
            secret=True,
            also=not_opened,
        ),
        # Umami's shares have no passwords, so this one is Dashi's own.
        Route(
            "POST",
            "/api/share/{shareId}",
            "The same for a share link with a password, which GET answers with 401",
            share,
            body=(parameters.text("password", "Password of the share."),),
            request_example={"password": "…"},
            example=opened,
            public=True,
            hashes=True,
            secret=True,
            also=not_opened | too_many,
        ),
    ]
