"""What the documents say and what the package carries, held against the code."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import metadata, version
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from app.settings import Settings
from rest_compat.router import table as table_of_routes

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SETTINGS = {name.upper() for name in Settings.model_fields}
# Variables of other programs, and the one that a command takes.
OTHER_VARIABLES = {"POSTGRES_PASSWORD", "POSTGRES_USER", "POSTGRES_DB", "NEW_PASSWORD", "PATH", "CI"}
OTHER_VARIABLES |= {"CLICKHOUSE_PASSWORD", "CLICKHOUSE_SECRET", "CLICKHOUSE_SKIP_USER_SETUP"}


def read(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def table(document: str) -> list[list[str]]:
    """The cells of a document's table rows that begin with a name in backticks, without the backticks of the first two."""
    rows = [line.strip("|").split("|") for line in read(document).splitlines() if line.startswith("| `")]
    return [[row[0].strip().strip("`"), row[1].strip().strip("`"), *map(str.strip, row[2:])] for row in rows]


def default_text(value: object) -> str:
    """A default as docs/settings.md writes it: nothing for none, on and off for switches."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return "" if value is None else str(value)


def test_every_setting_is_documented_with_its_default() -> None:
    documented = {name: default for name, default, *_ in table("docs/settings.md")}
    assert documented == {
        name.upper(): default_text(field.default) for name, field in Settings.model_fields.items()
    }


@pytest.mark.parametrize(
    "document",
    [
        "README.md",
        "docs/settings.md",
        "docker/Dockerfile",
        "docker/compose.yaml",
        "docker/compose.postgres.yaml",
        "docker/compose.clickhouse.yaml",
        ".ci/run",
    ],
)
def test_a_variable_that_is_named_is_a_setting(document: str) -> None:
    """Named means `NAME` in prose, and NAME=, NAME: or ${NAME where it is set."""
    text = read(document)
    named = re.findall(r"`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*)`", text)
    named += re.findall(r"^\s*(?:export )?([A-Z]+(?:_[A-Z]+)+)(?=[=:])", text, re.MULTILINE)
    named += re.findall(r"\$\{([A-Z_]+)", text)
    python_and_pip = {name for name in named if name.startswith(("PYTHON", "PIP_", "DEBIAN_"))}
    assert set(named) - SETTINGS - OTHER_VARIABLES - python_and_pip == set()


def test_every_target_that_is_named_exists_and_is_explained() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", read("Makefile"), re.MULTILINE))
    assert targets == {
        "help",
        "setup",
        "run",
        "demo",
        "test",
        "lint",
        "fuzz",
        "faults",
        "soak",
        "bench",
        "bench-full",
        "lock",
        "clean",
    }
    named = set(
        re.findall(r"\bmake ([a-z]+)\b", "".join(re.findall(r"`[^`]+`|```.*?```", read("README.md"), re.S)))
    )
    assert named == {"run", "demo", "test", "help", "lint"}
    assert set(re.findall(r"^(?:.* )?make ([a-z]+)", read(".ci/run"), re.MULTILINE)) <= targets


def test_links_and_paths_in_the_readme_lead_somewhere() -> None:
    readme = read("README.md")
    links = re.findall(r"\]\((?!http)([^)]+)\)", readme)
    links += re.findall(r"`([a-z_.]+/[a-z_./]*)`", readme)
    links += re.findall(r"-f (docker/\S+)", readme)
    assert [link for link in links if not (ROOT / link).exists()] == []
    assert len(links) >= 10


def test_every_dependency_is_explained_and_its_licence_stated() -> None:
    extra = PROJECT["optional-dependencies"]["clickhouse"]
    needed = {Requirement(line).name for line in (*PROJECT["dependencies"], *extra)}
    documented = {row[0]: row[2] for row in table("docs/dependencies.md")}
    assert documented.keys() == needed
    for name, licence in documented.items():
        assert licence == (stated_licence(name) or licence), name


def stated_licence(name: str) -> str | None:
    """What the package itself says, if it says it as an SPDX expression; older packages do not."""
    licences = metadata(name).get_all("License-Expression", [])
    return str(licences[0]) if licences else None


def test_every_dependency_is_bounded_and_locked_within_its_bounds() -> None:
    locked = {
        canonicalize_name(requirement.name): str(requirement.specifier).removeprefix("==")
        for line in read("constraints.txt").splitlines()
        if line and not line.startswith("#")
        for requirement in [Requirement(line)]
    }
    extras = PROJECT["optional-dependencies"]
    for line in (*PROJECT["dependencies"], *extras["clickhouse"], *extras["test"], *extras["lint"]):
        requirement = Requirement(line)
        operators = {part.operator for part in requirement.specifier}
        # Time zone data has no versions of a kind that could break anything.
        assert operators == ({">="} if requirement.name == "tzdata" else {">=", "<"}), line
        assert requirement.specifier.contains(locked[canonicalize_name(requirement.name)]), line


def test_nothing_locked_names_a_place() -> None:
    for locked in ("constraints.txt", "tests/clients/typed/python/requirements.txt"):
        assert re.findall(r"https?:|file:|@|--|/", read(locked).partition("\n")[2]) == []
    for folder in (
        "graphql_schema/graphiql/build",
        "tests/clients",
        "tests/clients/live",
        "tests/clients/typed/typescript",
    ):
        packages = json.loads(read(f"{folder}/package-lock.json"))["packages"]
        del packages[""]
        assert packages
        assert {name for name, package in packages.items() if "resolved" in package} == set()
        assert {name for name, package in packages.items() if "integrity" not in package} == set()


# What Umami's documentation of v2 says the API client maps to routes, under the names that the client really has.
DOCUMENTED_METHODS = """
    getMe updateMyPassword getMyWebsites
    getUsers createUser getUser updateUser deleteUser getUserWebsites getUserUsage
    getTeams createTeam joinTeam getTeam updateTeam deleteTeam getTeamUsers deleteTeamUser
    getTeamWebsites createTeamWebsite deleteTeamWebsite
    getWebsites createWebsite getWebsite updateWebsite deleteWebsite getWebsiteActive getWebsiteEvents
    getWebsiteMetrics getWebsitePageviews resetWebsite getWebsiteStats
    getEventDataEvents getEventDataFields getEventDataStats
"""


def test_every_route_is_documented_with_the_test_that_proves_it() -> None:
    rows = table("docs/rest.md")
    documented = read("docs/rest.md").partition("## Others")[0].count("\n| `")
    # 47 in Umami's documentation of v2, and 19 more in its mapping of the API client.
    assert documented == 66
    served = {f"{route.method} {route.path}" for route in table_of_routes(Settings())}
    listed = [row[0] for row in rows]
    assert len(listed) == len(set(listed))
    # The reset that the documentation writes with GET is refused, and listed as such.
    assert set(listed) - served == {"GET /api/websites/{websiteId}/reset"}
    assert served - set(listed) == set()
    for row in rows:
        name, file = re.fullmatch(r"\[(\w+)\]\(\.\./(tests/[\w/]+\.py)\)", row[2]).groups()  # type: ignore[union-attr]
        assert re.search(rf"^def {name}\(", read(file), re.MULTILINE), row
    fields = {line for line in read("docs/rest.md").splitlines() if line.startswith("| `")}
    schema = read("graphql_schema/schema.graphql")
    for line in fields:
        for name in re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", line.split("|")[2]))):
            assert re.search(rf"^ +{name}\b", schema, re.MULTILINE), line


@pytest.mark.parametrize("document", ["docs/security.md", "docs/operations.md", "docs/scaling.md"])
def test_every_promise_links_to_its_test(document: str) -> None:
    tables = re.findall(r"^\| promise \|.*\n\| ---.*\n((?:\| .*\n)+)", read(document), re.MULTILINE)
    promises = [line.strip("|").split("|") for table in tables for line in table.splitlines()]
    assert promises
    for promise, *proofs in promises:
        tests = re.findall(r"\[(\w+)\]\(\.\./(tests/[\w/]+\.py)\)", " ".join(proofs))
        assert tests, promise
        for name, file in tests:
            assert re.search(rf"^ *def {name}\(", read(file), re.MULTILINE), (promise, name)


def test_the_clients_are_documented_with_routes_that_exist() -> None:
    rows = table("docs/clients.md")
    methods = {row[0].partition("(")[0] for row in rows}
    assert set(DOCUMENTED_METHODS.split()) - methods == set()
    routes = {f"{route.method} {route.path}" for route in table_of_routes(Settings())}
    # One call is refused for its method and one asks nothing of a server; the document says so.
    assert {row[1] for row in rows} - routes == {"POST /api/heartbeat", "nothing"}


def test_the_documented_clients_are_those_that_are_tested() -> None:
    documented = dict(re.findall(r"^## `([^`]+)` (\S+)$", read("docs/clients.md"), re.MULTILINE))
    npm = json.loads(read("tests/clients/package.json"))["dependencies"]
    python = dict(
        re.findall(r"^(umami-\S+)==(\S+)$", read(f"tests/clients/{name}.txt"), re.MULTILINE)[0]
        for name in ("umami-analytics", "umami-analytics-py")
    )
    assert documented == {name: version for name, version in npm.items() if "umami" in name} | python


def test_the_installed_version_is_the_one_of_the_project_and_of_the_change_log() -> None:
    assert version("dashi-analytics") == PROJECT["version"]
    assert f"\n## {PROJECT['version']} " in read("CHANGELOG.md")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of the files in a freshly built wheel."""
    target = tmp_path_factory.mktemp("wheel")
    build = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", build, str(target)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    with ZipFile(target / done.stdout.splitlines()[-1]) as opened:
        return set(opened.namelist())


def test_the_wheel_carries_every_module_and_all_data(wheel: set[str]) -> None:
    files = {
        path.relative_to(ROOT).as_posix()
        for package in ("app", "graphql_schema", "rest_compat")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    built_from = {name for name in files if name.startswith("graphql_schema/graphiql/build/")}
    info = f"dashi_analytics-{PROJECT['version']}.dist-info/"
    assert {name for name in wheel if not name.startswith(info)} == files - built_from
    assert {
        "app/tracker/script.js",
        "app/migrations/env.py",
        "app/migrations/accounts/0001_users_websites_shares.py",
        "app/migrations/events/0001_event_tables.py",
        "graphql_schema/schema.graphql",
        "graphql_schema/graphiql/page.html",
        "graphql_schema/graphiql/examples.json",
        "graphql_schema/graphiql/assets/graphiql.js",
    } <= wheel
    assert f"{info}licenses/LICENSE" in wheel
    assert f"{info}licenses/graphql_schema/graphiql/THIRD-PARTY-LICENSES.txt" in wheel
