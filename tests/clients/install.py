"""Programs from the registries, installed once for each version of what is locked here."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

import pytest


def installed(cache: Path, name: str, files: Sequence[Path], install: Callable[[Path], None]) -> Path:
    """A directory with what `install` put there for these files; made once, whoever asks first."""
    digest = hashlib.sha256(sys.implementation.cache_tag.encode())
    for file in files:
        digest.update(file.read_bytes())
    target = cache / f"{name}-{digest.hexdigest()[:16]}"
    with (cache / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            with TemporaryDirectory(dir=cache) as draft:
                install(Path(draft, "draft"))
                Path(draft, "draft").rename(target)
    return target


def install_with(command: Sequence[str | Path], cwd: Path) -> None:
    done = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        pytest.fail(f"{command[0]} could not install the clients:\n{done.stdout}", pytrace=False)


def lacking(reason: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def need_npm() -> None:
    """Skips without Node and npm, but CI must have them."""
    if missing := [name for name in ("node", "npm") if shutil.which(name) is None]:
        lacking(f"not on the PATH: {', '.join(missing)}")


def npm(cache: Path, name: str, folder: Path, *beside: str) -> Path:
    """A directory with the `node_modules` that a folder's lock file names, and the files of the folder that go beside."""
    need_npm()
    files = [folder / file for file in ("package.json", "package-lock.json", ".npmrc", *beside)]

    def install(target: Path) -> None:
        target.mkdir()
        for file in files:
            shutil.copy(file, target)
        install_with(["npm", "ci"], target)

    return installed(cache, name, files, install)
