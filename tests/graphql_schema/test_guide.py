"""docs/graphql.md: everything it shows is run, against a live server and on every store, and answered as it says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLInputObjectType, GraphQLObjectType, build_schema

from app.errors import AppError
from app.settings import Settings
from graphql_schema import errors
from graphql_schema.router import _REFUSALS
from tests.clients.install import npm
from tests.graphql_schema.guide import HITS, Example, Guide, examples
from tests.markdown import ROOT, blocks, dashboard
from tests.populate import populate
from tests.server import Server, running

DOCUMENT = "docs/graphql.md"
# What sets up a generator, as the tests of the typed clients do.
NOT_RUN = ("setup", "codegen.ts", "ariadne-codegen.toml")
TYPED = ROOT / "tests" / "clients" / "typed"
SCHEMA = build_schema((ROOT / "graphql_schema" / "schema.graphql").read_text("utf-8"))


@pytest.fixture(scope="module")
def own(store: str, make_settings: Callable[..., Settings]) -> Iterator[Server]:
    """A server with one website, so that lists are what the guide shows."""
    with running(make_settings(store)) as started:
        populate(started, started.create_website("Acme", "acme.example"), HITS)
        yield started


@pytest.fixture
def guide(own: Server, tmp_path: Path, pytestconfig: pytest.Config) -> Guide:
    assert pytestconfig.cache is not None
    cache = pytestconfig.cache.mkdir("clients")
    modules = npm(cache, "typed-typescript", TYPED / "typescript") / "node_modules"
    (tmp_path / "node_modules").symlink_to(modules)
    return Guide(own, tmp_path)


def run(guide: Guide, example: Example) -> Any:
    block = example.block
    if block.language == "graphql":
        return guide.ask(block, example.variables)
    if block.language == "sh":
        printed = guide.shell(block)
        is_text = example.answer is not None and example.answer.language == "text"
        return printed if is_text else json.loads(printed)
    assert block.language == "js", f"line {block.line}: nobody runs {block.language}"
    if block.said in ("live", "feed"):
        assert example.answer is not None
        return guide.follow(block, example.answer.text.count("\n") + 1)
    return guide.node(block)


def test_everything_that_is_shown_is_answered_so(guide: Guide) -> None:
    ran = 0
    for example in examples(blocks(DOCUMENT)):
        block = example.block
        if block.said in NOT_RUN:
            continue
        if block.language == "js" and block.said.endswith(".mjs"):
            guide.keep(block)
            continue
        got = run(guide, example)
        ran += 1
        where = f"{DOCUMENT}, line {block.line}"
        if example.answer is None:
            assert "errors" not in got, f"{where}: {got}"
        elif example.answer.language == "text":
            assert got.rstrip("\n") == example.answer.text, where
        else:
            shown = json.loads(example.answer.text)
            extensions = got.pop("extensions", {})
            if "extensions" in shown:
                got["extensions"] = {name: extensions.get(name) for name in shown["extensions"]}
            assert list(guide.differences(shown, got)) == [], f"{where}: {json.dumps(got)}"
    assert ran >= 25


def test_what_the_readme_asks_is_answered(own: Server, tmp_path: Path) -> None:
    site = own.graphql('{ websites(first: 1, search: "Acme") { nodes { id } } }')["data"]["websites"][
        "nodes"
    ][0]["id"]
    variables = {"site": site, "period": {"last": "DAYS_7", "timezone": "Europe/Vienna"}}
    answer = own.graphql(dashboard(), variables)
    assert "errors" not in answer, answer
    assert len(answer["data"]["website"]["analytics"]) == 13
    [shown] = [json.loads(block.text) for block in blocks("README.md") if block.language == "json"]
    assert shown == variables | {"site": "<website id>"}
    [curl] = [
        block for block in blocks("README.md") if block.text.startswith("curl http://127.0.0.1:3000/graphql ")
    ]
    reader = Guide(own, tmp_path, {"<token>": own.token, "http://127.0.0.1:3000": own.url})
    assert json.loads(reader.shell(curl))["data"]["websites"]["nodes"]


def test_the_generators_are_set_up_as_the_tested_ones() -> None:
    files = {block.said: block.text for block in blocks(DOCUMENT) if block.said.endswith((".ts", ".toml"))}
    assert files == {
        "codegen.ts": (TYPED / "typescript" / "codegen.ts").read_text("utf-8").rstrip("\n"),
        "ariadne-codegen.toml": (TYPED / "python" / "ariadne-codegen.toml").read_text("utf-8").rstrip("\n"),
    }


@pytest.mark.parametrize(
    "name", ["Analytics", "Subscription", "StringFilter", "PropertyFilter", "EventFilter"]
)
def test_every_field_of_the_heart_of_the_schema_is_named(name: str) -> None:
    kind = SCHEMA.type_map[name]
    assert isinstance(kind, GraphQLObjectType | GraphQLInputObjectType)
    text = (ROOT / DOCUMENT).read_text("utf-8")
    assert [field for field in kind.fields if not re.search(rf"\b{field}\b", text)] == []


def codes(kind: type[AppError]) -> set[str]:
    return {kind.code}.union(*map(codes, kind.__subclasses__()))


def test_every_code_is_in_the_table() -> None:
    written = re.findall(r"^\| `([a-z-]+)` \| \d{3} ", (ROOT / DOCUMENT).read_text("utf-8"), re.MULTILINE)
    assert errors.__doc__ is not None
    own = set(
        re.findall(r"`([a-z-]+)`", " ".join(re.findall(r"^\| (`.*?) \|", errors.__doc__, re.MULTILINE)))
    )
    for module in (ROOT / "graphql_schema").glob("*.py"):
        own |= set(re.findall(r"""(?:"code": |refusal\()"([a-z-]+)\"""", module.read_text("utf-8")))
    expected = own | codes(AppError) - {AppError.code} | set(_REFUSALS.values()) | {"bad-request"}
    assert sorted(written) == sorted(expected)
