"""What proves who asks, and what does not: through REST, GraphQL, sockets and server-sent events alike."""

from __future__ import annotations

import base64
import datetime as dt
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import jwt
import orjson
import pytest

from app.auth import STOCK_ADMIN_ID
from app.context import SYSTEM, Ctx
from app.models import Share, utc_now
from app.security import Keys
from tests.following import socket, stream
from tests.keys import expire, make_key, revoke
from tests.populate import CHROME
from tests.rest_compat.people import Headers, add_person
from tests.server import PASSWORD, Server

ELSEWHERE = Keys("the secret of another instance")


@dataclass(frozen=True)
class Stage:
    """A website of the admin's, and a share link that leads to it."""

    server: Server
    website: str
    slug: str

    @property
    def keys(self) -> Keys:
        return self.server.runtime.keys

    def share(self, password: str | None = None) -> str:
        """The token of the link."""
        path = f"/api/share/{self.slug}"
        answer = (
            self.server.client.get(path)
            if password is None
            else self.server.client.post(path, json={"password": password})
        )
        token: str = answer.json()["token"]
        return token

    def change_share(self, **values: Any) -> None:
        """Past what verbs allow, such as an end that is past."""

        def change(ctx: Ctx) -> None:
            share = ctx.db.query(Share).filter_by(slug=self.slug).one()
            for name, value in values.items():
                setattr(share, name, value)

        self.server.runtime.call(SYSTEM, change)

    def login(self, **claims: Any) -> dict[str, Any]:
        """The claims of a login of the admin's."""
        now = int(time.time())
        return {
            "userId": str(STOCK_ADMIN_ID),
            "pwd": self.own_claims()["pwd"],
            "aud": "dashi:login",
            "iat": now,
            "exp": now + 3600,
        } | claims

    def own_claims(self) -> dict[str, Any]:
        claims = self.keys.login_claims(self.server.token)
        assert claims is not None
        return claims


@pytest.fixture(scope="module")
def stage(live: Server) -> Stage:
    website, slug = live.create_website(), uuid4().hex[:16]
    made = live.graphql(
        f'mutation {{ createShare(websiteId: "{website}", input: {{slug: "{slug}"}}) {{ id }} }}'
    )
    assert "errors" not in made
    return Stage(live, website, slug)


def four_answers(stage: Stage, headers: Headers) -> list[tuple[Any, ...]]:
    """What each of the doors says to whoever asks for the website: (code, message), or its name."""
    server, query = stage.server, f'{{ website(id: "{stage.website}") {{ name }} }}'
    rest = server.client.get(f"/api/websites/{stage.website}", headers=headers)
    told: list[tuple[Any, ...]] = [(rest.status_code, rest.json().get("name") or rest.json()["error"])]
    with socket(server.url, headers) as opened:
        opened.subscribe(query)
        message = opened.message()
    over_socket = message["payload"]
    with stream(server.url, query, headers=headers) as pushed:
        over_sse = next(pushed)[1]
    for answer in (server.graphql(query, None, headers), over_socket, over_sse):
        if answer["data"]["website"] is not None:
            told.append((200, answer["data"]["website"]["name"]))
        else:
            [error] = answer["errors"]
            assert error["extensions"]["status"] == 401
            told.append((error["extensions"]["code"], error["message"]))
    return told


def bearer(token: str) -> Headers:
    return {"authorization": f"Bearer {token}"}


def unsigned(claims: dict[str, Any]) -> str:
    return jwt.encode(claims, None, algorithm="none")


def sealed(stage: Stage, inner: str, keys: Keys | None = None) -> bytes:
    """A login token as Umami makes it around any text, not yet in base64."""
    salt, iv = os.urandom(64), os.urandom(16)
    encrypted = (keys or stage.keys)._cipher(salt).encrypt(iv, inner.encode(), None)
    return salt + iv + encrypted[-16:] + encrypted[:-16]


def umami(stage: Stage, inner: str, keys: Keys | None = None) -> Headers:
    return bearer(base64.b64encode(sealed(stage, inner, keys)).decode())


def flipped(raw: bytes, at: int) -> Headers:
    changed = bytearray(raw)
    changed[at] ^= 1
    return bearer(base64.b64encode(bytes(changed)).decode())


def signed_inside(stage: Stage) -> str:
    return stage.keys.sign({"userId": str(STOCK_ADMIN_ID)})


def with_other_claims(token: str, **claims: Any) -> str:
    """The same signature under another payload."""
    header, payload, signature = token.split(".")
    changed = orjson.loads(base64.urlsafe_b64decode(payload + "==")) | claims
    return ".".join(
        (header, base64.urlsafe_b64encode(orjson.dumps(changed)).rstrip(b"=").decode(), signature)
    )


def visit_cache(stage: Stage) -> str:
    hit = {"type": "event", "payload": {"website": stage.website, "url": "/"}}
    answer = stage.server.client.post("/api/send", json=hit, headers={"user-agent": CHROME})
    token: str = answer.json()["cache"]
    return token


def share_token(token: str) -> Headers:
    return {"x-umami-share-token": token}


def share_claims(stage: Stage) -> dict[str, Any]:
    claims = stage.keys.verify(stage.share())
    assert claims is not None
    return claims


def of_nobody(stage: Stage) -> str:
    return stage.keys.login_token(str(uuid4()), stage.own_claims()["pwd"])


LOGIN_KEY: Callable[[Stage], bytes] = lambda stage: stage.keys._login_key  # noqa: E731
S: Callable[[Stage], bytes] = lambda stage: stage.keys.secret.encode()  # noqa: E731

GOOD: dict[str, Callable[[Stage], Headers]] = {
    "a login": lambda s: bearer(s.server.token),
    "a login as it is made here": lambda s: bearer(jwt.encode(s.login(), LOGIN_KEY(s))),
    "a login that Umami made": lambda s: umami(s, signed_inside(s)),
    "an API key": lambda s: make_key(s.server, "read").header,
    "an API key as a bearer token": lambda s: make_key(s.server, "read").bearer,
    "a share": lambda s: share_token(s.share()),
    "a share of Umami's": lambda s: share_token(s.keys.sign({"websiteId": s.website})),
}

BAD: dict[str, Callable[[Stage], Headers]] = {
    "nothing": lambda s: {},
    "an empty header": lambda s: {"authorization": ""},
    "a scheme alone": lambda s: {"authorization": "Bearer"},
    "a name and a password": lambda s: {
        "authorization": "Basic " + base64.b64encode(f"admin:{PASSWORD}".encode()).decode()
    },
    "alg none": lambda s: bearer(unsigned(s.login())),
    "alg none, with a signature": lambda s: bearer(
        unsigned(s.login()) + jwt.encode(s.login(), LOGIN_KEY(s)).rpartition(".")[2]
    ),
    "signed with the key of shares": lambda s: bearer(jwt.encode(s.login(), S(s))),
    "signed with no key": lambda s: bearer(jwt.encode(s.login(), b"\0" * 32)),
    "signed by another instance": lambda s: bearer(jwt.encode(s.login(), ELSEWHERE._login_key)),
    "another algorithm": lambda s: bearer(jwt.encode(s.login(), LOGIN_KEY(s), algorithm="HS512")),
    "for another purpose": lambda s: bearer(jwt.encode(s.login(aud="dashi:other"), LOGIN_KEY(s))),
    "for no purpose": lambda s: bearer(jwt.encode({**s.login(), "aud": None}, LOGIN_KEY(s))),
    "over": lambda s: bearer(jwt.encode(s.login(exp=int(time.time()) - 1), LOGIN_KEY(s))),
    "not begun": lambda s: bearer(jwt.encode(s.login(nbf=int(time.time()) + 3600), LOGIN_KEY(s))),
    "with another password": lambda s: bearer(jwt.encode(s.login(pwd="0" * 16), LOGIN_KEY(s))),
    "of a user who is not there": lambda s: bearer(of_nobody(s)),
    "of no user": lambda s: bearer(jwt.encode(s.login(userId=""), LOGIN_KEY(s))),
    "of a number": lambda s: bearer(jwt.encode(s.login(userId=1), LOGIN_KEY(s))),
    "another payload": lambda s: bearer(with_other_claims(s.server.token, exp=2**33)),
    "cut": lambda s: bearer(s.server.token[:-4]),
    "without its signature": lambda s: bearer(s.server.token.rpartition(".")[0] + "."),
    "longer than a token": lambda s: bearer(s.server.token + "A" * 4096),
    "Umami's, another ciphertext": lambda s: flipped(sealed(s, signed_inside(s)), -1),
    "Umami's, another tag": lambda s: flipped(sealed(s, signed_inside(s)), 64 + 16),
    "Umami's, another salt": lambda s: flipped(sealed(s, signed_inside(s)), 0),
    "Umami's, another iv": lambda s: flipped(sealed(s, signed_inside(s)), 64),
    "Umami's, cut": lambda s: bearer(base64.b64encode(sealed(s, signed_inside(s))[:-1]).decode()),
    "Umami's, empty": lambda s: bearer(base64.b64encode(sealed(s, "")).decode()),
    "Umami's, of another instance": lambda s: umami(s, signed_inside(s), ELSEWHERE),
    "Umami's, signed by another instance": lambda s: umami(
        s, ELSEWHERE.sign({"userId": str(STOCK_ADMIN_ID)})
    ),
    "Umami's, alg none": lambda s: umami(s, unsigned({"userId": str(STOCK_ADMIN_ID)})),
    "Umami's, over": lambda s: umami(
        s, s.keys.sign({"userId": str(STOCK_ADMIN_ID), "exp": int(time.time()) - 1})
    ),
    "Umami's, of nobody": lambda s: umami(s, s.keys.sign({"userId": str(uuid4())})),
    "Umami's, without a user": lambda s: umami(s, s.keys.sign({"role": "admin"})),
    "Umami's, not encrypted": lambda s: bearer(signed_inside(s)),
    "a share as a login": lambda s: bearer(s.share()),
    "a share as a login, encrypted": lambda s: umami(s, s.share()),
    "a share as an API key": lambda s: {"x-umami-api-key": s.share()},
    "a visit cache as a login": lambda s: bearer(visit_cache(s)),
    "a visit cache as a login, encrypted": lambda s: umami(s, visit_cache(s)),
    "a visit cache as a share": lambda s: share_token(visit_cache(s)),
    "a visit cache where it belongs": lambda s: {"x-umami-cache": visit_cache(s)},
    "a login as a share": lambda s: share_token(s.server.token),
    "a login as an API key": lambda s: {"x-umami-api-key": s.server.token},
    "a login in a cookie": lambda s: {"cookie": f"authorization=Bearer {s.server.token}"},
    "a share, alg none": lambda s: share_token(unsigned(share_claims(s))),
    "a share, over": lambda s: share_token(s.keys.sign({**share_claims(s), "exp": int(time.time()) - 1})),
    "a share of another instance": lambda s: share_token(ELSEWHERE.sign(share_claims(s))),
    "a share of another website": lambda s: share_token(
        s.keys.sign({**share_claims(s), "websiteId": str(uuid4())})
    ),
    "a share that was never made": lambda s: share_token(
        s.keys.sign({**share_claims(s), "share": str(uuid4())})
    ),
    "a share without its number": lambda s: share_token(s.keys.sign({**share_claims(s), "share": "x"})),
    "a share, cut": lambda s: share_token(s.share()[:-4]),
    "an API key that was never made": lambda s: {"x-umami-api-key": "dashi_" + "A" * 43},
    "an API key in capitals": lambda s: {"x-umami-api-key": make_key(s.server, "read").secret.upper()},
    "an API key, cut": lambda s: {"x-umami-api-key": make_key(s.server, "read").secret[:-1]},
    "an API key as a share": lambda s: share_token(make_key(s.server, "read").secret),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_proves_who_asks(stage: Stage, name: str) -> None:
    assert four_answers(stage, GOOD[name](stage)) == [(200, "Example")] * 4


@pytest.mark.parametrize("name", BAD)
def test_what_proves_nothing(stage: Stage, name: str) -> None:
    headers = BAD[name](stage)
    rest, *others = four_answers(stage, headers)
    assert rest == (401, "Unauthorized")
    # It is told by what came along, not by what was wrong with it.
    message = "Log in first"
    if headers.get("authorization"):
        message = "This token proves nothing here, or no longer: log in again"
    elif headers.get("x-umami-api-key", "").startswith("dashi_"):
        message = "This API key is unknown, revoked or expired"
    assert others == [("unauthenticated", message)] * 3


def refused(stage: Stage, headers: Headers) -> None:
    rest, *others = four_answers(stage, headers)
    assert rest == (401, "Unauthorized")
    assert {code for code, _ in others} == {"unauthenticated"}
    assert len(set(others)) == 1


def test_a_login_ends_with_its_password_and_its_user(stage: Stage, live: Server) -> None:
    mine = f'{{ website(id: "{stage.website}") {{ name }} }}'
    person = add_person(live)
    assert live.graphql("{ me { id } }", None, person.headers)["data"]["me"] == {"id": person.id}
    change = {"currentPassword": "their password", "newPassword": "another password"}
    assert live.client.post("/api/me/password", json=change, headers=person.headers).status_code == 200
    refused(stage, person.headers)
    again = live.client.post(
        "/api/auth/login", json={"username": person.name, "password": "another password"}
    )
    headers = bearer(again.json()["token"])
    key = make_key(live, "read", headers=headers)
    assert live.graphql(mine, None, headers)["errors"][0]["extensions"]["code"] == "not-found"
    assert live.client.delete(f"/api/users/{person.id}", headers=live.admin).status_code == 200
    refused(stage, headers)
    refused(stage, umami(stage, stage.keys.sign({"userId": person.id})))
    # Its keys go with it.
    refused(stage, key.header)


def test_keys_end_when_they_are_revoked_or_over(stage: Stage, live: Server) -> None:
    for end in (revoke, expire):
        key = make_key(live, "read", website=stage.website)
        assert four_answers(stage, key.header) == [(200, "Example")] * 4
        end(live, key)
        refused(stage, key.header)
        refused(stage, key.bearer)


def test_shares_end_with_their_link_its_time_and_its_password(live: Server) -> None:
    website, slug = live.create_website(), uuid4().hex[:16]
    made = live.graphql(
        f'mutation {{ createShare(websiteId: "{website}", input: {{slug: "{slug}"}}) {{ id }} }}'
    )
    share_id = made["data"]["createShare"]["id"]
    stage = Stage(live, website, slug)
    token = stage.share()
    assert four_answers(stage, share_token(token)) == [(200, "Example")] * 4

    stage.change_share(expires_at=utc_now() - dt.timedelta(milliseconds=1))
    refused(stage, share_token(token))
    stage.change_share(expires_at=None)
    assert four_answers(stage, share_token(token)) == [(200, "Example")] * 4

    for password in ("one", "two"):
        changed = f'updateShare(id: "{share_id}", input: {{password: "{password}"}})'
        assert "errors" not in live.graphql(f"mutation {{ {changed} {{ id }} }}")
        refused(stage, share_token(token))
        token = stage.share(password)
        assert four_answers(stage, share_token(token)) == [(200, "Example")] * 4

    assert "errors" not in live.graphql(f'mutation {{ revokeShare(id: "{share_id}") {{ id }} }}')
    refused(stage, share_token(token))


def test_a_share_beside_a_login_that_ended_is_still_a_share(stage: Stage) -> None:
    both = {**bearer(of_nobody(stage)), **share_token(stage.share())}
    assert four_answers(stage, both) == [(200, "Example")] * 4
