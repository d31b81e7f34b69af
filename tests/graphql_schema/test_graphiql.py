"""The GraphiQL page without a browser: what it serves, under which policy; and valid examples."""

from __future__ import annotations

import asyncio
import gzip
import html
import json
import re
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from typing import Any

import httpx
import pytest
from graphql import OperationDefinitionNode, build_schema, parse, validate
from graphql.execution.values import get_variable_values
from starlette.applications import Starlette

from graphql_schema.graphiql_page import assets, examples, graphiql_response, graphiql_routes

PACKAGE = files("graphql_schema")
PATH = "/stats/graphql"


def page() -> str:
    return bytes(graphiql_response(PATH).body).decode()


def config(text: str) -> dict[str, Any]:
    """The settings that the script reads from the root element."""
    found = re.search(r'data-config="([^"]*)"', text)
    assert found
    loaded: dict[str, Any] = json.loads(html.unescape(found[1]))
    return loaded


def get(address: str, accept_encoding: str = "identity") -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(Starlette(routes=graphiql_routes(PATH)))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get(address, headers={"accept-encoding": accept_encoding})

    # The browser tests' Playwright leaves its event loop running in this thread for the rest of the session.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, ask()).result()


def test_the_policy_admits_own_files_only() -> None:
    response = graphiql_response(PATH)
    nonces = re.findall(r'nonce="([^"]+)"', bytes(response.body).decode())
    assert len(nonces) == 1
    assert response.headers["content-security-policy"] == (
        f"default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonces[0]}'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["x-frame-options"] == "DENY"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["content-type"] == "text/html; charset=utf-8"


def test_every_answer_has_its_own_nonce() -> None:
    policies = {graphiql_response(PATH).headers["content-security-policy"] for _ in range(20)}
    assert len(policies) == 20


def test_the_page_names_no_other_host_and_has_no_inline_code() -> None:
    text = page()
    assert "//" not in text
    assert re.findall(r"<script[^>]*>(.*?)</script>", text) == [""]
    assert re.findall(r"<style|\sstyle=|\son[a-z]+=", text) == []


def test_the_style_sheet_loads_nothing() -> None:
    style = assets()["graphiql.css"].body.decode()
    assert "@import" not in style
    assert [
        url for url in re.findall(r"url\(([^)]*)\)", style) if not url.startswith(("data:", '"data:'))
    ] == []


def test_the_script_needs_no_eval() -> None:
    script = assets()["graphiql.js"].body.decode()
    assert re.findall(r"\bnew Function\b|(?<![\w.$])eval\(", script) == []


def test_addresses_keep_the_base_path_and_change_with_the_content() -> None:
    addresses = re.findall(r'(?:src|href)="(/[^"]*)"', page())
    assert addresses == [f"{PATH}/assets/{assets()[name].name}" for name in ("graphiql.css", "graphiql.js")]
    assert all(re.fullmatch(r"graphiql\.[0-9a-f]{16}\.(js|css)", asset.name) for asset in assets().values())
    assert config(page())["endpoint"] == PATH
    assert [get(address).status_code for address in addresses] == [200, 200]


def test_text_from_the_path_cannot_leave_its_attribute() -> None:
    path = '/"><script>alert(1)</script>'
    text = bytes(graphiql_response(path).body).decode()
    assert "<script>alert" not in text
    assert config(text)["endpoint"] == path


@pytest.mark.parametrize(
    ("name", "media_type"), [("graphiql.js", "text/javascript"), ("graphiql.css", "text/css")]
)
def test_assets_are_kept_for_a_year_and_compressed_on_request(name: str, media_type: str) -> None:
    asset = assets()[name]
    original = (PACKAGE / "graphiql" / "assets" / name).read_bytes()
    plain = get(f"{PATH}/assets/{asset.name}")
    packed = get(f"{PATH}/assets/{asset.name}", "br, gzip")
    for response in (plain, packed):
        assert response.content == original
        assert response.headers["content-type"] == f"{media_type}; charset=utf-8"
        assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert response.headers["vary"] == "Accept-Encoding"
        assert response.headers["x-content-type-options"] == "nosniff"
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["content-length"] == str(len(asset.gzipped))
    assert gzip.decompress(asset.gzipped) == original


def test_another_hash_is_not_found() -> None:
    assert get(f"{PATH}/assets/graphiql.0000000000000000.js").status_code == 404


def test_the_examples_are_the_page_s_tabs() -> None:
    assert config(page())["examples"] == examples()
    operations = [parse("\n".join(example["query"])).definitions[0] for example in examples()]
    assert [
        node.name.value for node in operations if isinstance(node, OperationDefinitionNode) and node.name
    ] == [
        "LogIn",
        "Overview",
        "Funnel",
        "Live",
        "Websites",
        "Track",
    ]


@pytest.mark.parametrize("example", examples(), ids=lambda example: example["query"][0])
def test_every_example_fits_the_schema(example: dict[str, Any]) -> None:
    schema = build_schema((PACKAGE / "schema.graphql").read_text("utf-8"))
    document = parse("\n".join(example["query"]))
    assert validate(schema, document) == []
    operation = document.definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    # A list of errors is what graphql-core gives for variables that do not fit.
    values = get_variable_values(schema, operation.variable_definitions or (), example.get("variables", {}))
    assert not isinstance(values, list), values
