"""Login, tokens, share links (Umami v2 REST behaviour §1.3, §3.1, §3.2, §6.1)."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

import jwt
import pytest

from app import shares
from app.auth import STOCK_ADMIN_ID
from app.context import SYSTEM, Ctx
from app.models import User
from app.security import server_secret
from tests.rest_compat.people import Headers
from tests.server import ADMIN, PASSWORD, SECRET, Server

# The token of the conformance vectors.
UMAMI_TOKEN = (
    "PbXamkJkF/LzjBlt3DfKSh3w/KeX57u3ZTk61EF1aErQeV5uoarQseYscm/kDPBhOao5HbLddrCjULvJu0v6Yx9utgIGcHn3F398FTnJkg"
    "CuhqnYbSXxMwM13fJBpljnjHbTppNAAvmsE3eQgOl79VIDob+r+0ZfhvRsX4sdRnh62c/2fCz0MJuXJv7wUOHB6K0cck/dEuoXXz5sBFkt"
    "19+DY5LRSRd8V5p8zf9V60veBG9hRWOVIZs+1NSspz9sebTDsb6G1Sbmkguwlxr/YqPKJhnEB0OCbzpwdsLqPO5lnQ7ghSEPd7Hwn8LHSj"
    "HGInqS7/lY3SmEJMZrAj93PxNDiTTRAoUtvjKegsxI93s1zop31S/srQMBulEx"
)
S = server_secret(SECRET)


@pytest.fixture(scope="module")
def admin_user(live: Server) -> dict[str, object]:
    """The first admin in REST's shape."""
    created = live.runtime.call(SYSTEM, _admin_created)
    return {
        "id": "41e2b680-648e-4b09-bcd7-3e2b10c06264",
        "username": "admin",
        "role": "admin",
        "createdAt": f"{created:%Y-%m-%dT%H:%M:%S}.{created.microsecond // 1000:03}Z",
        "isAdmin": True,
    }


def _admin_created(ctx: Ctx) -> dt.datetime:
    user = ctx.db.get(User, STOCK_ADMIN_ID)
    assert user is not None
    return user.created_at


def me(live: Server, headers: Headers) -> int:
    return live.client.get("/api/me", headers=headers).status_code


def test_login(live: Server, admin_user: dict[str, object]) -> None:
    answer = live.client.post("/api/auth/login", json={"username": "admin", "password": PASSWORD})
    assert answer.status_code == 200
    assert answer.json()["user"] == admin_user
    assert me(live, {"Authorization": f"Bearer {answer.json()['token']}"}) == 200


@pytest.mark.parametrize(
    ("username", "password"),
    [("admin", "wrong"), ("nobody", PASSWORD), ("", ""), ("ad\0min", PASSWORD + "x")],
)
def test_wrong_credentials(live: Server, username: str, password: str) -> None:
    answer = live.client.post("/api/auth/login", json={"username": username, "password": password})
    assert answer.status_code == 401
    assert answer.json() == {"error": "message.incorrect-username-password"}


def test_login_without_a_name(live: Server) -> None:
    answer = live.client.post("/api/auth/login", json={"username": None})
    assert answer.status_code == 400
    assert answer.json() == {"error": ["username: Expected string, received null", "password: Required"]}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_verify(live: Server, admin_user: dict[str, object], method: str) -> None:
    assert live.client.request(method, "/api/auth/verify", headers=live.admin).json() == admin_user
    nobody = live.client.request(method, "/api/auth/verify")
    assert (nobody.status_code, nobody.json()) == (401, {"error": "Unauthorized"})


def test_verify_of_a_share_is_nobody(live: Server, shared: tuple[str, Headers]) -> None:
    answer = live.client.post("/api/auth/verify", headers=shared[1])
    assert (answer.status_code, answer.json()) == (200, None)


def test_logout_changes_nothing(live: Server) -> None:
    assert live.client.post("/api/auth/logout", headers=live.admin).json() == {"ok": True}
    assert live.client.post("/api/auth/logout").json() == {"ok": True}
    assert me(live, live.admin) == 200


def test_me(live: Server, admin_user: dict[str, object], shared: tuple[str, Headers]) -> None:
    assert live.get("/api/me") == {"user": admin_user, "token": live.token, "shareToken": None}
    website, share = shared
    opened = live.get("/api/me", headers=share)
    assert opened == {"user": None, "shareToken": {"websiteId": website, "iat": opened["shareToken"]["iat"]}}
    assert isinstance(opened["shareToken"]["iat"], int)
    both = live.get("/api/me", headers={**live.admin, **share})
    assert both == {"user": admin_user, "token": live.token, "shareToken": opened["shareToken"]}
    assert live.client.get("/api/me").status_code == 401


def test_a_token_that_umami_made(live: Server, admin_user: dict[str, object]) -> None:
    answer = live.get("/api/me", headers={"Authorization": f"Bearer {UMAMI_TOKEN}"})
    assert answer == {"user": admin_user, "token": UMAMI_TOKEN, "shareToken": None}


def test_a_token_that_a_client_made(live: Server) -> None:
    """From a user id and APP_SECRET alone, without a role, as Umami's API client does."""
    token = live.runtime.keys.seal({"userId": str(STOCK_ADMIN_ID)})
    assert me(live, {"authorization": f"Bearer {token}"}) == 200
    # The scheme word is not looked at; url-safe and unpadded texts are the same token.
    assert me(live, {"authorization": f"Token {token}"}) == 200
    lenient = token.replace("+", "-").replace("/", "_").rstrip("=")
    assert me(live, {"authorization": f"Bearer {lenient}"}) == 200


@pytest.mark.parametrize(
    "claims",
    [
        {"userId": "00000000-0000-4000-8000-000000000000"},
        {"userId": str(STOCK_ADMIN_ID), "exp": 1},
        {"userId": "admin"},
        {"userId": None},
        {},
    ],
)
def test_claims_that_are_worth_nothing(live: Server, claims: dict[str, object]) -> None:
    assert me(live, {"authorization": f"Bearer {live.runtime.keys.seal(claims)}"}) == 401


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer x",
        f"Bearer {UMAMI_TOKEN[:-8]}",
        f"Bearer A{UMAMI_TOKEN[1:]}",
        f"{UMAMI_TOKEN}",
        f"Bearer {jwt.encode({'userId': str(STOCK_ADMIN_ID)}, S)}",  # signed with S, but not encrypted
        "Bearer " + "A" * 6000,
        "Bearer \u00ff\u00fe",
    ],
)
def test_no_token(live: Server, header: str) -> None:
    assert live.client.get("/api/me", headers={"authorization": header.encode("latin-1")}).status_code == 401  # type: ignore[dict-item]


def test_share(live: Server, shared: tuple[str, Headers]) -> None:
    website, share = shared
    token = share["x-umami-share-token"]
    claims = jwt.decode(token, S, ["HS256"])
    assert claims == {"websiteId": website, "iat": claims["iat"], "share": claims["share"]}
    assert live.get(f"/api/websites/{website}", headers=share)["id"] == website
    # Reading that one website is all it gives.
    other = live.create_website()
    for method, path in (
        ("GET", f"/api/websites/{other}"),
        ("POST", f"/api/websites/{website}"),
        ("DELETE", f"/api/websites/{website}"),
        ("POST", f"/api/websites/{website}/reset"),
        ("GET", "/api/websites"),
        ("POST", "/api/websites"),
    ):
        body = {"name": "n", "domain": "d"} if method == "POST" else None
        answer = live.client.request(method, path, json=body, headers=share)
        assert (method, path, answer.status_code) == (method, path, 401)
    assert live.get(f"/api/websites/{website}")["name"] == "Example"


def test_a_share_token_ends_with_its_link(live: Server, shared: tuple[str, Headers]) -> None:
    website, share = shared
    slug = live.get(f"/api/websites/{website}")["shareId"]
    live.client.post(f"/api/websites/{website}", json={"shareId": None}, headers=live.admin)
    assert live.client.get(f"/api/share/{slug}").status_code == 404
    assert live.client.get(f"/api/websites/{website}", headers=share).status_code == 401
    assert live.client.get("/api/me", headers=share).status_code == 401


def test_a_share_token_that_umami_made(live: Server, live_website: str) -> None:
    """It names no share, so there is none that could have ended."""
    token = live.runtime.keys.sign({"websiteId": live_website})
    headers = {"x-umami-share-token": token}
    assert live.get(f"/api/websites/{live_website}", headers=headers)["id"] == live_website


def test_a_share_with_a_password(server: Server, website: str) -> None:
    made = server.runtime.call(ADMIN, shares.create, UUID(website), password="open sesame")
    url = f"/api/share/{made.slug}"
    for answer in (
        server.client.get(url),
        server.client.get(url, headers=server.admin),
        server.client.post(url, json={"password": ""}),
        server.client.post(url, json={"password": "open"}),
    ):
        assert (answer.status_code, answer.json()) == (401, {"error": "Unauthorized"})
    answer = server.client.post(url, json={"password": "open sesame"})
    assert (answer.status_code, answer.json()) == (
        200,
        {"websiteId": website, "token": answer.json()["token"]},
    )
    claims = jwt.decode(answer.json()["token"], S, ["HS256"])
    assert claims.keys() == {"websiteId", "share", "iat", "pwd"}
    opened = {"x-umami-share-token": answer.json()["token"]}
    assert server.get(f"/api/websites/{website}", headers=opened)["id"] == website
    me = server.get("/api/me", headers=opened)
    assert me == {"user": None, "shareToken": {"websiteId": website, "iat": claims["iat"]}}


def test_posting_to_a_share(live: Server, live_website: str) -> None:
    made = live.runtime.call(ADMIN, shares.create, UUID(live_website))
    # Without a password of its own it opens with any, as it opens by GET.
    answer = live.client.post(f"/api/share/{made.slug}", json={"password": "any"})
    assert (answer.status_code, answer.json()["websiteId"]) == (200, live_website)
    nothing = live.client.post("/api/share/nothing-here", json={"password": "any"})
    assert (nothing.status_code, nothing.json()) == (404, {"error": "Not found"})
    for body, error in (
        ({}, ["password: Required"]),
        ({"password": None}, ["password: Expected string, received null"]),
    ):
        bad = live.client.post(f"/api/share/{made.slug}", json=body)
        assert (bad.status_code, bad.json()) == (400, {"error": error})


def test_a_fingerprint_of_one_s_own_opens_nothing(live: Server, live_website: str) -> None:
    """Who knows a share with a password, but not the password, gets no further with the token from before it."""
    made = live.runtime.call(ADMIN, shares.create, UUID(live_website))
    token = live.client.get(f"/api/share/{made.slug}").json()["token"]
    live.runtime.call(ADMIN, shares.update, made.share_id, password="x")
    claims = {name: value for name, value in jwt.decode(token, S, ["HS256"]).items() if name != "iat"}
    for forged in (token, live.runtime.keys.sign(claims), live.runtime.keys.sign({**claims, "pwd": ""})):
        answer = live.client.get(f"/api/websites/{live_website}", headers={"x-umami-share-token": forged})
        assert answer.status_code == 401


@pytest.mark.parametrize("slug", ["nothing-here", "%00", "a%00b", "%F0%9F%98%80", "x" * 3000])
def test_an_unknown_share(server: Server, slug: str) -> None:
    for headers in ({}, server.admin):
        answer = server.client.get(f"/api/share/{slug}", headers=headers)
        assert (answer.status_code, answer.json()) == (404, {"error": "Not found"})


def test_a_visit_cache_is_no_share_token(live: Server, live_website: str) -> None:
    session = str(UUID(int=1))
    cache = live.runtime.keys.sign({"websiteId": live_website, "sessionId": session, "visitId": session})
    answer = live.client.get(f"/api/websites/{live_website}", headers={"x-umami-share-token": cache})
    assert answer.status_code == 401
