"""`python -m benchmarks`: run the measurements and print them as a table."""

from __future__ import annotations

import datetime as dt
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from benchmarks.collect import collect
from benchmarks.dashboards import dashboards
from benchmarks.figures import Figure, table
from benchmarks.machine import describe
from benchmarks.process import process
from benchmarks.routes import routes
from benchmarks.run import Run, sized
from benchmarks.statistics import statistics
from benchmarks.stores import DUCKDB, POSTGRESQL, Stores
from benchmarks.subscribers import subscribers
from benchmarks.websites import websites


def data(run: Run) -> Iterator[Figure]:
    """How fast the stores were filled, and their size on disk."""
    for store in run.each():
        made = store.made
        yield Figure(f"{sized(store)}: events", store.engine, made.events)
        yield Figure(f"{sized(store)}: filled", store.engine, made.events / made.seconds, "events/s")
        yield Figure(f"{sized(store)}: size on disk", store.engine, made.bytes / made.events, "bytes/event")


PARTS: Final[Mapping[str, Callable[[Run], Iterator[Figure]]]] = {
    "data": data,
    "dashboards": dashboards,
    "statistics": statistics,
    "routes": routes,
    "collect": collect,
    "process": process,
    "subscribers": subscribers,
    "websites": websites,
}
_ENGINES: Final = {"duckdb": (DUCKDB,), "postgresql": (POSTGRESQL,), "both": (DUCKDB, POSTGRESQL)}
_SIZES: Final = (1_000_000, 3_000_000)
_MANY: Final = 50_000_000
_FULL: Final = ("websites",)
_WIDTH: Final = 150


cli = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@cli.command()
def main(
    only: Annotated[
        list[str] | None, typer.Option(help=f"A part: {', '.join(PARTS)}. May be given again. Default: all.")
    ] = None,
    store: Annotated[str, typer.Option(help=f"One of {', '.join(_ENGINES)}.")] = "both",
    events: Annotated[
        list[int] | None,
        typer.Option(help="A size of the traffic. May be given again. Default: 1 M and 3 M."),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="10 M events as well, and 50 M of 200 websites.")
    ] = False,
    directory: Annotated[
        Path | None, typer.Option("--data", help="Keep the filled stores here, and use what is here already.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here as well.")] = None,
) -> None:
    """Measure Dashi on both stores and hold the figures against their targets.

    Stores are filled with a year of traffic, the same rows every time. All servers are fresh processes on loopback
    ports. Collecting needs wrk (Debian: apt-get install wrk). What is measured how: benchmarks/README.md.

    Examples:

        python -m benchmarks --json figures.json

        python -m benchmarks --only dashboards --only statistics --store duckdb --events 3000000 --data /tmp/stores
    """
    for part in only or ():
        if part not in PARTS:
            raise typer.BadParameter(f"one of {', '.join(PARTS)}", param_hint="--only")
    if store not in _ENGINES:
        raise typer.BadParameter(f"one of {', '.join(_ENGINES)}", param_hint="--store")
    sizes = tuple(sorted(events or (*_SIZES, *([10_000_000] if full else []))))
    progress, console = Console(stderr=True, width=_WIDTH), Console(width=_WIDTH)
    found: dict[str, list[Figure]] = {}
    if directory:
        directory.mkdir(parents=True, exist_ok=True)
    with nullcontext(directory) if directory else tempfile.TemporaryDirectory() as scratch:
        stores = Stores(Path(scratch).resolve())
        try:
            many = max(events) if events else _MANY
            run = Run(stores, _ENGINES[store], sizes, many, seconds, full)
            for part in only or [name for name in PARTS if full or name not in _FULL]:
                found[part] = []
                for figure in PARTS[part](run):
                    progress.print(
                        f"{part}: {figure.name}, {figure.store}: {figure.value:,.2f} {figure.unit}"
                    )
                    found[part].append(figure)
        finally:
            stores.close()
    machine = describe()
    console.print(machine)
    console.print(table(found))
    if json_file:
        figures = {part: [one.as_json() for one in ones] for part, ones in found.items()}
        at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        json_file.write_text(json.dumps({"at": at, "machine": machine, "figures": figures}, indent=2) + "\n")


if __name__ == "__main__":
    cli()
