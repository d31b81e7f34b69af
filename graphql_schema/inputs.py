"""What callers send, and how it becomes the core's words."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import strawberry

from app import shares
from app.errors import Invalid
from app.keep import KEEP, Keep
from app.rules import MAX_ENTRIES
from app.stats.period import Last, Period, last, time_zone
from app.stats.zones import UTC
from graphql_schema.enums import described
from graphql_schema.types import Data, Int64, Moment

MAX_DIMENSIONS: Final = 3
MAX_BATCH: Final = 500
MAX_RANGE_DAYS: Final = 36_600  # a hundred years: a series needs every change of the time zone's offset

_UNSET: Final[Any] = strawberry.UNSET

described(
    Last,
    "A period named from now; days are those of the time zone, today included up to now.",
    {
        "HOUR": "The last 60 minutes.",
        "HOURS_24": "The last 24 hours.",
        "DAYS_7": "Today and the six days before.",
        "DAYS_30": "Today and the 29 days before.",
        "DAYS_90": "Today and the 89 days before.",
        "MONTHS_12": "This month and the eleven before.",
        "TODAY": "Today.",
        "YESTERDAY": "The whole of yesterday.",
        "THIS_WEEK": "This week, from Monday.",
        "THIS_MONTH": "This month.",
        "THIS_YEAR": "This year.",
    },
    name="LastPeriod",
)


@strawberry.input(
    description="A period: exactly one of `start` with `end`, `last`, or `all: true`, and the time zone its days and "
    "buckets follow. Both ends belong to it."
)
class PeriodInput:
    start: Moment | None = strawberry.field(default=None, description="The first moment; goes with `end`.")
    end: Moment | None = strawberry.field(default=None, description="The last moment; goes with `start`.")
    last: Last | None = strawberry.field(default=None, description="A period relative to now.")
    all: bool | None = strawberry.field(default=None, description="true: from the first to the last event.")
    timezone: str | None = strawberry.field(
        default=None,
        description="IANA time zone, e.g. `Europe/Berlin`, upper or lower case; if absent, that of the period compared "
        "with, else UTC.",
    )


def to_period(given: PeriodInput, now: dt.datetime, zone: ZoneInfo = UTC) -> Period:
    """The core's period, in this zone unless it names another; all time is left for `open_scope` to resolve.

    Raises Invalid naming the part at fault.
    """
    forms = [name for name in ("start", "end", "last", "all") if getattr(given, name) is not None]
    if forms in (["start"], ["end"]):
        missing = "end" if forms == ["start"] else "start"
        raise Invalid(f"{missing} is missing: start and end go together", field=missing)
    if forms not in (["start", "end"], ["last"], ["all"]) or given.all is False:
        raise Invalid("A period is exactly one of start with end, last, or all: true", field="period")
    if given.timezone is not None:
        zone = time_zone(given.timezone)
    if given.last is not None:
        return last(given.last, now, zone)
    if given.start is None or given.end is None:
        return Period.all_time(zone)
    try:
        start, end = given.start.first(zone), given.end.last(zone)
    except OverflowError:
        raise Invalid("A period lies within the years 1 to 9999", field="period") from None
    if start > end:
        raise Invalid("start is after end", field="start")
    if end - start > dt.timedelta(days=MAX_RANGE_DAYS):
        raise Invalid(f"A period has at most {MAX_RANGE_DAYS} days", field="period")
    return Period(start, end, zone)


def to_text(given: str | None, field: str) -> str:
    """A text argument, '' if absent. Raises Invalid for NUL, which no store can hold."""
    if given and "\0" in given:
        raise Invalid(f"{field} must not contain NUL characters", field=field)
    return given or ""


def not_empty(given: str, field: str) -> str:
    """The text. Raises Invalid if it is blank."""
    if not given.strip():
        raise Invalid(f"{field} must not be empty", field=field)
    return given


def keep_or_text(given: str | None, field: str) -> str | Keep:
    """A text of an update, KEEP where it was left out. Raises Invalid for null and for blank texts."""
    if given is strawberry.UNSET:
        return KEEP
    if given is None:
        raise Invalid(f"{field} must not be null", field=field)
    return not_empty(to_text(given, field), field)


def keep_or_list(given: list[str] | None, field: str) -> list[str] | Keep:
    """A list of an update, KEEP where it was left out. Raises Invalid for null."""
    if given is strawberry.UNSET:
        return KEEP
    if given is None:
        raise Invalid(f"{field} must not be null; an empty list removes what is there", field=field)
    return given


_ALLOWED_HOSTS: Final = f"Hosts whose pages' hits are taken, `*.example.com` for all below one, at most {MAX_ENTRIES}; empty: any host's."
_EXCLUDED_HOSTS: Final = f"Hosts whose pages' hits are dropped, at most {MAX_ENTRIES}."
_EXCLUDED_ADDRESSES: Final = f"Addresses and CIDR ranges whose hits are dropped, at most {MAX_ENTRIES}."


@strawberry.input(description="A new website.")
class CreateWebsiteInput:
    name: str = strawberry.field(description="Display name, 1 to 100 characters.")
    domain: str = strawberry.field(
        description="Domain, 1 to 500 characters; for display, it filters nothing."
    )
    share_id: str | None = strawberry.field(
        default=None,
        description="Slug of a link that lets anyone read the figures, 8 to 16 letters and digits.",
    )
    team_id: strawberry.ID | None = strawberry.field(
        default=None, description="The team it is for; yours if absent."
    )
    id: strawberry.ID | None = strawberry.field(
        default=None, description="Its id, a UUID, if it must be a certain one; else a random one is made."
    )
    allowed_hosts: list[str] = strawberry.field(default_factory=list, description=_ALLOWED_HOSTS)
    excluded_hosts: list[str] = strawberry.field(default_factory=list, description=_EXCLUDED_HOSTS)
    excluded_addresses: list[str] = strawberry.field(default_factory=list, description=_EXCLUDED_ADDRESSES)
    retention_days: int | None = strawberry.field(
        default=None, description="Days that events are kept, 1 to 36500; for ever if absent."
    )

    def checked(self) -> CreateWebsiteInput:
        """Itself. Raises Invalid for what REST lets pass for old clients' sake: empty texts, a slug easy to guess."""
        for name in ("name", "domain"):
            not_empty(getattr(self, name), name)
        if self.share_id is not None:
            shares.check_slug(self.share_id)
        return self

    def uuid(self) -> UUID | None:
        """The chosen id. Raises Invalid if it is no UUID."""
        if self.id is None:
            return None
        try:
            return UUID(self.id)
        except ValueError:
            raise Invalid("An id is a UUID", field="id") from None


@strawberry.input(description="Changes of a website. What is not given stays as it is.")
class UpdateWebsiteInput:
    name: str | None = strawberry.field(default=_UNSET, description="Display name, 1 to 100 characters.")
    domain: str | None = strawberry.field(default=_UNSET, description="Domain, 1 to 500 characters.")
    share_id: str | None = strawberry.field(
        default=_UNSET, description="Slug of the share link, 8 to 16 letters and digits; null ends the link."
    )
    allowed_hosts: list[str] | None = strawberry.field(default=_UNSET, description=_ALLOWED_HOSTS)
    excluded_hosts: list[str] | None = strawberry.field(default=_UNSET, description=_EXCLUDED_HOSTS)
    excluded_addresses: list[str] | None = strawberry.field(default=_UNSET, description=_EXCLUDED_ADDRESSES)
    retention_days: int | None = strawberry.field(
        default=_UNSET,
        description="Days that events are kept, 1 to 36500; null: for ever. What is older counts nowhere from now on, is "
        "removed soon, and does not come back when more days are kept later.",
    )


class TrackType(StrEnum):
    EVENT = "event"
    IDENTIFY = "identify"


described(
    TrackType,
    "What a hit is.",
    {
        "EVENT": "A page view, or a custom event if it has a name.",
        "IDENTIFY": "Properties of the visitor's session; counts nothing.",
    },
)


@strawberry.input(
    description="One hit, as the tracker sends it. With `name` it is a custom event, without a page view."
)
class TrackInput:
    website: strawberry.ID = strawberry.field(description="The website's id, a UUID.")
    type: TrackType = strawberry.field(default=TrackType.EVENT, description="What the hit is.")
    url: str | None = strawberry.field(
        default=None, description="Address of the page, absolute or from the site's root, query included."
    )
    hostname: str | None = strawberry.field(
        default=None, description="Host of the page, at most 100 characters."
    )
    title: str | None = strawberry.field(
        default=None, description="Title of the page; 500 characters are kept."
    )
    referrer: str | None = strawberry.field(default=None, description="Address of the page before.")
    language: str | None = strawberry.field(
        default=None, description="The visitor's language, e.g. `en-US`, at most 35 characters."
    )
    screen: str | None = strawberry.field(
        default=None, description="Screen size in pixels, e.g. `1920x1080`."
    )
    name: str | None = strawberry.field(
        default=None, description="Name of a custom event, at most 50 characters."
    )
    tag: str | None = strawberry.field(default=None, description="A tag of your own, at most 50 characters.")
    id: str | None = strawberry.field(
        default=None,
        description="Your own id of the visitor: their events form one session, whatever the address.",
    )
    data: Data | None = strawberry.field(
        default=None,
        description="An object: properties of the event, or of the session if `type` is IDENTIFY.",
    )
    ip: str | None = strawberry.field(
        default=None, description="The visitor's address, for servers; else the request's."
    )
    user_agent: str | None = strawberry.field(
        default=None, description="The visitor's user agent, for servers; else the request's."
    )
    timestamp: Int64 | None = strawberry.field(
        default=None, description="When it happened, in seconds since 1970, for servers; else now."
    )

    def body(self) -> dict[str, Any]:
        """The body of `POST /api/send` that says the same (Umami v2 REST behaviour §2.1); null is as absent."""
        named = {"userAgent" if name == "user_agent" else name: value for name, value in vars(self).items()}
        payload = {name: value for name, value in named.items() if name != "type" and value is not None}
        return {"type": self.type.value, "payload": payload}
