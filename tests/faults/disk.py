"""A disk of a few megabytes that can be filled and made larger."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


class Disk:
    """A tmpfs at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def free(self) -> int:
        """Bytes."""
        is_free = os.statvfs(self.path)
        return is_free.f_bavail * is_free.f_frsize

    def fill(self, leave: int = 0) -> None:
        """Take all but so many bytes, as somebody else's files would."""
        # Others write at the same moment, so that the last piece may not fit.
        with (self.path / "others").open("ab", buffering=0) as file, suppress(OSError):
            while self.free > leave:
                file.write(b"x" * min(1 << 16, self.free - leave))

    def make_room(self) -> None:
        (self.path / "others").unlink()


@contextmanager
def small_disk(path: Path, size: str) -> Iterator[Disk]:
    """Mount it. Where that is not allowed the test is skipped at a desk and fails in CI."""
    path.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        if os.environ.get("CI"):
            pytest.fail(f"CI has to be able to mount a tmpfs: {mounted.stderr}")
        pytest.skip(f"cannot mount a tmpfs: {mounted.stderr}")
    try:
        yield Disk(path)
    finally:
        subprocess.run(["umount", path], check=True)
