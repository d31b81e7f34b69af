"""The `dashi` command."""

from __future__ import annotations

import datetime as dt
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
import uvicorn
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape

from app import logs
from app.cli_backup import backup, restore
from app.cli_doctor import doctor
from app.cli_keys import key_cli, user_named
from app.cli_move import move_events
from app.cli_visitors import visitor_cli
from app.errors import AppError
from app.protocol import options
from app.security import hash_password, random_password
from app.services import check_start, open_accounts, open_runtime
from app.settings import Settings

if TYPE_CHECKING:
    from rich.progress import Progress

cli = typer.Typer(
    name="dashi",
    help="Dashi: self-hosted web analytics with a GraphQL API that also speaks Umami v2.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
user_cli = typer.Typer(help="Look after users.", no_args_is_help=True)
cli.add_typer(user_cli, name="user")
cli.add_typer(key_cli, name="key")
cli.command()(backup)
cli.command()(restore)
cli.command()(doctor)
cli.command("move-events")(move_events)
cli.add_typer(visitor_cli, name="visitor")
console = Console(highlight=False)


def main() -> None:
    """The command's entry point: expected failures become one line, not a trace."""
    try:
        cli()
    except AppError as error:
        _fail(error.message)
    except ValidationError as error:
        wrong = (f"{str(problem['loc'][0]).upper()}: {problem['msg']}" for problem in error.errors())
        _fail(f"settings: {'; '.join(wrong)}")


def _fail(message: str) -> NoReturn:
    console.print(f"[red]dashi:[/red] {escape(message)}", soft_wrap=True)
    raise SystemExit(1) from None


@cli.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; HOST in the environment.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; PORT in the environment.")] = None,
) -> None:
    """Migrate, then serve GraphQL, the Umami v2 REST API and the tracker.

    Every setting comes from the environment (see docs/settings.md). Without any, events and accounts are files
    under ./data and the server listens on http://127.0.0.1:3000.
    """
    settings = _served_settings(host, port)
    password = check_start(settings)
    _serve(settings, password)


@cli.command()
def demo(
    serve: Annotated[bool, typer.Option(help="Serve the websites when they are filled.")] = True,
    days: Annotated[int, typer.Option(min=1, max=3650, help="Days of traffic, up to today.")] = 365,
    seed: Annotated[int, typer.Option(help="Another seed gives other traffic.")] = 7,
    host: Annotated[str | None, typer.Option(help="As for serve.")] = None,
    port: Annotated[int | None, typer.Option(help="As for serve.")] = None,
) -> None:
    """Fill three websites with invented traffic, then serve them.

    The same day, days and seed give the same figures. Where the websites are there already, nothing is added.
    """
    from app.demo import SITES, WEBSITE_IDS, fill

    settings = _served_settings(host, port)
    runtime, password = open_runtime(settings)
    today = dt.datetime.now(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    try:
        with _day_bar() as bar:
            task = bar.add_task("Inventing visits", total=days, events=0)
            stored = fill(
                runtime,
                today,
                days,
                seed,
                lambda done, events: bar.update(task, completed=done, events=events),
            )
            bar.update(task, completed=days, events=stored, visible=bool(stored))
    except BaseException:
        # The password is made already and shown nowhere else, so an interrupted filling must not swallow it.
        if password:
            _print_password(password)
        raise
    finally:
        runtime.close()
    if stored:
        console.print(f"{stored:,} events of {days} days are in.")
    else:
        console.print("The demo's websites are already there. Nothing was added.")
    for site in SITES:
        console.print(f"  {site.name:<36} {WEBSITE_IDS[site.key]}")
    if serve:
        _serve(settings, password)
    elif password:
        _print_password(password)


@cli.command()
def migrate() -> None:
    """Bring both databases to this version's schema. `serve` does it too."""
    settings = Settings()
    logs.configure(settings)
    runtime, password = open_runtime(settings)
    runtime.close()
    if password:
        _print_password(password)
    console.print(f"Accounts and events are up to date ({settings.data_dir.resolve()}).")


@cli.command("print-schema")
def print_schema() -> None:
    """Print the GraphQL schema as SDL."""
    from graphql_schema.schema import print_sdl

    typer.echo(print_sdl())


@cli.command("check-documents")
def check_documents(
    path: Annotated[Path, typer.Argument(help="A .json or .graphql file, or a directory of them.")],
) -> None:
    """Check a list of trusted documents before it is given to a server as GRAPHQL_DOCUMENTS.

    A .json file is an object of id and document, as GraphQL Code Generator and Relay write it, or the manifest that
    Apollo's generate-persisted-query-manifest writes. The documents must fit this version's schema and the limits that
    are set in the environment. Example:

        dashi check-documents persisted-documents.json && GRAPHQL_DOCUMENTS=persisted-documents.json dashi serve
    """
    from graphql_schema.schema import make_schema
    from graphql_schema.trusted import listed_documents

    make_schema(Settings().model_copy(update={"graphql_documents": path}))
    console.print(f"{len(listed_documents(path))} documents fit this server.")


@cli.command("version")
def show_version() -> None:
    """Print the version."""
    typer.echo(version("dashi-analytics"))


@user_cli.command("password")
def set_password(
    username: Annotated[str, typer.Argument(help="Whose password to set.")] = "admin",
    password: Annotated[
        str | None,
        typer.Option(envvar="NEW_PASSWORD", help="The new password; random and printed if not given."),
    ] = None,
) -> None:
    """Set a user's password, also while the server runs. Logins made with the old one end at once."""
    chosen = password or random_password()
    with open_accounts(Settings()).begin() as session:
        user_named(session, username).password = hash_password(chosen)
    console.print(f"The password of [bold]{username}[/bold] is set.")
    if password is None:
        _print_password(chosen, username)


def _served_settings(host: str | None, port: int | None) -> Settings:
    """Settings with what the command line gives, and logs set up for serving."""
    given = {key: value for key, value in {"host": host, "port": port}.items() if value is not None}
    settings = Settings().model_copy(update=given)
    logs.configure(settings)
    if settings.graphql_documents:
        from graphql_schema.schema import make_schema

        make_schema(settings)  # what is wrong with the list is said before a store is opened
    return settings


def _serve(settings: Settings, password: str | None) -> None:
    several = settings.workers > 1
    _welcome(settings, password)
    uvicorn.run(
        "app.main:create_app" if several else _application(settings),
        factory=several,
        workers=settings.workers,
        host=settings.host,
        port=settings.port,
        **options(settings),
    )


def _application(settings: Settings) -> Any:
    # To import both doors takes as long as all else that a command does, and no other has to.
    from app.main import create_app

    return create_app(settings)


def _day_bar() -> Progress:
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("day {task.completed:.0f} of {task.total:.0f}, {task.fields[events]:,} events"),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=console)


def _welcome(settings: Settings, password: str | None) -> None:
    base = f"http://{settings.host}:{settings.port}{settings.base_path}"
    console.print(f"[bold]Dashi {version('dashi-analytics')}[/bold]")
    if settings.graphiql:
        console.print(f"  GraphiQL      {base}/graphql")
    console.print(f"  REST          {base}/api   (Umami v2)")
    console.print(f"  Tracker       {base}/script.js")
    if password:
        _print_password(password)
    else:
        console.print(
            "  Log in        with the user's name and password (lost it? [bold]dashi user password[/bold])"
        )
    console.print("Stop with Ctrl+C.")


def _print_password(password: str, username: str = "admin") -> None:
    console.print(
        f"  Log in        user [bold]{username}[/bold], password [bold]{password}[/bold]   (shown this once)"
    )


if __name__ == "__main__":
    main()
