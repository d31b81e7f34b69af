"""Reports asked for through either door."""

from __future__ import annotations

from typing import Any

from tests.server import Server

RANGE = {"startDate": "2026-11-10T00:00:00Z", "endDate": "2026-11-11T23:59:59Z"}
PERIOD = '{start: "2026-11-10T00:00:00Z", end: "2026-11-11T23:59:59Z"}'


def sent(server: Server, report: str, body: Any, headers: dict[str, str] | None = None) -> tuple[int, Any]:
    """Status and JSON of what REST answers to a body, sent by the admin unless headers are given."""
    answer = server.client.post(
        f"/api/reports/{report}", json=body, headers=server.admin if headers is None else headers
    )
    return answer.status_code, answer.json()


def posted(server: Server, site: str, report: str, params: dict[str, Any]) -> tuple[int, Any]:
    """Status and JSON of running a report over REST; `params` may replace the website and the range too."""
    return sent(server, report, {"websiteId": site, "dateRange": RANGE, **params})


def rest(server: Server, site: str, report: str, unit: str = "", **params: Any) -> Any:
    """What REST answers over RANGE."""
    period = {**RANGE, "unit": unit} if unit else RANGE
    status, found = sent(server, report, {"websiteId": site, "dateRange": period, **params})
    assert status == 200, found
    return found


def problems(server: Server, report: str, **params: Any) -> list[str]:
    """What REST says is wrong with parameters, of a website there need not be."""
    body = {"websiteId": "0b8a3f2e-7a54-4c7e-9a54-2f6a3f0f0f0f", "dateRange": RANGE, **params}
    # Asked by nobody: what is sent is checked before who sends it.
    status, found = sent(server, report, body, {})
    assert status == 400, found
    assert list(found) == ["error"]
    said: list[str] = found["error"]
    return said


def asked(server: Server, site: str, selection: str, period: str = PERIOD, where: str = "") -> dict[str, Any]:
    """The whole answer to a selection of `analytics`."""
    filtered = f", where: {where}" if where else ""
    return server.graphql(
        f'{{ website(id: "{site}") {{ analytics(period: {period}{filtered}) {{ {selection} }} }} }}'
    )


def graph(server: Server, site: str, selection: str, period: str = PERIOD, where: str = "") -> Any:
    """What GraphQL answers to a selection of `analytics`."""
    answer = asked(server, site, selection, period, where)
    assert "errors" not in answer, answer
    return answer["data"]["website"]["analytics"]


def refused(server: Server, site: str, selection: str, period: str = PERIOD) -> tuple[str, str | None, int]:
    """(code, field, status) of the one error that GraphQL answers."""
    [error] = asked(server, site, selection, period, "")["errors"]
    said = error["extensions"]
    return said["code"], said.get("field"), said["status"]


def fault(server: Server, site: str, selection: str) -> tuple[str, str | None]:
    """Code and field of the one error of a selection."""
    return refused(server, site, selection)[:2]
