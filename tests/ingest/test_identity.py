"""Ids against the vectors taken from a running reference (Umami v2 REST behaviour §6.1)."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

from app.ingest.identity import Identity
from app.security import server_secret

WEBSITE = "765b9d7c-35d0-4c93-a87f-c869a11eabf2"
IP = "8.8.8.8"
AGENT = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/126.0.0.0 Safari/537.36"
)
AT = datetime(2026, 11, 23, 13, 28, 13, tzinfo=UTC)
SESSION = UUID("1172824f-0864-59d0-ad32-35060a6e1730")
VISIT = UUID("7e0197f3-85e6-5743-adfc-9d5698793bb9")

SECRET = server_secret("test-secret-123")
identity = Identity(SECRET)


def test_anonymous_session_and_its_visit() -> None:
    assert identity.session(WEBSITE, IP, AGENT, "", AT) == SESSION
    assert identity.visit(SESSION, AT) == VISIT


def test_session_with_a_distinct_id() -> None:
    session = identity.session(WEBSITE, IP, AGENT, "user-1", AT)
    assert session == UUID("4a0a171f-d15d-5586-8670-aa2baf539933")
    assert identity.visit(session, AT) == UUID("ea6d50d2-6a49-5a0c-8763-37233893f2c9")


def test_distinct_id_outweighs_address_agent_and_month() -> None:
    elsewhere = identity.session(WEBSITE, "1.1.1.1", "", "user-1", AT + timedelta(days=400))
    assert elsewhere == identity.session(WEBSITE, IP, AGENT, "user-1", AT)


def test_session_lasts_from_the_first_to_the_last_instant_of_a_utc_month() -> None:
    first = datetime(2026, 11, 1, tzinfo=UTC)
    last = datetime(2026, 11, 30, 23, 59, 59, 999_999, tzinfo=UTC)
    assert identity.session(WEBSITE, IP, AGENT, "", first) == SESSION
    assert identity.session(WEBSITE, IP, AGENT, "", last) == SESSION
    before, after = first - timedelta(microseconds=1), last + timedelta(microseconds=1)
    assert len({identity.session(WEBSITE, IP, AGENT, "", at) for at in (before, AT, after)}) == 3


def test_visit_lasts_a_utc_clock_hour() -> None:
    first = datetime(2026, 11, 23, 13, tzinfo=UTC)
    assert identity.visit(SESSION, first) == VISIT
    assert identity.visit(SESSION, first + timedelta(minutes=59, seconds=59)) == VISIT
    assert identity.visit(SESSION, first - timedelta(seconds=1)) != VISIT
    assert identity.visit(SESSION, first + timedelta(hours=1)) != VISIT


def test_other_time_zones_name_the_same_instant() -> None:
    # 2026-12-01 00:30 in Kathmandu is still 18:45 on 30 November in UTC.
    kathmandu = timezone(timedelta(hours=5, minutes=45))
    at = datetime(2026, 12, 1, 0, 30, tzinfo=kathmandu)
    assert identity.session(WEBSITE, IP, AGENT, "", at) == SESSION
    assert identity.visit(SESSION, at) == identity.visit(SESSION, at.astimezone(UTC))


def test_the_website_counts_as_sent() -> None:
    assert identity.session(WEBSITE.upper(), IP, AGENT, "", AT) != SESSION


def test_another_secret_gives_other_ids() -> None:
    other = Identity(server_secret("test-secret-124"))
    assert other.session(WEBSITE, IP, AGENT, "", AT) != SESSION
    assert other.visit(SESSION, AT) != VISIT


def test_visits_in_all_months_and_weekdays() -> None:
    # Four hundred hours over forty years; the digest of their visit ids was computed by a JavaScript engine.
    start, step = datetime(1999, 1, 1, tzinfo=UTC), timedelta(days=37, hours=5)
    visits = "".join(identity.visit(SESSION, start + number * step).hex for number in range(400))
    assert hashlib.sha256(visits.encode()).hexdigest() == (
        "3468e0d69e1672985f27190df0aa6d09e346aea8460ec9fa6a3f667eff618624"
    )
