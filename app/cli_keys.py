"""The `dashi key` commands."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated
from uuid import UUID

import sqlalchemy as sa
import typer
from rich.console import Console
from rich.markup import escape
from sqlalchemy.orm import Session

from app import api_keys
from app.access import KeyScope
from app.context import SYSTEM, Actor, Ctx, Kind
from app.errors import NotFound
from app.models import ApiKey, User
from app.paging import Window
from app.services import open_accounts_runtime
from app.settings import Settings

key_cli = typer.Typer(
    help="Make, list and revoke API keys, also while the server runs.\n\n"
    "A program sends its key as the header `x-umami-api-key` or as `Authorization: Bearer`, to GraphQL and to REST, "
    "and acts as the key's user within the key's scopes: read (figures and lists), ingest (send hits as the "
    "website's own server, which no bot test drops) and manage (change things; reading is included).",
    no_args_is_help=True,
)
_console = Console(highlight=False)
# For what is said beside an answer that a script reads.
_aside = Console(highlight=False, stderr=True)


@key_cli.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="What it is for, so that it can be told from others.")],
    scope: Annotated[
        list[KeyScope], typer.Option(help="What it may be used for; may be given several times.")
    ],
    user: Annotated[
        str, typer.Option("--user", help="As whom: the key may do what this user may.")
    ] = "admin",
    website: Annotated[
        UUID | None, typer.Option(help="Id of the one website it is for; all of the user's if absent.")
    ] = None,
    days: Annotated[
        int | None, typer.Option(min=1, max=36_500, help="Days after which it ends; never if absent.")
    ] = None,
) -> None:
    """Make an API key and print it, once: only a digest of it is kept.

    The key is all that goes to standard output, so a script can take it:

        KEY=$(dashi key create "charts" --scope read --days 90)

        curl -H "x-umami-api-key: $KEY" http://127.0.0.1:3000/api/websites
    """
    with _asking(user) as ctx:
        ends = None if days is None else ctx.now + dt.timedelta(days=days)
        made = api_keys.create(ctx, name=name, scopes=scope, website_id=website, expires_at=ends)
    _aside.print(f"API key {made.row.api_key_id} of [bold]{escape(user)}[/bold]   (shown this once)")
    typer.echo(made.secret)


@key_cli.command("list")
def list_keys(
    user: Annotated[str, typer.Option("--user", help="Whose keys.")] = "admin",
) -> None:
    """List a user's API keys, newest first: id, first characters, scopes, website, end, last use, name."""
    with _asking(user) as ctx:
        for row in api_keys.listed(ctx, Window(api_keys.MAX_KEYS)).rows:
            typer.echo(_key_line(row, ctx.now))


@key_cli.command("revoke")
def revoke_key(
    key_id: Annotated[UUID, typer.Argument(help="Its id, the first column of `dashi key list`.")],
    user: Annotated[
        str, typer.Option("--user", help="As whom: an admin may revoke anybody's keys.")
    ] = "admin",
) -> None:
    """End an API key. A running server refuses it at once, and hits sent with it after five seconds at the latest."""
    with _asking(user) as ctx:
        row = api_keys.revoke(ctx, key_id)
    _console.print(f"The key {escape(row.hint)}… ([bold]{escape(row.name)}[/bold]) is revoked.")


def user_named(session: Session, username: str) -> User:
    """The user of this name. Raises NotFound."""
    user = session.scalar(sa.select(User).where(User.username == username))
    if user is None:
        raise NotFound(f"there is no user {username!r}")
    return user


@contextmanager
def _asking(username: str) -> Iterator[Ctx]:
    """One operation as this user: who may open the files may be anybody."""
    runtime = open_accounts_runtime(Settings())
    try:
        user_id = runtime.call(SYSTEM, lambda ctx: user_named(ctx.db, username).user_id)
        with runtime.operation(Actor(Kind.USER, user_id=user_id)) as ctx:
            yield ctx
    finally:
        runtime.close()


def _key_line(row: ApiKey, now: dt.datetime) -> str:
    """A key's columns, of one width where they have one."""
    ends = "never ends" if row.expires_at is None else f"ends {row.expires_at:%Y-%m-%d}"
    used = "never used" if row.last_used_at is None else f"used {row.last_used_at:%Y-%m-%d %H:%M}"
    return "  ".join(
        (
            str(row.api_key_id),
            f"{row.hint}…",
            f"{row.scopes:<18}",
            f"{row.website_id or 'all websites'!s:<36}",
            "EXPIRED        " if row.is_over(now) else f"{ends:<15}",
            f"{used:<21}",
            row.name,
        )
    )
