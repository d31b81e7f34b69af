"""A program on the generated types: reads what it is to send as JSON from standard input, asks as it is typed to ask,
and writes what it was answered. `mypy --strict` refuses an ignore that hides nothing, so each one stands for a mistake
that it finds.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any, TypeVar

from dashi_client import (
    CreateReportInput,
    CreateWebsiteInput,
    Dashi,
    EventFilter,
    EventPageWebsiteAnalyticsEvents,
    FollowLiveTotals,
    GraphQLClientGraphQLMultiError,
    LastPeriod,
    PeriodInput,
    PropertyFilter,
    ReportType,
    RunReportSavedReportResultFunnel,
    StringFilter,
    TrackInput,
)

T = TypeVar("T")

PERIOD = PeriodInput(start="2026-11-10", end="2026-11-11", timezone="Europe/Vienna")
WHERE = EventFilter(
    country=StringFilter(in_=["US", "FR"]),
    or_=[
        EventFilter(path=StringFilter(starts_with="/pri")),
        EventFilter(not_=EventFilter(browser=StringFilter(eq="chrome"))),
    ],
)
PARAMETERS = {
    "dateRange": {"startDate": "2026-11-10T00:00:00Z", "endDate": "2026-11-11T23:59:59Z"},
    "window": 60,
    "steps": [{"type": "url", "value": "/"}, {"type": "event", "value": "signup"}],
}


def present(value: T | None) -> T:
    assert value is not None, "missing in the answer"
    return value


async def page(client: Dashi, site: str, after: str | None) -> EventPageWebsiteAnalyticsEvents:
    where = EventFilter(property_=PropertyFilter(key="n", gte=1))
    answer = await client.event_page(site=site, period=PERIOD, where=where, after=after)
    return present(present(present(answer.website).analytics).events)


async def run(given: dict[str, Any]) -> dict[str, Any]:
    async with Dashi(given["url"]) as visitor:
        login = present((await visitor.log_in(given["username"], given["password"])).login)
    headers = {"Authorization": f"Bearer {login.token}"}
    address = given["url"].replace("http", "ws", 1)
    async with Dashi(
        given["url"], headers=headers, ws_url=address, ws_connection_init_payload=headers
    ) as client:
        added = await client.add_website(CreateWebsiteInput(name="Typed", domain="typed.example"))
        site: str = present(added.create_website).id
        hits = [TrackInput(website=site, **hit) for hit in given["hits"]]
        collected = await client.collect(hits)
        dashboard = await client.dashboard(site=site, period=PERIOD)
        filtered = await client.dashboard(site=site, period=PERIOD, where=WHERE)

        pages = []
        after, more = None, True
        while more:
            one = await page(client, site, after)
            pages.append([node.model_dump(mode="json", by_alias=True) for node in one.nodes])
            after, more = one.page_info.end_cursor, one.page_info.has_next_page

        new = CreateReportInput(type_=ReportType.FUNNEL, name="Signups", parameters=PARAMETERS)
        report = present((await client.save_report(site, new)).create_report)
        result = present((await client.run_report(report.id)).saved_report).result
        # The union is told apart by its class, and only then has the fields of one.
        steps = result.steps if isinstance(result, RunReportSavedReportResultFunnel) else []
        visitors: list[int] = [step.visitors for step in steps]
        remaining: list[float | None] = [step.remaining for step in steps]

        pushes: list[FollowLiveTotals] = []
        following = client.follow(site=site, period=PERIOD)
        async for push in following:
            pushes.append(push.live_totals)
            if len(pushes) == 2:
                break
            await client.collect([hits[2]])

        try:
            await client.dashboard(site="0", period=PERIOD)
        except GraphQLClientGraphQLMultiError as error:
            refused = {"data": error.data, "errors": [one.original for one in error.errors]}

    return {
        "website": present(added.create_website).model_dump(mode="json", by_alias=True),
        "collected": collected.model_dump(mode="json", by_alias=True)["trackBatch"],
        "dashboard": dashboard.model_dump(mode="json", by_alias=True),
        "filtered": filtered.model_dump(mode="json", by_alias=True),
        "pages": pages,
        "report": report.model_dump(mode="json", by_alias=True),
        "visitors": visitors,
        "remaining": remaining,
        "pushes": [push.model_dump(mode="json", by_alias=True) for push in pushes],
        "refused": refused,
    }


async def mistakes(client: Dashi, site: str) -> None:
    """What must not pass, since the server would refuse it or the value may not be there."""
    PeriodInput(last=LastPeriod.DAYS_8)  # type: ignore[attr-defined]
    EventFilter(country="US")  # type: ignore[arg-type]
    EventFilter(planet=StringFilter(eq="Earth"))  # type: ignore[call-arg]
    TrackInput(url="/")  # type: ignore[call-arg]
    await client.dashboard(period=PERIOD)  # type: ignore[call-arg]
    answer = await client.dashboard(site=site, period=PERIOD)
    print(answer.website.name)  # type: ignore[union-attr]  # noqa: T201
    result = present((await client.run_report(site)).saved_report).result
    print(present(result).steps)  # type: ignore[attr-defined]  # noqa: T201


if __name__ == "__main__":
    json.dump(asyncio.run(run(json.load(sys.stdin))), sys.stdout)
