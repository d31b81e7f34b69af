"""Reports asked for through both doors."""

from __future__ import annotations

from typing import Any

from tests.server import Server

# Two days, in UTC.
RANGE = {"startDate": "2026-11-10T00:00:00Z", "endDate": "2026-11-11T23:59:59Z"}
PERIOD = '{start: "2026-11-10T00:00:00Z", end: "2026-11-11T23:59:59Z"}'


def posted(server: Server, site: str, report: str, params: dict[str, Any]) -> tuple[int, Any]:
    """Status and JSON of running a report over REST; `params` may replace the website and the range too."""
    body = {"websiteId": site, "dateRange": RANGE, **params}
    answer = server.client.post(f"/api/reports/{report}", json=body, headers=server.admin)
    return answer.status_code, answer.json()


def rest(server: Server, site: str, report: str, **params: Any) -> Any:
    """The result over REST."""
    status, body = posted(server, site, report, params)
    assert status == 200, body
    return body


def asked(server: Server, site: str, selection: str, period: str = PERIOD, where: str = "") -> dict[str, Any]:
    """The whole answer to a selection of `analytics`."""
    filtered = f", where: {where}" if where else ""
    return server.graphql(
        f'{{ website(id: "{site}") {{ analytics(period: {period}{filtered}) {{ {selection} }} }} }}'
    )


def graph(server: Server, site: str, selection: str, period: str = PERIOD, where: str = "") -> Any:
    """The result over GraphQL."""
    answer = asked(server, site, selection, period, where)
    assert "errors" not in answer, answer
    return answer["data"]["website"]["analytics"]


def fault(server: Server, site: str, selection: str) -> tuple[str, str | None]:
    """Code and field of the one error of a selection."""
    [error] = asked(server, site, selection)["errors"]
    return error["extensions"]["code"], error["extensions"].get("field")
