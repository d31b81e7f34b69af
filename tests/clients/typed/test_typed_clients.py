"""Clients generated from the committed schema: they compile strictly, run, and give what was sent.

Both programs ask the same: the README's dashboard as it stands there, and `operations.graphql`.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.clients.install import install_with, installed, npm
from tests.clients.like import AN_ID
from tests.markdown import ROOT, dashboard
from tests.populate import CHROME, IPHONE
from tests.server import PASSWORD, Server

HERE = Path(__file__).parent
SCHEMA = ROOT / "graphql_schema" / "schema.graphql"
LANGUAGES = ("typescript", "python")
# How each writes an instant: as it came, or as a `datetime` prints.
INSTANT = {"typescript": "2026-11-{}.000Z", "python": "2026-11-{}Z"}
# What each program marks its mistakes with.
MISTAKES = {
    "typescript": ("typescript/main.ts", "  // @ts-expect-error "),
    "python": ("python/main.py", "  # type: ignore["),
}

AN = {"ip": "8.8.8.1", "userAgent": CHROME, "language": "en-US", "screen": "1920x1080"}
BE = {"ip": "217.0.0.1", "userAgent": IPHONE, "language": "de-DE", "screen": "390x844"}


def hit(visitor: Mapping[str, str], day: int, time: str, url: str, **more: Any) -> dict[str, Any]:
    at = dt.datetime.fromisoformat(f"2026-11-{day:02}T{time}+00:00")
    return {**visitor, "timestamp": int(at.timestamp()), "url": url, "hostname": "typed.example", **more}


# The period is 10 and 11 November in Vienna, an hour ahead of these.
HITS = [
    hit(AN, 9, "10:00:00", "/"),
    hit(AN, 10, "10:00:00", "/"),
    hit(AN, 10, "10:02:00", "/pricing"),
    hit(AN, 10, "10:05:00", "/pricing", name="signup", data={"plan": "pro", "n": 3}),
    hit(BE, 10, "23:30:00", "/?utm_campaign=spring", referrer="https://www.google.com/search"),
    hit(BE, 10, "23:31:00", "/", name="signup", data={"n": 1}),
    hit(BE, 11, "22:59:59", "/", name="signup", data={"n": 2}),
    hit(BE, 11, "10:00:00", "/", name="n" * 51),
    hit(BE, 11, "23:00:00", "/", name="signup", data={"n": 9}),
]


@dataclass(frozen=True)
class Built:
    """A program that was generated, checked and built: the check's verdict, and how it is run."""

    checked: subprocess.CompletedProcess[str]
    command: Sequence[str | Path]
    directory: Path

    def run(self, given: Any) -> Any:
        done = subprocess.run(
            self.command, cwd=self.directory, input=json.dumps(given), capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


def _quietly(command: Sequence[str | Path], directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def _sources(language: str, directory: Path) -> None:
    """What is ours, the schema and the documents, where the generator looks for them."""
    shutil.copytree(HERE / language, directory, dirs_exist_ok=True)
    shutil.copy(SCHEMA, directory)
    documents = directory / "documents"
    documents.mkdir()
    shutil.copy(HERE / "operations.graphql", documents)
    (documents / "readme.graphql").write_text(dashboard(), "utf-8")


def _typescript(cache: Path, directory: Path) -> Built:
    modules = npm(cache, "typed-typescript", HERE / "typescript") / "node_modules"
    _sources("typescript", directory)
    (directory / "node_modules").symlink_to(modules)
    generated = _quietly(["npx", "graphql-codegen"], directory)
    assert generated.returncode == 0, generated.stdout
    return Built(_quietly(["npx", "tsc"], directory), ["node", "built/main.js"], directory)


def _python(cache: Path, directory: Path) -> Built:
    requirements = HERE / "python" / "requirements.txt"

    def install(target: Path) -> None:
        install_with([sys.executable, "-m", "venv", "--without-pip", target], HERE)
        pip = [sys.executable, "-m", "pip", "--python", target / "bin" / "python"]
        install_with(
            [*pip, "install", "--quiet", "--disable-pip-version-check", "--requirement", requirements], HERE
        )

    python = installed(cache, "typed-python", [requirements], install) / "bin" / "python"
    _sources("python", directory)
    generate = "import sys; from ariadne_codegen.main import main; main()"
    generated = _quietly([python, "-c", generate, "--config", "ariadne-codegen.toml"], directory)
    assert generated.returncode == 0, generated.stdout
    checked = _quietly([python, "-m", "mypy", "main.py", "dashi_client"], directory)
    return Built(checked, [python, "main.py"], directory)


@pytest.fixture(scope="module", params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture(scope="module")
def built(language: str, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    makers: dict[str, Callable[[Path, Path], Built]] = {"typescript": _typescript, "python": _python}
    return makers[language](cache, tmp_path_factory.mktemp(language))


@pytest.fixture(scope="module")
def gave(built: Built, live: Server) -> Any:
    """What the program wrote, having sent `HITS`."""
    return built.run({"url": f"{live.url}/graphql", "username": "admin", "password": PASSWORD, "hits": HITS})


def test_the_program_is_well_typed_and_its_mistakes_are_found(built: Built, language: str) -> None:
    """A mistake that the checker does not find makes its mark in the program an error."""
    assert built.checked.returncode == 0, built.checked.stdout
    program, mark = MISTAKES[language]
    assert (HERE / program).read_text("utf-8").count(mark) == 7


def test_no_value_of_the_schema_is_anything(built: Built, language: str) -> None:
    """`any` stands only where the generator's own machinery does not know a document."""
    if language == "typescript":
        generated = (built.directory / "generated" / "graphql.ts").read_text()
        lines = [line for line in generated.splitlines() if not line.lstrip().startswith(("/*", "*"))]
        assert [line.strip() for line in lines if ": any" in line or "<any" in line] == []
    else:
        package = built.directory / "dashi_client"
        own = {"async_base_client.py", "base_model.py", "client.py", "exceptions.py"}
        found = [file.name for file in package.glob("*.py") if "Any" in file.read_text()]
        assert set(found) <= own


def test_a_mutation_with_input_types(gave: Any) -> None:
    assert gave["website"] == {"id": AN_ID, "name": "Typed", "domain": "typed.example", "resetAt": None}
    taken = {"accepted": True, "dropped": None, "error": None}
    refused = {
        "accepted": False,
        "dropped": None,
        "error": {"code": "invalid", "field": "name"},
    }
    assert gave["collected"] == [refused if len(one.get("name", "")) > 50 else taken for one in HITS]


def tile(*rows: tuple[str | None, int, float]) -> dict[str, Any]:
    return {"nodes": [{"values": [value], "visitors": count, "share": share} for value, count, share in rows]}


def series(**at: tuple[int, int]) -> dict[str, Any]:
    """The 48 hours of the period, by name `day_hour` what is not 0: (visitors, page views)."""
    hours = [(day, hour) for day in (10, 11) for hour in range(24)]
    figures = [at.get(f"on_{day}_at_{hour}", (0, 0)) for day, hour in hours]
    return {
        "unit": "HOUR",
        "at": [f"2026-11-{day}T{hour:02}:00:00" for day, hour in hours],
        "visitors": [visitors for visitors, _ in figures],
        "pageviews": [views for _, views in figures],
    }


def figure(value: float, previous: float, change: float | None) -> dict[str, Any]:
    return {"value": value, "previous": previous, "change": change}


def test_the_dashboard_of_the_readme(gave: Any) -> None:
    website = gave["dashboard"]["website"]
    channels = website["analytics"].pop("channels")
    assert len(channels) == 14
    assert [one for one in channels if one["visitors"]] == [
        {"channel": "direct", "visitors": 2},
        {"channel": "organicSearch", "visitors": 1},
    ]
    assert website == {
        "name": "Typed",
        "activeVisitors": 0,
        "analytics": {
            "totals": {
                "visitors": figure(2, 1, 1.0),
                "visits": figure(2, 1, 1.0),
                "pageviews": figure(3, 1, 2.0),
                "bounceRate": figure(0.5, 1.0, -0.5),
                "visitDuration": figure(60.0, 0.0, None),
            },
            "series": series(on_10_at_11=(1, 2), on_11_at_0=(1, 1)),
            "pages": tile(("/", 2, 1.0), ("/pricing", 1, 0.5)),
            "entries": tile(("/", 2, 1.0)),
            "referrers": tile(("google.com", 1, 0.5)),
            "campaigns": tile((None, 1, 0.5), ("spring", 1, 0.5)),
            "browsers": tile(("chrome", 1, 0.5), ("ios", 1, 0.5)),
            "systems": tile(("Windows 10", 1, 0.5), ("iOS", 1, 0.5)),
            "devices": tile(("desktop", 1, 0.5), ("mobile", 1, 0.5)),
            "countries": tile(("DE", 1, 0.5), ("US", 1, 0.5)),
            "cities": tile((None, 2, 1.0)),
            "events": {"nodes": [{"values": ["signup"], "visitors": 2, "events": 3}]},
        },
    }


def test_variables_of_input_types(gave: Any) -> None:
    """In the United States or France, and on a page /pri… or in another browser than Chrome."""
    website = gave["filtered"]["website"]
    assert website["analytics"]["totals"] == {
        "visitors": figure(1, 0, None),
        "visits": figure(1, 0, None),
        "pageviews": figure(1, 0, None),
        "bounceRate": figure(1.0, 0.0, None),
        "visitDuration": figure(0.0, 0.0, None),
    }
    assert website["analytics"]["pages"] == tile(("/pricing", 1, 1.0))
    assert website["analytics"]["events"] == {"nodes": [{"values": ["signup"], "visitors": 1, "events": 1}]}


def test_paging(gave: Any, language: str) -> None:
    def event(at: str, path: str, number: float, plan: bool = False) -> dict[str, Any]:
        data = [{"key": "n", "type": "NUMBER", "number": number}]
        if plan:
            data.append({"key": "plan", "type": "STRING", "number": None})  # type: ignore[dict-item]
        return {
            "at": INSTANT[language].format(at),
            "type": "CUSTOM",
            "name": "signup",
            "path": path,
            "data": data,
        }

    assert gave["pages"] == [
        [event("11T22:59:59", "/", 2.0), event("10T23:31:00", "/", 1.0)],
        [event("10T10:05:00", "/pricing", 3.0, plan=True)],
    ]


def test_json_and_a_union(gave: Any) -> None:
    assert gave["report"] == {
        "id": AN_ID,
        "type": "FUNNEL",
        "parameters": {
            "dateRange": {"startDate": "2026-11-10T00:00:00Z", "endDate": "2026-11-11T23:59:59Z"},
            "window": 60,
            "steps": [{"type": "url", "value": "/"}, {"type": "event", "value": "signup"}],
        },
    }
    assert gave["visitors"] == [2, 2]
    assert gave["remaining"] == [1.0, 1.0]


def test_a_subscription(gave: Any) -> None:
    """What is pushed first, and after the third hit, a page view of the visitor from the United States, is sent again."""
    assert gave["pushes"] == [
        {"visitors": 2, "pageviews": 3, "visitDuration": 60.0},
        {"visitors": 2, "pageviews": 4, "visitDuration": 60.0},
    ]


def test_a_refusal_has_its_code(gave: Any) -> None:
    refused = gave["refused"]
    assert refused["data"] == {"website": None}
    assert [error["extensions"] for error in refused["errors"]] == [{"code": "not-found", "status": 404}]
