"""Saved reports in the core: what is stored, and how one is run."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from app import saved_reports
from app.context import Ctx
from app.errors import Hidden, Invalid, Malformed
from app.models import SavedReport
from app.paging import Window
from app.reports import registry
from app.reports.registry import REPORTS
from tests.populate import VECTORS, populate
from tests.rest_compat.people import Person, add_person
from tests.server import Actor, Kind, Server

DATES = {"startDate": "2026-11-10T00:00:00.000Z", "endDate": "2026-11-11T23:59:59.000Z"}
RANGE = {"dateRange": DATES}
FUNNEL = {"window": 60, "steps": [{"type": "url", "value": "/"}, {"type": "url", "value": "/pricing"}]}


def save(ctx: Ctx, site: str, kind: str = "utm", **parameters: Any) -> SavedReport:
    return saved_reports.create(
        ctx, UUID(site), kind=kind, name="n", description="", parameters={**RANGE, **parameters}
    )


def test_every_type_of_a_saved_report_is_a_report() -> None:
    assert set(REPORTS) == set(saved_reports.TYPES)
    assert {name: report.name for name, report in REPORTS.items()} == dict(zip(REPORTS, REPORTS, strict=True))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"kind": "bogus"}, "type"),
        ({"name": "x" * 201}, "name"),
        ({"name": "a\0"}, "name"),
        ({"description": "\ud83d"}, "description"),
        ({"description": "x" * 501}, "description"),
        ({"parameters": {"x": "x" * 65_536}}, "parameters"),
    ],
    ids=str,
)
def test_refused(ctx: Ctx, website: str, changes: dict[str, Any], field: str) -> None:
    given: dict[str, Any] = {"kind": "utm", "name": "n", "description": "", "parameters": {}}
    kept = saved_reports.create(ctx, UUID(website), **given)
    for attempt in (
        lambda: saved_reports.create(ctx, UUID(website), **{**given, **changes}),
        lambda: saved_reports.update(ctx, kept.report_id, **changes),
    ):
        with pytest.raises(Invalid) as refused:
            attempt()
        assert refused.value.field == field
    rows = saved_reports.of_website(ctx, UUID(website), Window()).rows
    assert [(row.name, row.description, row.parameters) for row in rows] == [("n", "", {})]


def test_pages_hold_still(server: Server) -> None:
    ann = add_person(server)
    made = server.client.post(
        "/api/websites", json={"name": "A", "domain": "a.example"}, headers=ann.headers
    ).json()
    with server.ctx(Actor(Kind.USER, user_id=UUID(ann.id))) as ctx:
        for number in range(3):
            save(ctx, made["id"]).name = f"n{number}"
        whole = saved_reports.own(ctx, Window())
        assert whole.count == 3
        last = whole.rows[0]
        beyond = saved_reports.own(ctx, Window(limit=1, after=(last.created_at, last.report_id)))
        assert [row.report_id for row in beyond.rows] == [whole.rows[1].report_id]


@pytest.fixture(scope="module")
def site(server: Server) -> str:
    website_id = server.create_website()
    populate(server, website_id, VECTORS)
    return website_id


def test_a_saved_report_runs_over_its_website_and_period(server: Server, site: str) -> None:
    elsewhere = server.create_website()
    with server.ctx() as ctx:
        # It is about the website it is saved for, whichever its parameters name.
        saved = save(ctx, site, "funnel", websiteId=elsewhere, extra="kept", **FUNNEL)
        ran = registry.run_saved(ctx, saved.report_id)
        assert (ran.name, [step.visitors for step in ran.result]) == ("funnel", [3, 2])
        assert str(ran.scope.website_id) == site
        assert ran.scope.period.start == dt.datetime(2026, 11, 10, tzinfo=dt.UTC)
        moved = saved_reports.update(ctx, saved.report_id, website_id=UUID(elsewhere))
        assert [step.visitors for step in registry.run_saved(ctx, moved.report_id).result] == [0, 0]


@pytest.mark.parametrize(
    ("parameters", "zone"),
    [
        ({}, "Asia/Tokyo"),
        ({"timezone": "Europe/Berlin"}, "Europe/Berlin"),
        ({"dateRange": {**DATES, "timezone": "Europe/Berlin"}}, "Europe/Berlin"),
    ],
    ids=str,
)
def test_the_time_zone_is_the_saved_one_if_there_is_one(
    server: Server, site: str, parameters: dict[str, Any], zone: str
) -> None:
    """Clients add theirs when they run a report, and do not save it."""
    with server.ctx() as ctx:
        saved = save(ctx, site, "retention", **parameters)
        ran = registry.run_saved(ctx, saved.report_id, ZoneInfo("Asia/Tokyo"))
        assert ran.scope.period.zone.key == zone
        # 10:00 UTC is the evening of the same day in Tokyo too.
        assert [cohort.visitors for cohort in ran.result] == [3]


@pytest.mark.parametrize(
    ("kind", "parameters", "field"),
    [
        ("utm", {}, "dateRange"),
        ("utm", {"dateRange": {"startDate": "x", "endDate": "y"}}, "dateRange"),
        ("utm", {"dateRange": {**DATES, "timezone": "Mars/Base"}}, "dateRange"),
        ("funnel", {**RANGE, "window": 60}, "steps"),
        ("insights", {**RANGE, "fields": [{"name": "bogus"}], "filters": []}, "fields"),
        ("journey", {**RANGE, "steps": 2}, "steps"),
        ("revenue", {**RANGE}, "currency"),
    ],
    ids=str,
)
def test_parameters_that_are_none_of_the_report(
    server: Server, site: str, kind: str, parameters: dict[str, Any], field: str
) -> None:
    """They can be saved, as Umami's clients save anything, and not be run."""
    with server.ctx() as ctx:
        saved = saved_reports.create(
            ctx, UUID(site), kind=kind, name="n", description="", parameters=parameters
        )
        with pytest.raises(Malformed) as refused:
            registry.run_saved(ctx, saved.report_id)
        assert refused.value.field == field
        with pytest.raises(Malformed):
            registry.check(kind, parameters, UUID(site))


def test_what_a_report_does_not_know_is_named(website: str) -> None:
    given = {**RANGE, **FUNNEL, "timezone": "utc", "websiteId": website}
    registry.check("funnel", given, UUID(website))
    with pytest.raises(Invalid) as refused:
        registry.check("funnel", {**given, "windows": 60}, UUID(website))
    assert (refused.value.field, refused.value.message) == ("windows", "funnel does not take 'windows'")
    with pytest.raises(Invalid) as refused:
        registry.check("bogus", given, UUID(website))
    assert refused.value.field == "type"


def test_a_report_of_a_website_that_its_author_sees_no_more_does_not_run(server: Server) -> None:
    owner, member = add_person(server), add_person(server)
    team = _post(server, "/api/teams", owner, {"name": "T"})[0]["id"]
    server.client.post(
        f"/api/teams/{team}/users",
        json={"userId": member.id, "role": "team-member"},
        headers=server.admin,
    ).raise_for_status()
    website = _post(server, f"/api/teams/{team}/websites", owner, {"name": "S", "domain": "s.example"})["id"]
    author = Actor(Kind.USER, user_id=UUID(member.id))
    with server.ctx(author) as ctx:
        saved = save(ctx, website)
        assert registry.run_saved(ctx, saved.report_id).result == []
    server.client.delete(f"/api/teams/{team}/users/{member.id}", headers=server.admin).raise_for_status()
    with server.ctx(author) as ctx:
        assert saved_reports.get(ctx, saved.report_id).name == "n"
        with pytest.raises(Hidden):
            registry.run_saved(ctx, saved.report_id)


def _post(server: Server, path: str, person: Person, body: dict[str, Any]) -> Any:
    answer = server.client.post(path, json=body, headers=person.headers)
    assert answer.status_code == 200, answer.text
    return answer.json()
