"""`python -m benchmarks`: run the measurements and print them as a table."""

from __future__ import annotations

import datetime as dt
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from benchmarks.applying import applying
from benchmarks.collect import collect
from benchmarks.dashboards import dashboards
from benchmarks.data import data
from benchmarks.figures import Figure, table
from benchmarks.machine import describe
from benchmarks.moving import moving
from benchmarks.process import process
from benchmarks.routes import routes
from benchmarks.run import Run
from benchmarks.statistics import statistics
from benchmarks.stores import CLICKHOUSE, DUCKDB, POSTGRESQL, Stores
from benchmarks.subscribers import subscribers
from benchmarks.websites import websites

PARTS: Final[Mapping[str, Callable[[Run], Iterator[Figure]]]] = {
    "data": data,
    "applying": applying,
    "dashboards": dashboards,
    "statistics": statistics,
    "routes": routes,
    "collect": collect,
    "process": process,
    "subscribers": subscribers,
    "websites": websites,
    "moving": moving,
}
# These take long, and run where they are asked for.
_FULL_PARTS: Final = ("websites", "moving")
_ONE: Final = {"duckdb": (DUCKDB,), "postgresql": (POSTGRESQL,), "clickhouse": (CLICKHOUSE,)}
_ENGINES: Final = {**_ONE, "all": tuple(engine for [engine] in _ONE.values())}
_SIZES: Final = (1_000_000, 3_000_000)
_FULL_SIZES: Final = (*_SIZES, 10_000_000)
_REPEATS: Final = 7
_MANY: Final = 50_000_000
_WIDTH: Final = 150
_ABOUT: Final = [
    f"* {name}: {(sys.modules[part.__module__].__doc__ or '').partition(chr(10))[0]}"
    for name, part in PARTS.items()
]
_HELP: Final = "\n\n".join(
    [
        "Measure Dashi on all stores and hold the figures against their targets.",
        "Stores are filled with a year of traffic, the same rows every time. Servers are fresh processes on loopback "
        "ports. Collecting needs wrk (Debian: apt-get install wrk). benchmarks/README.md says more.",
        "Parts:",
        *_ABOUT,
        "Example: python -m benchmarks --only dashboards --only statistics --store duckdb --events 3000000",
    ]
)

cli = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@cli.command(help=_HELP)
def main(
    only: Annotated[
        list[str] | None,
        typer.Option(help="A part. May be given again. Default: all but websites and moving."),
    ] = None,
    store: Annotated[str, typer.Option(help=f"One of {', '.join(_ENGINES)}.")] = "all",
    events: Annotated[
        list[int] | None,
        typer.Option(help="A size of the traffic. May be given again. Default: 1 M and 3 M; websites: 50 M."),
    ] = None,
    seconds: Annotated[int, typer.Option(help="How long each load of collecting runs.")] = 15,
    full: Annotated[
        bool, typer.Option("--full", help="All parts, with 10 M events too: about an hour.")
    ] = False,
    directory: Annotated[
        Path | None, typer.Option("--data", help="Keep the filled stores here, and use those that are here.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here as well.")] = None,
) -> None:
    if unknown := set(only or ()) - set(PARTS):
        raise typer.BadParameter(f"no {min(unknown)}; there are {', '.join(PARTS)}", param_hint="--only")
    if store not in _ENGINES:
        raise typer.BadParameter(f"one of {', '.join(_ENGINES)}", param_hint="--store")
    sizes = sorted(events or (_FULL_SIZES if full else _SIZES))
    progress = Console(stderr=True, width=_WIDTH)
    found: dict[str, list[Figure]] = {}
    if directory:
        directory.mkdir(parents=True, exist_ok=True)
    with nullcontext(directory) if directory else tempfile.TemporaryDirectory() as scratch:
        stores = Stores(Path(scratch).resolve())
        many = sizes[-1] if events else _MANY
        run = Run(stores, _ENGINES[store], tuple(sizes), many, seconds, _REPEATS, full)
        try:
            for name in only or [part for part in PARTS if full or part not in _FULL_PARTS]:
                found[name] = []
                for figure in PARTS[name](run):
                    progress.print(f"{figure.store:10} {figure.name}: {figure.value:,.2f} {figure.unit}")
                    found[name].append(figure)
        finally:
            stores.close()
    machine = describe()
    console = Console(width=_WIDTH)
    console.print(machine)
    console.print(table(found))
    if json_file:
        figures = {name: [one.as_json() for one in ones] for name, ones in found.items()}
        at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        json_file.write_text(json.dumps({"at": at, "machine": machine, "figures": figures}, indent=2) + "\n")


if __name__ == "__main__":
    cli()
