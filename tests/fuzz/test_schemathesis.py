"""Whatever is sent to a route, well formed or not: never an error of ours, and never a status that is not described.

The description that the server gives of itself is walked by schemathesis, which makes up requests from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode

from app.settings import Settings
from rest_compat.deps import Route
from tests.populate import VECTORS, populate
from tests.rest_compat import samples
from tests.rest_compat.samples import TABLE
from tests.server import Server, running

# What is asked of something that is there: with made-up ids every answer would be that there is nothing.
_SAFE = [route for route in TABLE if route.method == "GET" or route.path.startswith("/api/reports/")]
EXAMPLES = 10


def _cases(routes: list[Route]) -> list[Any]:
    """Each route with what fits its description, and with what does not where it describes anything."""
    modes = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    return [
        pytest.param(route, mode, id=f"{samples.name(route)} {mode.name.lower()}")
        for route in routes
        for mode in modes
        if mode is GenerationMode.POSITIVE or route.query or route.body or route.request_schema
    ]


@pytest.fixture(scope="module")
def fuzzed(make_settings: Callable[..., Settings], store: str) -> Iterator[Server]:
    """A server of its own, of which some users and websites may not outlive the tests."""
    with running(make_settings(store)) as started:
        yield started


@pytest.fixture(scope="module")
def schema(fuzzed: Server) -> Any:
    return schemathesis.openapi.from_dict(fuzzed.client.get("/openapi.json").json())


@pytest.fixture(scope="module")
def ids(fuzzed: Server) -> dict[str, str]:
    """A website with traffic, and what belongs to it."""
    website = fuzzed.create_website()
    populate(fuzzed, website, VECTORS)

    def made(path: str, body: dict[str, Any]) -> Any:
        answer = fuzzed.client.post(path, json=body, headers=fuzzed.admin)
        assert answer.status_code == 200, answer.text
        return answer.json()

    segment = {"type": "segment", "name": "s", "parameters": {"country": "US"}}
    report = {"websiteId": website, "name": "r", "type": "utm", "description": "", "parameters": {}}
    team, member = made("/api/teams", {"name": "T"})
    return {
        "websiteId": website,
        "sessionId": str(fuzzed.events(website)[0]["session_id"]),
        "segmentId": made(f"/api/websites/{website}/segments", segment)["id"],
        "reportId": made("/api/reports", report)["id"],
        "teamId": team["id"],
        "userId": member["userId"],
    }


def _ask(
    server: Server, schema: Any, route: Route, mode: GenerationMode, known: dict[str, str], share: int
) -> None:
    operation = schema[route.path][route.method]
    described = {int(status) for status in operation.definition.raw["responses"]}

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=max(1, EXAMPLES // share),
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def asked(case: Any) -> None:
        for name in case.path_parameters or {}:
            if name in known:
                case.path_parameters[name] = known[name]
        for place in (case.query, case.body):
            if isinstance(place, dict) and "websiteId" in place and known:
                place["websiteId"] = known["websiteId"]
        answer = case.call(base_url=server.url, headers=server.admin, timeout=60)
        told = f"{case.method} {case.formatted_path} {case.query} {case.body!r:.300}: {answer.status_code} {answer.text[:300]}"
        # A name in a path that is empty, or ends in a slash, leads elsewhere.
        assert answer.status_code in described | {308, 405}, told
        assert "Traceback" not in answer.text, told
        if route.path.startswith("/api/") and answer.status_code not in (308, 405):
            assert answer.headers["content-type"][0] in (
                "application/json",
                f"{route.media_type}; charset=utf-8",
            ), told

    asked()


@pytest.mark.parametrize(("route", "mode"), _cases(TABLE))
def test_made_up_requests(
    fuzzed: Server, schema: Any, share: int, route: Route, mode: GenerationMode
) -> None:
    _ask(fuzzed, schema, route, mode, {}, share)


@pytest.mark.parametrize(("route", "mode"), _cases(_SAFE))
def test_made_up_questions_about_what_is_there(
    fuzzed: Server, schema: Any, ids: dict[str, str], share: int, route: Route, mode: GenerationMode
) -> None:
    _ask(fuzzed, schema, route, mode, ids, share)
