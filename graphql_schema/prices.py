"""What each field costs: one table, shown in the description of every field in it.

A point is about a millisecond of a processor, with DuckDB and a website of a million events a year (0015). All that is
needed for a price is in the document and its variables, so it is known before anything is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from graphql import GraphQLSchema

from graphql_schema.connections import MAX_PAGE

# Days that a scan's price is for: as many or fewer cost the same.
SCAN_DAYS: Final = 30
# Few websites have more than three years; all time is taken for that long, and so is any period that is longer.
MOST_DAYS: Final = 3 * 365 + 1
# A saved report's period is known only when it is run.
SAVED_DAYS: Final = 366
# Rows of a list whose length nothing in the document says.
ASSUMED_ROWS: Final = 50
# Rows of a page that cost a point together.
ROWS_A_POINT: Final = 10
# Entries of an introspection that cost a point together. That is twenty times what they take: they are answered on
# the event loop, where nothing else goes on meanwhile.
ENTRIES_A_POINT: Final = 2


@dataclass(frozen=True, slots=True)
class Price:
    """What a field costs each time that it is resolved.

    `base` points whatever is asked; `scan` points for each started 30 days of the period, once more for each condition
    in `where` on a property or a cohort. `times` names the list argument whose length multiplies the scan, `page` the
    argument that says how many rows there may be. `days` is the length of a period that no argument says.
    """

    base: int = 0
    scan: int = 0
    times: str = ""
    page: str = ""
    compared: bool = False
    days: int = 0

    @property
    def arguments(self) -> frozenset[str]:
        """Names of the arguments that the price depends on."""
        names = {self.times, self.page, "period", "where"}
        return frozenset(names | {"compare", "compareTo"} if self.compared else names) - {""}

    def text(self) -> str:
        """In words."""
        parts = [_points(self.base)] if self.base or not self.scan else []
        if self.scan:
            each = f" and each of `{self.times}`" if self.times else ""
            parts.append(f"{_points(self.scan)} for each started {SCAN_DAYS} days of the period{each}")
        if self.page:
            rows = "rows" if self.page == "first" else f"of `{self.page}`"
            parts.append(f"1 point for {ROWS_A_POINT} {rows}")
        twice = "; the period compared with costs the same again" if self.compared else ""
        return f"Cost: {', '.join(parts)}{twice}."


def _points(count: int) -> str:
    return f"{count} point{'' if count == 1 else 's'}"


_ONE: Final = Price(base=1)
_LIST: Final = Price(base=1, page="first")
_FREE: Final = Price()
# A password is hashed, which takes a tenth of a second by design.
_PASSWORD: Final = Price(base=100)
_EVERYTHING_OF_A_WEBSITE: Final = Price(base=50)
# Looked for in all that a website has.
_SEARCHED: Final = Price(base=20)
_LIST_OF_VISITOR: Final = Price(base=5, page="first")

# What a mutation costs that the table does not name.
CHANGE: Final = Price(base=5)

# Every field that asks a store, by `Type.field`.
PRICES: Final[Mapping[str, Price]] = {
    "Query.me": _ONE,
    "Query.user": _ONE,
    "Query.users": _LIST,
    "Query.team": _ONE,
    "Query.teams": _LIST,
    "Query.website": _ONE,
    "Query.websites": _LIST,
    "Query.allWebsites": _LIST,
    "Query.savedReport": _ONE,
    "Query.savedReports": _LIST,
    "Query.removal": _ONE,
    "Query.removals": _LIST,
    "Query.exportVisitor": _SEARCHED,
    "Query.share": Price(base=10),
    "Query.limits": _FREE,
    "Query.rateLimit": _FREE,
    "User.websites": _LIST,
    "User.teams": _LIST,
    "User.apiKeys": _LIST,
    "User.usage": Price(base=3, scan=5),
    "Team.accessCode": _ONE,
    "Team.myRole": _ONE,
    "Team.members": _LIST,
    "Team.websites": _LIST,
    "Member.user": _FREE,  # all of a page are one statement
    "ApiKey.website": _ONE,
    "SavedReport.author": _FREE,
    "SavedReport.website": _ONE,
    "SavedReport.result": Price(base=3, scan=14, page="first", days=SAVED_DAYS),
    "Website.owner": _FREE,
    "Website.team": _FREE,
    "Website.shares": _ONE,
    "Website.removal": _ONE,
    "Website.segment": _ONE,
    "Website.segments": _ONE,
    "Website.savedReports": _LIST,
    "Website.activeVisitors": Price(base=2),
    "Website.dateRange": Price(base=2),
    "Website.realtime": Price(base=20),
    "Website.values": Price(base=3, scan=1, page="first", days=MOST_DAYS),
    "Website.analytics": _ONE,
    "Analytics.totals": Price(base=3, scan=5, compared=True),
    "Analytics.series": Price(base=3, scan=5),
    "Analytics.breakdown": Price(base=3, scan=6, times="by", page="first"),
    "Analytics.eventSeries": Price(base=3, scan=1, page="first"),
    "Analytics.channels": Price(base=3, scan=5),
    "Analytics.utm": Price(base=3, scan=4, page="first"),
    "Analytics.revenue": Price(base=3, scan=1, page="first"),
    "Analytics.currencies": Price(base=3, scan=1, page="first"),
    "Analytics.attribution": Price(base=3, scan=5),
    "Analytics.funnel": Price(base=3, scan=2, times="steps"),
    "Analytics.goals": Price(base=3, scan=1, times="goals"),
    "Analytics.journeys": Price(base=3, scan=24, page="first"),
    "Analytics.retention": Price(base=3, scan=14),
    "Analytics.events": Price(base=3, scan=1, page="first"),
    "Analytics.eventProperties": Price(base=3, scan=1, page="first"),
    "Analytics.propertyValues": Price(base=3, scan=1, page="first"),
    "Analytics.eventDataTotals": Price(base=3, scan=1),
    "Analytics.sessions": Price(base=3, scan=4, page="first"),
    "Analytics.sessionTotals": Price(base=3, scan=5),
    "Analytics.weekdayHours": Price(base=3, scan=3),
    "Analytics.sessionProperties": Price(base=3, scan=1, page="first"),
    "Analytics.sessionPropertyValues": Price(base=3, scan=2, page="first"),
    "SessionDetails.summary": Price(base=3, scan=1),
    "SessionDetails.activity": Price(base=3, scan=1, page="first"),
    "SessionDetails.properties": Price(base=3),
    "Mutation.login": _PASSWORD,
    "Mutation.createUser": _PASSWORD,
    "Mutation.updateUser": _PASSWORD,
    "Mutation.changePassword": Price(base=200),
    "Mutation.createShare": _PASSWORD,
    "Mutation.updateShare": _PASSWORD,
    "VisitorExport.visits": _LIST_OF_VISITOR,
    "VisitorExport.events": _LIST_OF_VISITOR,
    "VisitorExport.properties": _LIST_OF_VISITOR,
    "VisitorExport.revenue": _LIST_OF_VISITOR,
    "Mutation.deleteVisitor": Price(base=50),
    "Mutation.deleteUser": _EVERYTHING_OF_A_WEBSITE,
    "Mutation.deleteWebsite": _EVERYTHING_OF_A_WEBSITE,
    "Mutation.resetWebsite": _EVERYTHING_OF_A_WEBSITE,
    "Mutation.track": _ONE,
    "Mutation.trackBatch": Price(base=1, page="inputs"),
    # Once, when it begins: what is pushed is free.
    "Subscription.activeVisitors": Price(base=20),
    "Subscription.events": Price(base=20),
    "Subscription.liveTotals": Price(base=20, scan=15),
}


def price_of(type_name: str, field_name: str) -> Price | None:
    """The price of a field, None if it has none."""
    found = PRICES.get(f"{type_name}.{field_name}")
    return CHANGE if found is None and type_name == "Mutation" else found


def show_prices(schema: GraphQLSchema) -> None:
    """Put every price into its field's description: introspection and GraphiQL show no applied directives."""
    for type_name, named in schema.type_map.items():
        for name, field in getattr(named, "fields", {}).items():
            price = price_of(type_name, name)
            if price is not None and (price.base or price.scan):
                field.description = f"{field.description} {price.text()}"


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the fields around a field say of its price: days of the period, scans of a condition each, rows of a list."""

    days: int = MOST_DAYS
    conditions: int = 0
    rows: int = ASSUMED_ROWS


def charge(
    price: Price, arguments: Mapping[str, Any], around: Circumstances, rows: int, compared_days: int = 0
) -> int:
    """Points of one field, its selections left out, for so many rows."""
    times = len(arguments.get(price.times) or ()) if price.times else 1
    scans = _scans(around.days) + (_scans(compared_days) if compared_days else 0)
    points = price.base + price.scan * times * scans * (1 + around.conditions)
    return points + (-(-rows // ROWS_A_POINT) if price.page else 0)


def page_rows(price: Price, arguments: Mapping[str, Any]) -> int:
    """The most rows a field with a page can have; more than a page may have are refused, and cost no more."""
    asked = arguments.get(price.page)
    return len(asked) if isinstance(asked, list) else min(max(asked or 0, 0), MAX_PAGE)


def _scans(days: int) -> int:
    return -(-max(days, 1) // SCAN_DAYS)
