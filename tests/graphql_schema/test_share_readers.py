"""What somebody who opened a share link gets of each field there is: that website, and nothing of anybody else.

The fields are read off the schema, so that a new one is refused here until it is known what a share may see of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest

from app.settings import Settings
from tests.graphql_schema.asking import Asked, fields_of
from tests.permissions import World, cast, make_world
from tests.rest_compat.people import Headers
from tests.server import running

# What a share link opens nothing of: the code it is refused with.
REFUSED: Final = {
    "me": None,  # nobody, which is no error
    "user": "unauthenticated",
    "users": "unauthenticated",
    "teams": "unauthenticated",
    "team": "unauthenticated",
    "savedReports": "unauthenticated",
    "websites": "unauthenticated",
    "allWebsites": "unauthenticated",
    "removal": "not-found",
    "removals": "unauthenticated",
    "exportVisitor": "unauthenticated",
}
# What anyone may ask, and what is asked for by the website's id.
ANYONE: Final = {"limits", "rateLimit", "version", "share", "website", "savedReport"}
# Mutations that anyone may send: hits come from browsers, and a password is proof of its own.
OPEN: Final = {"track", "trackBatch", "login"}
OF_NOBODY: Final = {"owner", "team"}


@dataclass(frozen=True)
class Reader:
    world: World
    headers: Headers

    def ask(self, asked: Asked, given: dict[str, Any], target: str = "own") -> dict[str, Any]:
        variables = {**given, "site": self.world.websites[target]}
        if asked.parent in ("Query", "Mutation"):
            del variables["site"]
        return self.world.server.graphql(asked.document(given), variables, self.headers)


@pytest.fixture(scope="module")
def reader(make_settings: Callable[..., Settings]) -> Iterator[Reader]:
    """Of the website `own`; `team` is another one."""
    with running(make_settings("duckdb")) as server:
        world = make_world(server, cast(server))
        yield Reader(world, world.headers[("share", "own")])


def arguments(reader: Reader, asked: Asked, target: str) -> dict[str, Any]:
    """Fitting arguments that are about the target's things."""
    names = reader.world.names
    ids = {
        "user": reader.world.people["owner"].id,
        "team": names["team"],
        "website": reader.world.websites[target],
        "savedReport": names[f"{target}-report"],
        "segment": names[f"{target}-segment"],
        "session": names[f"{target}-session"],
    }
    given = asked.required()
    if asked.name == "createReport":
        dates = {"startDate": "2026-11-10T00:00:00Z", "endDate": "2026-11-11T00:00:00Z"}
        given["input"] |= {"type": "UTM", "parameters": {"dateRange": dates}}
    if "id" in given:
        noun = asked.name
        for name in ids:
            if noun.lower().endswith(name.lower()) or (name == "website" and "Website" in noun):
                given["id"] = ids[name]
    for name, value in (("websiteId", ids["website"]), ("teamId", ids["team"]), ("userId", ids["user"])):
        if name in given:
            given[name] = value
    return given


def codes(answer: dict[str, Any]) -> list[str]:
    return [error["extensions"]["code"] for error in answer.get("errors", [])]


@pytest.mark.parametrize("asked", fields_of("Query"), ids=str)
def test_root_fields(reader: Reader, asked: Asked) -> None:
    assert asked.name in REFUSED.keys() | ANYONE, f"{asked} is new: what may a share link see of it?"
    for target in ("own", "team"):
        answer = reader.ask(asked, arguments(reader, asked, target))
        if asked.name == "exportVisitor" and target == "team":
            assert (answer["data"]["asked"], codes(answer)) == (None, ["not-found"])
        elif asked.name in REFUSED:
            code = REFUSED[asked.name]
            assert (answer["data"]["asked"], codes(answer)) == (None, [code] if code else [])
        elif asked.name in ("website", "savedReport") and target == "team":
            assert (answer["data"]["asked"], codes(answer)) == (None, ["not-found"])
        elif asked.name == "website":
            assert answer["data"]["asked"]["id"] == reader.world.websites["own"]
        assert_nothing_of_others(reader, answer)


@pytest.mark.parametrize("asked", fields_of("Website", "Analytics"), ids=str)
def test_fields_of_a_website(reader: Reader, asked: Asked) -> None:
    mine = reader.ask(asked, arguments(reader, asked, "own"))
    assert mine["data"]["website"]["name"] == "own"
    assert_nothing_of_others(reader, mine)
    if asked.name in OF_NOBODY:
        assert (mine["data"]["website"]["asked"], codes(mine)) == (None, [])
    if asked.name == "shares":
        assert (mine["data"]["website"]["asked"], codes(mine)) == (None, ["unauthenticated"])
    # Of another website nothing, and of another one's things within its own neither.
    theirs = reader.ask(asked, arguments(reader, asked, "team"), "team")
    assert (theirs["data"]["website"], codes(theirs)) == (None, ["not-found"])
    crossed = reader.ask(asked, arguments(reader, asked, "team"), "own")
    assert_nothing_of_others(reader, crossed, echoed=arguments(reader, asked, "team").get("id"))
    if "id" in arguments(reader, asked, "team"):
        assert codes(crossed) == ["not-found"]


@pytest.mark.parametrize("asked", fields_of("Mutation"), ids=str)
def test_mutations(reader: Reader, asked: Asked) -> None:
    if asked.name in OPEN:
        return
    for target in ("own", "team"):
        before = reader.world.seen()
        answer = reader.ask(asked, arguments(reader, asked, target))
        assert answer["data"]["asked"] is None
        assert set(codes(answer)) <= {"unauthenticated", "not-found"}, answer
        assert codes(answer)
        assert reader.world.seen() == before


def assert_nothing_of_others(reader: Reader, answer: dict[str, Any], echoed: str | None = None) -> None:
    """No id of another website, of its things, of a user or a team, nor what opens any; but what the asker sent."""
    world = reader.world
    text = str(answer)
    foreign = [
        world.websites["team"],
        *world.names.values(),
        *(person.id for person in world.people.values()),
    ]
    own = {echoed, *(world.names[name] for name in ("own-session", "own-segment", "own-report"))}
    assert [secret for secret in foreign if secret in text and secret not in own] == []
