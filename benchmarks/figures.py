"""What is measured is a Figure. What it is held against, and why a miss is one, is here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from rich.table import Table

from benchmarks.stores import DUCKDB, POSTGRESQL


@dataclass(frozen=True, slots=True)
class Target:
    """The most, or the least, that a figure may be."""

    bound: float
    at_least: bool = False
    note: str = ""

    def met(self, value: float) -> bool:
        return value >= self.bound if self.at_least else value <= self.bound

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {number(self.bound)}{self.note}"


def at_most(bound: float) -> Target:
    return Target(bound)


def at_least(bound: float) -> Target:
    return Target(bound, at_least=True)


def within_raw(raw_ms: float) -> Target:
    """What a statistic may take that the engine's own SQL computes in so many milliseconds."""
    return Target(1.25 * raw_ms + 3, note=f" (1.25 × {number(raw_ms)} + 3)")


@dataclass(frozen=True, slots=True)
class Figure:
    """`name` is unique for a store; `store` is '' for what concerns none."""

    name: str
    store: str
    value: float
    unit: str = ""
    own_target: Target | None = None

    @property
    def target(self) -> Target | None:
        return self.own_target or TARGETS.get((self.name, self.store))

    @property
    def is_met(self) -> bool | None:
        return self.target.met(self.value) if self.target else None

    @property
    def limit(self) -> str:
        """What keeps a figure from its target, '' if nothing does."""
        if self.is_met is not False:
            return ""
        return LIMITS.get((self.name, self.store), "not explained yet")

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "store": self.store,
            "value": round(self.value, 3),
            "unit": self.unit,
            "target": str(self.target) if self.target else None,
            "met": self.is_met,
            **({"limit": self.limit} if self.limit else {}),
        }


# (name, store) → target, on two cores. Those of statistics are beside what they are compared with: `within_raw`.
TARGETS: Final[Mapping[tuple[str, str], Target]] = {
    ("10 M: size on disk", DUCKDB): at_most(90),
    ("3 M, 30 days, 14 REST calls", DUCKDB): at_most(200),
    ("3 M, 30 days, one GraphQL operation", DUCKDB): at_most(90),
    ("3 M, 365 days, 14 REST calls", DUCKDB): at_most(2200),
    ("3 M, 365 days, one GraphQL operation", DUCKDB): at_most(900),
    ("3 M, 30 days, 14 REST calls against Umami", DUCKDB): at_least(20),
    ("3 M, 30 days, one GraphQL operation against Umami", DUCKDB): at_least(45),
    **{
        (f"3 M, {period}, 14 REST calls against Umami", POSTGRESQL): at_least(4)
        for period in ("1 day", "30 days", "365 days")
    },
    ("collecting", DUCKDB): at_least(3500),
    ("collecting, p99", DUCKDB): at_most(50),
    ("collecting against parsing only", DUCKDB): at_least(50),
    ("collecting beside dashboards, of the rate alone", DUCKDB): at_least(60),
    ("collecting beside dashboards, max", DUCKDB): at_most(500),
    ("collecting", POSTGRESQL): at_least(2000),
    ("two workers against one", POSTGRESQL): at_least(1.2),
    **{("acknowledged and not counted", store): at_most(0) for store in (DUCKDB, POSTGRESQL)},
    ("resident memory at most, meanwhile", DUCKDB): at_most(600),
    ("resident memory, idle, 1 M", DUCKDB): at_most(150),
    **{("start-up to the first answer, 1 M", store): at_most(2) for store in (DUCKDB, POSTGRESQL)},
    **{("1,000 idle subscribers", store): at_most(50) for store in (DUCKDB, POSTGRESQL)},
    ("50 M of 200 websites, 30 days, 14 REST calls: among all against alone", DUCKDB): at_most(2),
    ("50 M of 200 websites, 30 days, one GraphQL operation: among all against alone", DUCKDB): at_most(2),
}

# (name, store) → what the limit is, for figures that miss their target.
LIMITS: Final[Mapping[tuple[str, str], str]] = {}


def number(value: float) -> str:
    """Three digits or more of it, and no zeros that say nothing."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}".rstrip("0").rstrip(".")


def table(figures: Mapping[str, Iterable[Figure]]) -> Table:
    """Part → figures, as one table."""
    made = Table("figure", "store", "is", "", "target", "")
    made.columns[2].justify = "right"
    for part, found in figures.items():
        made.add_section()
        made.add_row(f"[bold]{part}[/bold]")
        for one in found:
            verdict = {None: "", True: "[green]met[/green]", False: f"[red]missed[/red]: {one.limit}"}
            target = str(one.target or "")
            made.add_row(one.name, one.store, number(one.value), one.unit, target, verdict[one.is_met])
    return made
