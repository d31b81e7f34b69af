"""The schema as a contract: described everywhere, committed, and derived from the core's tables."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest
from graphql import GraphQLEnumType, GraphQLInputObjectType, GraphQLNonNull, GraphQLObjectType

from app.settings import Settings
from app.stats.fields import DIMENSIONS, FIELDS
from app.stats.filters import Operator
from app.stats.measures import MEASURES
from graphql_schema.figures import FIGURES
from graphql_schema.schema import make_schema, print_sdl

SCHEMA = make_schema(Settings())._schema


def own_types() -> list[Any]:
    builtin = {"String", "Int", "Float", "Boolean", "ID"}
    return [
        t for name, t in sorted(SCHEMA.type_map.items()) if not name.startswith("__") and name not in builtin
    ]


def parts() -> Iterator[tuple[str, str | None]]:
    """(where, description) of everything a client can see."""
    for named in own_types():
        yield named.name, named.description
        for name, value in getattr(named, "values", {}).items():
            yield f"{named.name}.{name}", value.description
        for name, field in getattr(named, "fields", {}).items():
            yield f"{named.name}.{name}", field.description
            for argument_name, argument in getattr(field, "args", {}).items():
                yield f"{named.name}.{name}({argument_name})", argument.description


def test_everything_is_described() -> None:
    assert [where for where, description in parts() if not (description or "").strip()] == []


def test_descriptions_are_sentences() -> None:
    assert [where for where, text in parts() if text and not text.rstrip().endswith((".", "…"))] == []


def test_the_committed_sdl_is_the_printed_one() -> None:
    committed = (files("graphql_schema") / "schema.graphql").read_text("utf-8")
    assert committed == print_sdl() + "\n", "run `dashi print-schema > graphql_schema/schema.graphql`"


def test_settings_do_not_change_the_schema() -> None:
    narrow = Settings(introspection=False, graphql_max_depth=3, graphql_max_aliases=1, graphql_max_tokens=100)
    assert make_schema(narrow).as_str() == make_schema(Settings()).as_str()


def test_every_field_can_be_filtered_by() -> None:
    event_filter = SCHEMA.type_map["EventFilter"]
    assert isinstance(event_filter, GraphQLInputObjectType)
    keys = [name.split("_")[0] + "".join(p.title() for p in name.split("_")[1:]) for name in FIELDS]
    assert list(event_filter.fields) == [*keys, "property", "segment", "cohort", "and", "or", "not"]


def test_every_operator_is_offered() -> None:
    string_filter = SCHEMA.type_map["StringFilter"]
    assert isinstance(string_filter, GraphQLInputObjectType)
    assert list(string_filter.fields) == [operator.value for operator in Operator]


def test_every_dimension_and_measure_is_offered() -> None:
    dimension, measure = SCHEMA.type_map["Dimension"], SCHEMA.type_map["Measure"]
    assert isinstance(dimension, GraphQLEnumType)
    assert isinstance(measure, GraphQLEnumType)
    assert list(dimension.values) == [name.upper() for name in DIMENSIONS]
    assert list(measure.values) == [name.upper() for name in MEASURES]


@pytest.mark.parametrize("type_name", ["Totals", "BreakdownNode", "LiveTotals"])
def test_every_figure_is_a_field_of(type_name: str) -> None:
    shown = SCHEMA.type_map[type_name]
    assert isinstance(shown, GraphQLObjectType)
    assert [name for name in shown.fields if name not in ("values", "share", "at")] == [
        figure.field for figure in FIGURES
    ]


@pytest.mark.parametrize(
    ("type_name", "fields"),
    [
        ("Analytics", ("totals", "series", "breakdown", "eventSeries", "channels")),
        ("Analytics", ("sessions", "session", "sessionTotals", "weekdayHours")),
        ("Analytics", ("sessionProperties", "sessionPropertyValues")),
        ("SessionDetails", ("summary", "activity", "properties")),
        ("Website", ("activeVisitors", "dateRange", "realtime", "values", "analytics", "shares")),
        ("User", ("apiKeys",)),
        ("ApiKey", ("website",)),
        ("Query", ("me", "website", "websites", "share")),
    ],
)
def test_what_can_fail_is_nullable_so_that_its_siblings_survive(
    type_name: str, fields: tuple[str, ...]
) -> None:
    shown = SCHEMA.type_map[type_name]
    assert isinstance(shown, GraphQLObjectType)
    assert [name for name in fields if isinstance(shown.fields[name].type, GraphQLNonNull)] == []


def test_nothing_mutable_can_be_reached_from_a_query() -> None:
    assert SCHEMA.mutation_type is not None
    assert SCHEMA.query_type is not None
    # `share` opens a link; every other name that changes something is a verb and is not among the questions.
    assert set(SCHEMA.mutation_type.fields).isdisjoint(SCHEMA.query_type.fields)


def test_what_can_be_followed() -> None:
    assert SCHEMA.subscription_type is not None
    shown = {
        name: (list(field.args), str(field.type)) for name, field in SCHEMA.subscription_type.fields.items()
    }
    assert shown == {
        "activeVisitors": (["websiteId"], "Int64!"),
        "events": (["websiteId", "where"], "EventPush!"),
        "liveTotals": (["websiteId", "period", "where"], "LiveTotals!"),
    }
