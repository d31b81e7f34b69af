from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import sqlalchemy as sa

from app.settings import Settings
from app.tables import WEBSITE_TABLES
from tests.populate import CHROME, Visitor, happening, populate, view
from tests.server import running

DAY = {"startDate": "2026-11-10T00:00:00Z", "endDate": "2026-11-10T23:59:59Z"}


PARTS = (
    "SELECT oid::regclass FROM pg_class WHERE relkind = 'r' AND "
    f"relname ~ '^({'|'.join(table.name for table in WEBSITE_TABLES)})'"
)


def test_what_has_just_come_is_asked_for_at_once(make_settings: Callable[..., Settings]) -> None:
    """PostgreSQL looks at its tables after a minute by itself; here it never does. What takes long is not answered."""
    with running(make_settings("postgresql", statement_timeout=5)) as server:
        with server.runtime.events.engine.begin() as connection:
            for part in connection.scalars(sa.text(PARTS)).all():
                connection.exec_driver_sql(f"ALTER TABLE {part} SET (autovacuum_enabled = off)")
        website = server.create_website()
        begun = dt.datetime(2026, 11, 10)
        for number in range(300):
            visitor = Visitor(f"198.51.100.{number % 250}", f"{CHROME} {number}", "1920x1080", "en-US")
            at = [str(begun + dt.timedelta(minutes=number, seconds=after)) for after in (0, 10, 20)]
            visit = [
                view(visitor, at[0], "/?utm_source=news"),
                happening(visitor, at[1], "/", "seen", {"plan": "pro"}),
            ]
            bought = [happening(visitor, at[2], "/", "bought", {"revenue": 2, "currency": "EUR"})]
            populate(server, website, visit + bought * (number % 3 == 0))
        steps = [{"type": "event", "value": "bought"}]
        asked = {"websiteId": website, "dateRange": DAY, "model": "lastClick", "steps": steps}
        answer = server.client.post("/api/reports/attribution", json=asked, headers=server.admin)
        assert answer.status_code == 200, answer.text
        assert answer.json()["total"] == {"pageviews": 100, "visitors": 100, "visits": 100}
