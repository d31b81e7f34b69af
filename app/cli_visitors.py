"""The `dashi visitor` commands: what a visitor may ask of you."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, TextIO
from uuid import UUID

import typer

from app import visitors
from app.context import SYSTEM, Runtime
from app.engines import events_file
from app.errors import Invalid, Unavailable
from app.services import close_services, open_services
from app.settings import Settings
from app.visitors import Visitor

visitor_cli = typer.Typer(
    help="Hand out or remove everything that is stored of one visitor.\n\n"
    "A visitor is a session (--session, the UUID that lists of sessions show), or everything under your own id of the "
    "visitor (--id, what `identify` and the tracker's `id` carry): all of its sessions. What somebody did before they had "
    "that id is of another session.\n\n"
    "With PostgreSQL both work beside a running server. With embedded files the server holds the events: stop it, or ask "
    "it for the same by GraphQL (exportVisitor, deleteVisitor).",
    no_args_is_help=True,
)

_Website = Annotated[UUID, typer.Argument(help="The website's id.", metavar="WEBSITE")]
_Session = Annotated[UUID | None, typer.Option("--session", help="The visitor's session: this one alone.")]
_Id = Annotated[str | None, typer.Option("--id", help="Your own id of the visitor: all of its sessions.")]


@visitor_cli.command("export")
def export(
    website: _Website,
    session: _Session = None,
    distinct_id: _Id = None,
    output: Annotated[
        Path | None,
        typer.Option(help="A new file to write to, readable by you alone; standard output if absent."),
    ] = None,
) -> None:
    """Write everything that is stored of a visitor as one JSON document.

    It has the lists `sessions`, `visits`, `events` (each with its `data`), `sessionData` (what `identify` set, all former
    values too) and `revenue`, each complete and oldest first. Example:

        dashi visitor export 765b9d7c-35d0-4c93-a87f-c869a11eabf2 --id customer-4711 --output customer-4711.json
    """
    with (
        _serving(website, session, distinct_id, "exportVisitor") as runtime,
        runtime.operation(SYSTEM) as ctx,
    ):
        found = visitors.find(ctx, website, session_id=session, distinct_id=distinct_id)
        if output is None:
            _write(sys.stdout, visitors.document(ctx, found), found)
            return
        try:
            descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise Invalid(f"{output} cannot be made: {error.strerror}") from error
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            _write(file, visitors.document(ctx, found), found)


@visitor_cli.command("delete")
def delete(website: _Website, session: _Session = None, distinct_id: _Id = None) -> None:
    """Remove everything that is stored of a visitor, for good, and print as JSON how much that was.

    There is no way back, and it is not asked again: export first what is to be kept. Example:

        dashi visitor delete 765b9d7c-35d0-4c93-a87f-c869a11eabf2 --id customer-4711
    """
    with _serving(website, session, distinct_id, "deleteVisitor") as runtime:
        removed = runtime.call(SYSTEM, visitors.delete, website, session_id=session, distinct_id=distinct_id)
    names = {"event_data": "eventData", "session_data": "sessionData"}
    typer.echo(json.dumps({names.get(name, name): count for name, count in asdict(removed).items()}))


@contextmanager
def _serving(website: UUID, session: UUID | None, distinct_id: str | None, field: str) -> Iterator[Runtime]:
    """What a server has, the journals included: they may hold hits that are not in the event store yet."""
    if (session is None) == (distinct_id is None):
        raise Invalid("Exactly one of --session and --id says which visitor")
    settings = Settings()
    try:
        services = open_services(settings)
    except Unavailable as error:
        if events_file(settings) is None:
            raise
        who = f'sessionId: "{session}"' if session else f"distinctId: {json.dumps(distinct_id)}"
        kind = "mutation" if field == "deleteVisitor" else "query"
        shown = "events" if field == "deleteVisitor" else "sessionIds"
        raise Unavailable(
            f"The running server holds the events ({error.message}). Stop it and try again, or ask it by GraphQL: "
            f'{kind} {{ {field}(websiteId: "{website}", {who}) {{ {shown} }} }}'
        ) from error
    try:
        yield services.runtime
    finally:
        close_services(services)


def _write(file: TextIO, lists: Any, found: Visitor) -> None:
    """One JSON document, written as it is read: a visitor may have left any amount."""
    file.write(f'{{"websiteId": {json.dumps(str(found.website_id))}')
    for name, rows in lists:
        file.write(f",\n{json.dumps(name)}: [")
        for number, row in enumerate(rows):
            file.write((",\n" if number else "\n") + json.dumps(row, ensure_ascii=False))
        file.write("]")
    file.write("}\n")
