"""What a backup says of itself: `manifest.json`, written last."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from app.errors import Invalid

NAME: Final = "manifest.json"
ACCOUNTS: Final = "accounts.sqlite"
EVENTS: Final = "events.duckdb"
SECRET: Final = "secret"  # noqa: S105 - a file's name
JOURNAL: Final = "journal"

_FORMAT: Final = 1
_PIECE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Copied:
    """One file: its size in bytes and the hex SHA-256 of what is in it."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """`accounts` and `events` are the revisions of the schemas, None for what is not in the backup.

    `secret_check` tells whether a secret is the one that the backup's data was made with, and does not tell the secret.
    """

    made_at: str
    versions: Mapping[str, str]
    accounts: str | None
    events: str | None
    secret_check: str
    files: Mapping[str, Copied]

    def write(self, directory: Path) -> None:
        text = json.dumps({"format": _FORMAT, **asdict(self)}, indent=2) + "\n"
        (directory / NAME).write_text(text, "utf-8")


def read_manifest(directory: Path) -> Manifest:
    """The manifest of a backup. Raises Invalid for what is none, or is in a form of a later version."""
    try:
        written: Any = json.loads((directory / NAME).read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise Invalid(f"{directory} is no backup: it has no {NAME}") from None
    except ValueError:
        raise Invalid(f"{directory / NAME} is damaged: it is no JSON") from None
    if not isinstance(written, dict) or written.get("format") != _FORMAT:
        raise Invalid(
            f"{directory} was made by another version of Dashi, in a form that this one does not know"
        )
    try:
        files = {str(name): Copied(**copied) for name, copied in written.pop("files").items()}
        del written["format"]
        return Manifest(files=files, **written)
    except (AttributeError, KeyError, TypeError) as error:
        raise Invalid(f"{directory / NAME} is damaged: something is missing in it") from error


def checked(file: Path, seen: Callable[[int], None]) -> Copied:
    """Size and checksum of a file; `seen` is called with the number of bytes of each piece that was read."""
    digest, size = hashlib.sha256(), 0
    with file.open("rb") as opened:
        while piece := opened.read(_PIECE):
            digest.update(piece)
            size += len(piece)
            seen(len(piece))
    return Copied(size, digest.hexdigest())


def secret_check(secret: str) -> str:
    """What a manifest holds of the secret."""
    return hmac.digest(secret.encode(), b"dashi:backup", "sha256").hex()[:16]
