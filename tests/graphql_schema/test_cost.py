"""Prices of operations, from documents alone."""

from __future__ import annotations

import datetime as dt
from typing import Any

from graphql import GraphQLObjectType, build_schema, get_introspection_query, parse, validate
from hypothesis import given
from hypothesis import strategies as st

from app.settings import Settings
from graphql_schema.cost import Quote
from graphql_schema.plans import Plans
from graphql_schema.prices import CHANGE, PRICES, Price
from graphql_schema.schema import make_schema

SCHEMA = make_schema(Settings())._schema
NOW = dt.datetime(2026, 11, 26, 12, tzinfo=dt.UTC)
ANALYTICS = "{ website(id: 1) { analytics(period: %s) { %s } } }"
MONTH = "{ last: DAYS_30 }"


def quoted(document: str, operation_name: str | None = None, **variables: Any) -> Quote:
    parsed = parse(document)
    assert validate(SCHEMA, parsed) == []
    found = Plans(SCHEMA, parsed).quote(operation_name, variables, NOW)
    assert found is not None
    return found


def price(document: str, operation_name: str | None = None, **variables: Any) -> int:
    return quoted(document, operation_name, **variables).requested


def of_analytics(fields: str, period: str = MONTH) -> int:
    """Points of fields of `analytics`; the website and the analytics around them cost one each."""
    return price(ANALYTICS % (period, fields)) - 2


def asking() -> set[str]:
    """Every field whose resolver has the means to ask a store."""
    return {
        f"{named.name}.{name}"
        for named in SCHEMA.type_map.values()
        if isinstance(named, GraphQLObjectType)
        for name, field in named.fields.items()
        if (definition := field.extensions.get("strawberry-definition")) is not None
        and definition.base_resolver is not None
        and definition.base_resolver.info_parameter is not None
    }


def test_every_field_that_asks_a_store_has_a_price() -> None:
    changes = {name for name in asking() if name.startswith("Mutation.")}
    assert asking() - PRICES.keys() - changes == set()
    subscriptions = {name for name in PRICES if name.startswith("Subscription.")}
    assert PRICES.keys() - asking() - subscriptions == set()
    assert CHANGE.base > 0


def test_every_price_is_told_where_the_field_is_described() -> None:
    analytics = SCHEMA.type_map["Analytics"]
    assert isinstance(analytics, GraphQLObjectType)
    assert analytics.fields["channels"].description == (
        "Visitors by how they came: always all 14 channels, most visitors first. "
        "Cost: 3 points, 5 points for each started 30 days of the period."
    )
    assert (analytics.fields["breakdown"].description or "").endswith(
        "Cost: 3 points, 6 points for each started 30 days of the period and each of `by`, 1 point for 10 rows."
    )
    told = {
        f"{named.name}.{name}"
        for named in SCHEMA.type_map.values()
        for name, field in getattr(named, "fields", {}).items()
        if " Cost: " in (field.description or "")
    }
    assert told == {name for name in asking() if PRICES.get(name, CHANGE) != Price()}


def test_the_price_grows_with_the_period() -> None:
    for period, scans in (
        ("{ last: TODAY }", 1),
        ("{ last: DAYS_30 }", 1),
        ('{ start: "2026-01-01", end: "2026-01-30" }', 1),
        ('{ start: "2026-01-01", end: "2026-01-31" }', 2),
        ("{ last: DAYS_90 }", 3),
        ('{ start: "2025-11-27", end: "2026-11-26" }', 13),
        ("{ all: true }", 37),
        ('{ start: "1900-01-01", end: "1999-12-31" }', 37),  # longer than any website has events for
        ('{ start: "2026-01-01" }', 37),  # refused by the field itself
    ):
        assert of_analytics("channels { channel }", period) == 3 + 5 * scans, period


def test_the_price_grows_with_dimensions_rows_steps_and_comparisons() -> None:
    for fields, points in (
        ("breakdown(by: [PATH], first: 10) { nodes { values } }", 10),
        ("breakdown(by: [PATH, OS, CITY], first: 100) { nodes { values } }", 31),
        ("breakdown(by: [PATH]) { nodes { values } edges { cursor } }", 10),
        ("totals { visits { value } }", 8),
        ("totals(compare: PREVIOUS) { visits { value } }", 13),
        ("totals(compareTo: { last: DAYS_90 }) { visits { value } }", 23),
        ('funnel(steps: [{ path: "/" }, { path: "/b" }, { event: "c" }], windowMinutes: 5) { steps { visitors } }', 9),
        ("sessions(first: 20) { totalCount }", 9),
        ("period { start }", 0),
    ):  # fmt: skip
        assert of_analytics(fields) == points, fields


def test_filters_that_look_elsewhere_cost_a_scan_each() -> None:
    document = "query($w: EventFilter) { website(id: 1) { analytics(period: {last: DAYS_7}, where: $w) { channels { channel } } } }"
    held = {"property": {"key": "plan", "eq": "pro"}}
    for where, factor in (
        (None, 1),
        ({"country": {"eq": "DE"}}, 1),
        (held, 2),
        ({"or": [held, {"not": held}, {"and": [{"cohort": "x"}, {"path": {"eq": "/"}}]}]}, 4),
        ({"path": {"in": ["/"] * 49}}, 1),
        ({"path": {"in": ["/"] * 50}, "not": {"title": {"notIn": ["x"] * 100}}}, 4),
        ({"and": [{"path": {"contains": "x", "isSet": True}}] * 20}, 3),
    ):
        assert price(document, w=where) == 2 + 3 + 5 * factor


def test_lists_multiply_what_is_below_them() -> None:
    each = 1 + 8  # analytics and channels
    below = "analytics(period: {last: DAYS_7}) { channels { channel } }"
    assert price(f"{{ websites(first: 50) {{ nodes {{ {below} }} }} }}") == 1 + 5 + 50 * each
    assert price(f"{{ websites {{ edges {{ node {{ {below} }} }} }} }}") == 1 + 2 + 20 * each
    assert (
        price(f"query($n: Int! = 7) {{ websites(first: $n) {{ nodes {{ {below} }} }} }}") == 1 + 1 + 7 * each
    )
    # More rows than a page may have are refused by the list itself.
    huge = f"{{ websites(first: 2147483647) {{ nodes {{ {below} }} }} }}"
    assert price(huge) == 1 + 10 + 100 * each
    assert price("{ users(first: 100) { nodes { websites(first: 100) { nodes { id } } } } }") == 11 + 100 * 11
    # Nothing says how long this list is.
    usage = f"{{ me {{ usage(period: {{last: DAYS_7}}) {{ websites {{ website {{ {below} }} }} }} }} }}"
    assert price(usage) == 1 + 8 + 50 * each


def test_skipped_fields_cost_nothing() -> None:
    document = """query($more: Boolean!) { website(id: 1) { analytics(period: {last: DAYS_7}) {
        channels @include(if: $more) { channel } ...Week @skip(if: $more) ... @include(if: false) { weekdayHours }
    } } } fragment Week on Analytics { retention { date } }"""
    assert price(document, more=True) == 2 + 8
    assert price(document, more=False) == 2 + 17


def test_one_plan_is_not_taken_for_another() -> None:
    parsed = parse(
        "query A($x: Boolean!) { me { id } version @skip(if: $x) } query B { me @skip(if: false) { teams { totalCount } } }"
    )
    plans = Plans(SCHEMA, parsed)
    for _ in range(2):
        for name, variables, points in (("A", {"x": True}, 1), ("A", {"x": False}, 1), ("B", {}, 4)):
            found = plans.quote(name, variables, NOW)
            assert found is not None
            assert found.requested == points
    assert plans.quote("C", {}, NOW) is None
    assert plans.quote("A", {}, NOW) is None


def test_fields_are_merged_as_they_are_executed() -> None:
    tile = "analytics(period: {last: DAYS_7}) { channels { %s } }"
    document = f"""{{ website(id: 1) {{ {tile % "channel"} ...A ...A ... {{ {tile % "channel"} }} }} }}
        fragment A on Website {{ {tile % "visitors"} }}"""
    assert price(document) == 2 + 8
    assert price(f"{{ website(id: 1) {{ {tile % 'channel'} other: {tile % 'channel'} }} }}") == 1 + 2 * 9


def test_fragments_that_double_are_walked_once() -> None:
    """Each spreads the next one in two fields: walking each place would take 2**40 steps."""
    chain = "".join(
        f" fragment F{i} on Website {{ a: team {{ websites(first: 1) {{ nodes {{ ...F{i + 1} }} edges {{ node {{ ...F{i + 1} }} }} }} }} }}"
        for i in range(40)
    )
    last = " fragment F40 on Website { activeVisitors }"
    # At each of 40 levels twice what is below, and 2 for the page.
    expected = 2
    for _ in range(40):
        expected = 2 + 2 * expected
    # Validation gives up at a nesting like this one before anything is priced.
    found = Plans(SCHEMA, parse(f"{{ website(id: 1) {{ ...F0 }} }}{chain}{last}")).quote(None, {}, NOW)
    assert found is not None
    assert found.requested == 1 + expected


def test_introspection_has_a_price_and_a_flood_a_higher_one() -> None:
    assert price("{ __typename }") == 1
    assert price("{ __schema { queryType { name } } }") == 1
    usual = price(get_introspection_query())
    flood = price("{ __schema { types { fields { type { fields { args { type { name } } } } } } } }")
    assert 500 < usual < 1500
    assert flood > usual
    assert price(f"{{ {' '.join(f'a{i}: __schema {{ types {{ fields {{ name }} }} }}' for i in range(9))} }}") == 9 * price(
        "{ __schema { types { fields { name } } } }"
    )  # fmt: skip


def test_changes_are_cheap_and_hits_cheaper() -> None:
    assert price('mutation { createTeam(name: "x") { id } }') == 5
    assert price('mutation { login(username: "a", password: "b") { token } }') == 100
    hit = {"website": "x", "url": "/"}
    assert price("mutation($i: TrackInput!) { track(input: $i) { accepted } }", i=hit) == 1
    batch = "mutation($i: [TrackInput!]!) { trackBatch(inputs: $i) { accepted } }"
    assert price(batch, i=[hit]) == 2
    assert price(batch, i=[hit] * 500) == 51


def test_subscriptions_are_priced_when_they_begin() -> None:
    """By the schema that has them; here by one that is written down."""
    schema = build_schema("""
        type Query { version: String }
        input PeriodInput { all: Boolean }
        input Filter { property: String, or: [Filter!] }
        type Totals { visits: Int }
        type Subscription {
            activeVisitors(websiteId: ID!): Int
            liveTotals(websiteId: ID!, period: PeriodInput!, where: Filter): Totals
        }
    """)
    document = "subscription($w: Filter) { %s }"
    for field, points in (
        ("activeVisitors(websiteId: 1)", 20),
        ("liveTotals(websiteId: 1, period: {all: true}, where: $w) { visits }", 20 + 15 * 37 * 2),
    ):
        found = Plans(schema, parse(document % field)).quote(None, {"w": {"or": [{"property": "x"}]}}, NOW)
        assert found is not None
        assert found.requested == points


def test_what_is_asked_in_earnest_is_far_from_the_limit() -> None:
    """The tiles of the README's dashboard over a year, all time, and a list of websites with their totals."""
    tiles = " ".join(
        f"t{i}: breakdown(by: [{name}]) {{ nodes {{ values visitors }} }}"
        for i, name in enumerate(("PATH", "REFERRER", "BROWSER", "OS", "DEVICE", "COUNTRY", "CITY", "LANGUAGE"))
    )  # fmt: skip
    dashboard = f"""totals(compare: PREVIOUS) {{ visits {{ value }} }} series {{ visitors }} channels {{ channel }}
        sessions {{ nodes {{ id }} }} events {{ nodes {{ id }} }} weekdayHours {tiles}"""
    limit = Settings().graphql_max_cost
    year = of_analytics(dashboard, '{ start: "2025-11-27", end: "2026-11-26" }')
    assert year == 14 * 3 + 13 * (10 + 5 + 5 + 4 + 1 + 3 + 8 * 6) + 2 * 2 + 8
    assert year * 5 < limit
    assert of_analytics(dashboard, "{ all: true }") * 3 < limit
    sites = "{ websites(first: 50) { nodes { analytics(period: {last: MONTHS_12}) { totals { visits { value } } } } } }"
    assert price(sites) * 2 < limit
    many = sites.replace("50", "100").replace(
        "totals { visits { value } }", "breakdown(by: [PATH, OS]) { nodes { values } }"
    )
    assert price(many) > limit


def test_what_was_done_is_told_from_the_answer() -> None:
    found = quoted(
        "{ websites(first: 40) { nodes { analytics(period: {all: true}) { channels { channel } breakdown(by: [PATH], first: 50) { nodes { values } } } } } }"
    )
    assert found.requested == 1 + 4 + 40 * (1 + 3 + 5 * 37 + 3 + 6 * 37 + 5)
    row = {"analytics": {"channels": [], "breakdown": {"nodes": [{"values": ["/"]}] * 12}}}
    failed = {"analytics": {"channels": None, "breakdown": None}}
    # Two websites: of one 61 days were looked through and 12 rows found, the other's analytics could not be opened.
    done = found.actual(
        {"websites": {"nodes": [row, {"analytics": None}]}}, {("websites", "nodes", 0, "analytics"): 61}
    )
    assert done == 1 + 1 + (1 + 3 + 5 * 3 + 3 + 6 * 3 + 2) + 1
    # What failed has run, and it is not known over how many days.
    assert found.actual({"websites": {"nodes": [failed]}}, {}) == 1 + 1 + (1 + 3 + 5 * 37 + 3 + 6 * 37)
    assert found.actual({"websites": None}, {}) == 1
    assert found.actual(None, {}) == found.requested


FIELDS = (
    "totals { visits { value } }",
    "totals(compare: PREVIOUS) { visits { value } }",
    "series { at }",
    "breakdown(by: [PATH], first: %d) { nodes { values } edges { cursor } }",
    "breakdown(by: [OS, CITY], first: %d) { nodes { values } }",
    "sessions(first: %d) { nodes { id } totalCount }",
    "journeys(steps: 3, first: %d) { steps }",
    "retention { date }",
)


@given(st.data())
def test_what_was_done_never_costs_more_than_was_requested(data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.sampled_from(FIELDS), min_size=1, max_size=6))
    pages = [data.draw(st.integers(1, 100)) for _ in chosen]
    fields = " ".join(
        f"f{i}: {field % page if '%d' in field else field}"
        for i, (field, page) in enumerate(zip(chosen, pages, strict=True))
    )
    period = data.draw(st.sampled_from(["{ all: true }", "{ last: DAYS_7 }", "{ last: MONTHS_12 }"]))
    sites = data.draw(st.integers(1, 100))
    found = quoted(
        f"{{ websites(first: {sites}) {{ nodes {{ analytics(period: {period}) {{ {fields} }} }} }} }}"
    )

    def answer(i: int) -> Any:
        rows = [{}] * data.draw(st.integers(0, pages[i]))
        if "journeys" in chosen[i] or "retention" in chosen[i]:
            return rows if "journeys" in chosen[i] else [{}] * 31
        return data.draw(st.sampled_from([None, {"nodes": rows}]))

    nodes = [
        {"analytics": data.draw(st.sampled_from([None, {f"f{i}": answer(i) for i in range(len(chosen))}]))}
        for _ in range(data.draw(st.integers(0, min(sites, 3))))
    ]
    covered = {
        ("websites", "nodes", i, "analytics"): data.draw(st.integers(1, 5000)) for i in range(len(nodes))
    }
    done = found.actual({"websites": {"nodes": nodes}}, covered)
    full = [{"analytics": {f"f{i}": {"nodes": [{}] * pages[i]} for i in range(len(chosen))}}] * sites
    assert 1 <= done <= found.requested
    assert done <= found.actual({"websites": {"nodes": full}}, {}) <= found.requested
