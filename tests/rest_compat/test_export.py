"""The export: seven CSV files in a zip (Umami v2 REST behaviour §3.6)."""

from __future__ import annotations

import base64
import csv
import io
import zipfile
from typing import Any

import pytest

from tests.populate import VECTORS, A, happening, populate, view
from tests.rest_compat.test_stats import RANGE
from tests.server import Server

FILES = ["events.csv", "pages.csv", "referrers.csv", "browsers.csv", "os.csv", "devices.csv", "countries.csv"]


def files(answer: dict[str, Any]) -> dict[str, str]:
    assert list(answer) == ["zip"]
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(answer["zip"], validate=True))) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name).decode("utf-8") for name in archive.namelist()}


def exported(server: Server, website: str, **params: Any) -> dict[str, str]:
    return files(server.get(f"/api/websites/{website}/export", **{**RANGE, **params}))


def test_the_conformance_data(server: Server, website: str) -> None:
    populate(server, website, VECTORS)
    expected = {
        "events.csv": "x,y\r\npurchase,2\r\nsignup,1",
        "pages.csv": "x,y\r\n/,3\r\n/pricing,2",
        "referrers.csv": "x,y\r\ngoogle.com,1\r\nt.co,1",
        "browsers.csv": "x,y\r\nchrome,2\r\nios,1",
        "os.csv": "x,y\r\nAndroid OS,1\r\nWindows 10,1\r\niOS,1",
        "devices.csv": "x,y\r\nmobile,2\r\ndesktop,1",
        "countries.csv": "x,y\r\nUS,2\r\nDE,1",
    }
    found = exported(server, website)
    assert found == expected
    assert list(found) == FILES
    # No filters here.
    assert exported(server, website, country="DE", url="/nowhere") == expected
    assert exported(server, website, startAt=0, endAt=1) == expected


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("events", "event"),
        ("pages", "url"),
        ("referrers", "referrer"),
        ("browsers", "browser"),
        ("os", "os"),
        ("devices", "device"),
        ("countries", "country"),
    ],
)
def test_a_file_is_a_metric(server: Server, website: str, name: str, kind: str) -> None:
    populate(server, website, VECTORS)
    rows = server.get(f"/api/websites/{website}/metrics", **RANGE, type=kind)
    read = list(csv.reader(io.StringIO(exported(server, website)[f"{name}.csv"], newline="")))
    assert read == [["x", "y"], *([row["x"], str(row["y"])] for row in rows)]


def test_nothing_is_empty_files(server: Server, website: str) -> None:
    assert exported(server, website) == dict.fromkeys(FILES, "")
    populate(server, website, [happening(A, "2026-11-10 10:00:00", "/", "click")])
    assert exported(server, website) == {**dict.fromkeys(FILES, ""), "events.csv": "x,y\r\nclick,1"}


def test_values_are_quoted_where_csv_asks_for_it(server: Server, website: str) -> None:
    names = ['say "hi"', "a,b", "line\nend", "Grüße", " space "]
    populate(server, website, [happening(A, "2026-11-10 10:00:00", "/", name) for name in names])
    text = exported(server, website)["events.csv"]
    assert text == 'x,y\r\n space ,1\r\nGrüße,1\r\n"a,b",1\r\n"line\nend",1\r\n"say ""hi""",1'


def test_absent_values_are_empty_cells(server: Server, website: str) -> None:
    bare = {
        "type": "event",
        "payload": {"website": website, "url": "/", "timestamp": RANGE["startAt"] // 1000},
    }
    assert server.client.post("/api/send", json=bare, headers={"user-agent": ""}).status_code == 200
    found = exported(server, website)
    assert (found["pages.csv"], found["referrers.csv"]) == ("x,y\r\n/,1", "")
    assert {found[f"{name}.csv"] for name in ("browsers", "os", "devices", "countries")} == {"x,y\r\n,1"}


def test_at_most_500_rows(server: Server, website: str) -> None:
    batch = [view(A, "2026-11-10 10:00:00", f"/{number:03}").body(website) for number in range(502)]
    answer = server.client.post("/api/batch", json=batch, headers=A.headers)
    assert answer.json()["processed"] == 502
    lines = exported(server, website)["pages.csv"].split("\r\n")
    assert lines == ["x,y", *(f"/{number:03},1" for number in range(500))]


def test_the_same_figures_are_the_same_file(server: Server, website: str) -> None:
    populate(server, website, VECTORS)
    answer = server.get(f"/api/websites/{website}/export", **RANGE)
    assert answer == server.get(f"/api/websites/{website}/export", **RANGE)
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(answer["zip"]))) as archive:
        assert {one.date_time for one in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
