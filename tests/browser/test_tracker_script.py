"""The tracker as it is served."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

from app.tracker import script

DOCS = Path(__file__).parents[2] / "docs" / "tracker.md"


def test_it_is_small() -> None:
    assert len(gzip.compress(script(), compresslevel=9, mtime=0)) <= 2500


def test_the_collect_path_is_put_in() -> None:
    assert script().count(b'"/api/send"') == 1
    assert script("/api/pulse") == script().replace(b'"/api/send"', b'"/api/pulse"')


def test_a_collect_path_cannot_leave_its_string() -> None:
    assert rb'+ "/a\"b\\c"' in script('/a"b\\c')


def test_every_attribute_is_documented() -> None:
    read = set(re.findall(r'(?:option|isOn)\("([a-z-]+)"\)', script().decode()))
    documented = set(re.findall(r"^\| `data-([a-z-]+)", DOCS.read_text("utf-8"), re.MULTILINE))
    assert documented == read
    assert len(read) == 9
