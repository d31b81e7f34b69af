"""The `dashi doctor` command."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape

from app.doctor import Finding, Level, examine
from app.settings import Settings

_COLOURS = {Level.OK: "green", Level.WARNING: "yellow", Level.PROBLEM: "red"}


def doctor(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the findings as JSON, for programs.")
    ] = False,
) -> None:
    """Look this deployment over and say in plain words what is well and what is not, and what to do.

    It looks at the secret and passwords, files and their owners, room on disk, memory, the clock, the stores and their
    schemas, the journal, and asks the running server, if there is one, which headers of proxies come with hits. It changes
    nothing. Run it as the user that runs the server, with the same settings. It ends with 1 if there is a problem; a
    warning is none.
    """
    try:
        findings = list(examine(Settings()))
    except ValidationError as error:
        findings = [_setting(str(found["loc"][0]).upper(), found["msg"]) for found in error.errors()]
    counts = Counter(finding.level for finding in findings)
    if as_json:
        told = {"problems": counts[Level.PROBLEM], "warnings": counts[Level.WARNING]}
        typer.echo(json.dumps({**told, "findings": [asdict(finding) for finding in findings]}, indent=2))
    else:
        _print(findings, counts)
    raise typer.Exit(1 if counts[Level.PROBLEM] else 0)


def _setting(name: str, message: str) -> Finding:
    return Finding("settings", Level.PROBLEM, f"{name}: {message}.", f"Correct {name}, or leave it unset.")


def _print(findings: list[Finding], counts: Counter[Level]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        level = f"[{_COLOURS[finding.level]}]{finding.level:<8}[/]"
        console.print(f"{level} {finding.name:<{width}}  {escape(finding.text)}")
        if finding.advice:
            console.print(f"{'':<8} {'':<{width}}  → {escape(finding.advice)}")
    console.print(f"{counts[Level.PROBLEM]} problems, {counts[Level.WARNING]} warnings.")
