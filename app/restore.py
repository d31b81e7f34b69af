"""`dashi restore`: a backup's files put where the settings want them, once they are found whole. No server may run."""

from __future__ import annotations

import datetime as dt
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app import migrations
from app.backup import Progress, schema_of
from app.engines import accounts_file, events_file
from app.errors import Conflict, Invalid, Unavailable
from app.held import unheld
from app.manifest import ACCOUNTS, EVENTS, JOURNAL, SECRET, Manifest, checked, read_manifest, secret_check
from app.security import load_app_secret
from app.settings import Settings

# What belongs to a database file and would be read with another one in its place.
_BESIDE: Final = ("-wal", "-shm", "-journal", ".wal")


@dataclass(frozen=True, slots=True)
class Restored:
    """`aside` are the files that were there before, under their new names. `same_secret`: logins and visitors go on."""

    manifest: Manifest
    aside: list[Path]
    same_secret: bool


def restore(settings: Settings, source: Path, force: bool, progress: Progress) -> Restored:
    """Check a backup, then put its files in place; with `force` those that are there are moved aside first.

    Until all of it is copied nothing of what was there is touched. Raises Invalid for a backup that is damaged, made by a
    newer version, or does not fit the settings, Conflict if files are in the way, Unavailable while a server runs.
    """
    source = source.resolve()
    manifest = read_manifest(source)
    _refuse_newer(manifest)
    places = _places(settings, manifest)
    _check(source, manifest, progress)
    for directory in (settings.data_dir.resolve(), settings.data_dir.resolve() / JOURNAL):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with unheld(settings.data_dir.resolve() / JOURNAL, events_file(settings)):
        in_the_way = _in_the_way(settings, places)
        if in_the_way and not force:
            named = ", ".join(map(str, in_the_way))
            raise Conflict(f"These files are there already: {named}. With --force they are moved aside first")
        drafts = _copy(source, manifest, places, progress)
        aside = _move_aside(in_the_way)
        for draft, place in drafts.items():
            draft.replace(place)
    return Restored(manifest, aside, _has_secret(settings, manifest))


def _has_secret(settings: Settings, manifest: Manifest) -> bool:
    """Whether the secret is that of the backup. Where there is none yet, the first start would make another one."""
    there = settings.app_secret is not None or (settings.data_dir / SECRET).exists()
    return there and secret_check(load_app_secret(settings)) == manifest.secret_check


def _refuse_newer(manifest: Manifest) -> None:
    chains: list[tuple[migrations.Chain, str | None]] = [
        ("accounts", manifest.accounts),
        ("events", manifest.events),
    ]
    for chain, found in chains:
        if found and found > migrations.newest(chain):
            raise Invalid(
                f"The backup was made by Dashi {manifest.versions.get('dashi')}, whose {chain} are {found}; this version "
                f"knows them up to {migrations.newest(chain)}. Install that version or a newer one"
            )


def _places(settings: Settings, manifest: Manifest) -> dict[str, Path]:
    """Where each file of a backup belongs. Raises Invalid where the settings keep something elsewhere."""
    kept = {ACCOUNTS: accounts_file(settings), EVENTS: events_file(settings)}
    for name, setting in ((ACCOUNTS, "DATABASE_URL"), (EVENTS, "EVENTS_URL")):
        if (name in manifest.files) != (kept[name] is not None):
            held = "holds" if name in manifest.files else "does not hold"
            wanted = "no such file" if name in manifest.files else "it"
            raise Invalid(
                f"The backup {held} {name}, and by {setting} this server uses {wanted}", field=setting
            )
    data_dir = settings.data_dir.resolve()
    places: dict[str, Path] = {}
    for name in manifest.files:
        folder, _, base = name.rpartition("/")
        if (place := kept.get(name)) is not None:
            places[name] = place
        elif name == SECRET:
            if settings.app_secret is None:
                places[name] = data_dir / SECRET
        elif folder == JOURNAL and base.startswith("journal-") and base.endswith(".sqlite"):
            places[name] = data_dir / JOURNAL / base
        else:
            raise Invalid(f"{name} is no file of a backup")
    return places


def _check(source: Path, manifest: Manifest, progress: Progress) -> None:
    total = sum(copied.bytes for copied in manifest.files.values())
    seen = 0

    def count(size: int) -> None:
        nonlocal seen
        seen += size
        progress("Checking", seen, total)

    for name, copied in manifest.files.items():
        try:
            found = checked(source / name, count)
        except FileNotFoundError:
            raise Invalid(f"The backup is damaged: {name} is missing") from None
        if found != copied:
            raise Invalid(f"The backup is damaged: {name} is not what was written")
    # What the manifest says of the schemas is not believed: it decides whether this version can read them.
    for name, chain, revision in (
        (ACCOUNTS, "accounts", manifest.accounts),
        (EVENTS, "events", manifest.events),
    ):
        if name in manifest.files and schema_of(source / name, chain) != revision:  # type: ignore[arg-type]
            raise Invalid(f"The backup is damaged: {name} has another schema than {revision}")


def _in_the_way(settings: Settings, places: dict[str, Path]) -> list[Path]:
    """Files that would be overwritten, or be read together with what is put there."""
    journals = (settings.data_dir.resolve() / JOURNAL).glob("journal-*.sqlite")
    wanted = {*places.values(), *journals}
    found = (place.with_name(place.name + end) for place in wanted for end in ("", *_BESIDE))
    return sorted(file for file in found if file.exists())


def _copy(source: Path, manifest: Manifest, places: dict[str, Path], progress: Progress) -> dict[Path, Path]:
    """Copies beside their places: draft → place."""
    needed = sum(manifest.files[name].bytes for name in places)
    done = 0
    drafts: dict[Path, Path] = {}
    try:
        for name, place in places.items():
            progress(f"Copying {name}", done, needed)
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft = place.with_name(f"{place.name}.restoring")
            drafts[draft] = place
            with (source / name).open("rb") as opened, draft.open("wb") as written:
                draft.chmod(0o600)
                shutil.copyfileobj(opened, written, 1 << 20)
                written.flush()
                os.fsync(written.fileno())
            done += manifest.files[name].bytes
        progress("Done", needed, needed)
    except OSError as error:
        for draft in drafts:
            draft.unlink(missing_ok=True)
        raise Unavailable(f"The backup could not be copied: {error.strerror}") from error
    return drafts


def _move_aside(files: list[Path]) -> list[Path]:
    moment = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%S")
    return [file.rename(file.with_name(f"{file.name}.before-restore-{moment}")) for file in files]
