"""Automatic persisted queries, trusted documents, and the two media types of an answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import orjson
import pytest
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from app.errors import Invalid
from app.settings import Settings
from graphql_schema.documents import Kept, Listed, NotTrusted
from graphql_schema.media import GRAPHQL_JSON, JSON, chosen_type
from graphql_schema.schema import make_schema
from tests.server import Server, running

ANSWER = {"data": {"__typename": "Query"}}


def fresh() -> str:
    """A document that nobody has sent yet."""
    return f"query Q{uuid4().hex} {{ __typename }}"


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def persisted(text: str) -> dict[str, Any]:
    return {"persistedQuery": {"version": 1, "sha256Hash": digest(text)}}


def post(live: Server, headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
    return live.client.post("/graphql", json=body, headers=headers)


def get(live: Server, headers: dict[str, str] | None = None, **params: Any) -> httpx.Response:
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in params.items()}
    return live.client.get("/graphql", params=texts, headers=headers)


def told(answer: httpx.Response) -> Any:
    """An answer without what it cost."""
    body = answer.json()
    if list(body.get("extensions", {})) == ["cost"]:
        del body["extensions"]
    return body


def error(message: str, code: str, status: int, field: str | None = None) -> dict[str, Any]:
    extensions = {"code": code, "status": status, **({"field": field} if field else {})}
    return {"errors": [{"message": message, "extensions": extensions}]}


NOT_FOUND = error("PersistedQueryNotFound", "PERSISTED_QUERY_NOT_FOUND", 404)
NOT_TRUSTED = error("This server runs listed documents only, and this is none of them", "not-trusted", 403)


@pytest.mark.parametrize("ask", [post, get])
def test_a_document_is_sent_once(live: Server, ask: Callable[..., httpx.Response]) -> None:
    query = fresh()
    unknown = ask(live, extensions=persisted(query))
    assert (unknown.status_code, told(unknown)) == (200, NOT_FOUND)
    assert unknown.headers["cache-control"] == "no-store"
    assert told(ask(live, query=query, extensions=persisted(query))) == ANSWER
    for other in (post, get):
        assert told(other(live, extensions=persisted(query))) == ANSWER
        assert told(other(live, documentId=digest(query))) == ANSWER
        assert told(other(live, documentId=f"sha256:{digest(query)}")) == ANSWER


def test_variables_and_the_operation_s_name_come_with_each_request(live: Server) -> None:
    query = f"query A{uuid4().hex}($n: Int!) {{ websites(first: $n) {{ pageInfo {{ endCursor }} }} }} query B {{ version }}"
    name = query.split("(")[0].removeprefix("query ")
    post(live, query=query, operationName="B", extensions=persisted(query))
    asked = get(live, live.admin, extensions=persisted(query), operationName=name, variables={"n": 0})
    assert asked.json()["errors"][0]["extensions"] == {"code": "invalid", "status": 400, "field": "first"}
    assert asked.json()["data"] == {"websites": None}
    assert set(get(live, extensions=persisted(query), operationName="B").json()["data"]) == {"version"}


def test_a_mutation_is_kept_and_never_run_by_get(live: Server) -> None:
    query = f'mutation M{uuid4().hex} {{ createTeam(name: "oops") {{ id }} }}'
    before = live.graphql("{ teams { totalCount } }")
    assert post(live, query=query, extensions=persisted(query)).json()["data"] == {"createTeam": None}
    answer = get(live, live.admin, extensions=persisted(query))
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (
        405,
        "method-not-allowed",
    )
    assert live.graphql("{ teams { totalCount } }") == before


@pytest.mark.parametrize("ask", [post, get])
def test_a_hash_that_is_not_the_query_s_is_refused_and_nothing_kept(
    live: Server, ask: Callable[..., httpx.Response]
) -> None:
    query, victim = fresh(), fresh()
    poisoned = ask(live, query=query, extensions=persisted(victim))
    assert told(poisoned) == error(
        "sha256Hash is not the SHA-256 of this query", "wrong-hash", 400, "sha256Hash"
    )
    assert told(ask(live, extensions=persisted(victim))) == NOT_FOUND
    assert told(ask(live, extensions=persisted(query))) == NOT_FOUND


@pytest.mark.parametrize("text", ["{ %s", "{ x%s }", "query %s { limits }"])
def test_only_what_is_valid_is_kept(live: Server, text: str) -> None:
    query = text % f"q{uuid4().hex}"
    refused = post(live, query=query, extensions=persisted(query)).json()
    assert refused["errors"][0]["extensions"]["code"] in ("graphql-syntax", "graphql-validation")
    assert told(post(live, extensions=persisted(query))) == NOT_FOUND


@pytest.mark.parametrize(
    ("extensions", "expected"),
    [
        ({"persistedQuery": []}, error("persistedQuery must be an object", "invalid", 400, "persistedQuery")),
        (
            {"persistedQuery": {}},
            error("Only version 1 of persistedQuery is known", "invalid", 400, "version"),
        ),
        (
            {"persistedQuery": {"version": True, "sha256Hash": "x"}},
            error("Only version 1 of persistedQuery is known", "invalid", 400, "version"),
        ),
        (
            {"persistedQuery": {"version": 2, "sha256Hash": "x"}},
            error("Only version 1 of persistedQuery is known", "invalid", 400, "version"),
        ),
        (
            {"persistedQuery": {"version": 1}},
            error("sha256Hash must be a text", "invalid", 400, "sha256Hash"),
        ),
        (
            {"persistedQuery": {"version": 1, "sha256Hash": 5}},
            error("sha256Hash must be a text", "invalid", 400, "sha256Hash"),
        ),
        ({"persistedQuery": {"version": 1, "sha256Hash": ""}}, NOT_FOUND),
        ({"persistedQuery": {"version": 1, "sha256Hash": "\0" * 5000}}, NOT_FOUND),
    ],
)
def test_what_names_no_document(live: Server, extensions: Any, expected: Any) -> None:
    assert told(post(live, extensions=extensions)) == expected
    assert told(get(live, extensions=extensions)) == expected


@pytest.mark.parametrize("name", ["variables", "extensions"])
def test_parameters_of_get_are_json_objects(live: Server, name: str) -> None:
    def refused(text: str) -> tuple[int, Any]:
        answer = get(live, query="{ __typename }", **{name: text})
        return answer.status_code, told(answer)

    no_json = error(f"The parameter {name} is no JSON", "bad-request", 400, name)
    no_object = error(f"The parameter {name} must be a JSON object", "bad-request", 400, name)
    for text, expected in (
        ("{", no_json),
        ('{"a": "\\ud800"}', no_json),
        ("[" * 5000, no_json),
        ("5", no_object),
        ("[]", no_object),
        ('"x"', no_object),
    ):
        assert refused(text) == (400, expected)
    for text in ("", "null", "{}"):
        assert refused(text) == (200, ANSWER)


def test_an_operation_s_name_is_a_text(live: Server) -> None:
    answer = post(live, query="{ __typename }", operationName=["a"])
    expected = error("operationName must be a text or null", "bad-request", 400, "operationName")
    assert (answer.status_code, told(answer)) == (400, expected)


def test_memory_is_bounded_and_the_oldest_is_forgotten() -> None:
    kept = Kept(2000)
    texts = [f"query {letter * 400} {{ version }}" for letter in "abc"]
    for text in texts[:2]:
        kept.keep(text)
        kept.keep(text)
    assert len(kept) == 2
    assert kept.text(None, digest(texts[0])) == texts[0]
    kept.keep(texts[2])
    assert kept.bytes <= 2000
    assert (kept.text(None, digest(texts[0])), kept.text(None, digest(texts[2]))) == (texts[0], texts[2])
    with pytest.raises(Exception, match="PersistedQueryNotFound"):
        kept.text(None, digest(texts[1]))
    kept.keep("x" * 3000)
    assert len(kept) == 2
    for number in range(1000):
        kept.keep(str(number))
    assert kept.bytes <= 2000


def test_switched_off_clients_are_told_to_send_the_text(make_settings: Callable[..., Settings]) -> None:
    with running(make_settings("duckdb", graphql_persisted_bytes=0)) as plain:
        query = fresh()
        assert told(post(plain, query=query, extensions=persisted(query))) == ANSWER
        assert told(post(plain, extensions=persisted(query))) == error(
            "PersistedQueryNotSupported", "PERSISTED_QUERY_NOT_SUPPORTED", 400
        )


LIMITS = "query Limits { limits { maxDepth } }"
SITES = "query Sites { websites { totalCount } }"


@pytest.fixture(scope="module")
def strict(
    make_settings: Callable[..., Settings], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server with a list of documents."""
    directory = tmp_path_factory.mktemp("documents")
    (directory / "codegen.json").write_text(json.dumps({"a1": LIMITS}))
    manifest = {
        "format": "apollo-persisted-query-manifest",
        "version": 1,
        "operations": [{"id": "b2", "body": SITES, "name": "Sites", "type": "query"}],
    }
    (directory / "apollo.json").write_text(json.dumps(manifest))
    (directory / "one.graphql").write_text("{ version }\n")
    (directory / "notes.txt").write_text("{ not read }")
    with running(make_settings("duckdb", graphql_documents=directory)) as started:
        yield started


@pytest.mark.parametrize("ask", [post, get])
def test_listed_documents_run_by_id_by_hash_and_by_text(
    strict: Server, ask: Callable[..., httpx.Response]
) -> None:
    limits = {"data": {"limits": {"maxDepth": 15}}}
    named = {"persistedQuery": {"version": 1, "sha256Hash": "a1"}}
    for asked in (
        {"extensions": named},
        {"extensions": persisted(LIMITS)},
        {"documentId": "a1"},
        {"documentId": f"sha256:{digest(LIMITS)}"},
        {"query": LIMITS},
        {"query": LIMITS, "extensions": named},
    ):
        assert told(ask(strict, **asked)) == limits
    sites = ask(strict, documentId="b2").json()
    assert sites["data"] == {"websites": None}
    assert list(ask(strict, documentId=digest("{ version }\n")).json()["data"]) == ["version"]


@pytest.mark.parametrize("ask", [post, get])
def test_no_other_document_runs(strict: Server, ask: Callable[..., httpx.Response]) -> None:
    other = "query Other { limits { maxNodes } }"
    for asked in (
        {"query": other},
        {"query": f"{LIMITS} "},
        {"query": "{ __schema { types { name } } }"},
        {"query": other, "extensions": {"persistedQuery": {"version": 1, "sha256Hash": "a1"}}},
        {"query": other, "documentId": "a1"},
        {"query": other, "extensions": persisted(other)},
        {"extensions": persisted(other)},
        {"documentId": "nope"},
    ):
        assert told(ask(strict, strict.admin, **asked)) == NOT_TRUSTED
    assert told(ask(strict, strict.admin, extensions=persisted(other))) == NOT_TRUSTED  # nothing was kept
    assert told(ask(strict)) == error("No GraphQL query found in the request", "bad-request", 400)


def test_no_other_document_runs_over_a_socket(strict: Server) -> None:
    address = strict.url.replace("http://", "ws://")
    with connect(f"{address}/graphql", subprotocols=[Subprotocol("graphql-transport-ws")]) as socket:
        socket.send(json.dumps({"type": "connection_init"}))
        assert json.loads(socket.recv(timeout=10)) == {"type": "connection_ack"}
        for query, expected in (
            (LIMITS, ("next", {"data": {"limits": {"maxDepth": 15}}})),
            ("{ limits { maxNodes } }", ("error", NOT_TRUSTED["errors"])),
            ("{", ("error", NOT_TRUSTED["errors"])),
        ):
            key = uuid4().hex
            socket.send(json.dumps({"id": key, "type": "subscribe", "payload": {"query": query}}))
            messages = iter(lambda: json.loads(socket.recv(timeout=10)), None)
            got = next(
                message for message in messages if message["id"] == key and message["type"] != "complete"
            )
            payload = got["payload"]
            if got["type"] == "next":
                assert payload.pop("extensions") == {"cost": {"requested": 1, "actual": 1}}
            assert (got["type"], payload) == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"old": "{ gone }"}', "The document 'old' does not fit this server: Cannot query field 'gone'"),
        ('{"cut": "{"}', "The document 'cut' does not fit this server: Syntax Error"),
        ('{"deep": "%s"}' % ("{a" * 40 + "}" * 40), "The document 'deep' does not fit this server"),
        (
            '{"long": "{%s}"}' % (" version" * 3000),
            "The document 'long' does not fit this server: Syntax Error",
        ),
        (
            '{"wide": "{%s}"}' % (" limits { maxDepth }" * 60),
            "The document 'wide' does not fit this server: The document repeats",
        ),
        ("{", "is no JSON in UTF-8"),
        ("[]", "an object of id and document, or Apollo's manifest, is expected"),
        ('{"a": 5}', "an object of id and document, or Apollo's manifest, is expected"),
        ('{"format": "apollo-persisted-query-manifest", "version": 2}', "only version 1"),
        ('{"format": "apollo-persisted-query-manifest", "version": 1}', "needs an id and a body"),
        (
            '{"format": "apollo-persisted-query-manifest", "version": 1, "operations": [{"id": "a"}]}',
            "needs an id and a body",
        ),
    ],
)
def test_a_list_that_does_not_fit_stops_the_start(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "documents.json"
    file.write_text(content)
    with pytest.raises(Invalid) as refused:
        make_schema(Settings(graphql_documents=file))
    assert refused.value.message.startswith("GRAPHQL_DOCUMENTS: ")
    assert message in refused.value.message


def test_a_list_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    for path, message in (
        (tmp_path / "none.json", f"{tmp_path}/none.json cannot be read: No such file or directory"),
        (tmp_path, f"{tmp_path} holds no .json and no .graphql file"),
    ):
        with pytest.raises(Invalid) as refused:
            make_schema(Settings(graphql_documents=path))
        assert refused.value.message == f"GRAPHQL_DOCUMENTS: {message}"


def test_two_documents_of_one_name_stop_the_start(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"x": "{ version }"}')
    (tmp_path / "b.json").write_text('{"x": "{ __typename }"}')
    with pytest.raises(Invalid, match="another document is already called 'x'"):
        make_schema(Settings(graphql_documents=tmp_path))


def test_an_id_goes_before_another_document_s_hash() -> None:
    # Whoever writes the list could call one document by the hash of another: the id is what was written.
    listed = Listed({"a": LIMITS, digest(LIMITS): SITES})
    assert listed.text(None, digest(LIMITS)) == SITES
    with pytest.raises(NotTrusted):
        listed.text(None, "")


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("application/json", JSON),
        ("application/graphql-response+json", GRAPHQL_JSON),
        ("application/graphql-response+json, application/json;q=0.9", GRAPHQL_JSON),
        ("application/json;q=0.9, application/graphql-response+json", GRAPHQL_JSON),
        ("application/json, application/graphql-response+json", JSON),
        ("Application/GraphQL-Response+JSON; charset=utf-8; q=0.5, application/json;q=0.1", GRAPHQL_JSON),
        ("application/graphql-response+json;q=0, */*", JSON),
        ("application/graphql-response+json;q=x", GRAPHQL_JSON),
        # What urql sends with a query, and what with a subscription.
        (
            "application/graphql-response+json, application/json, text/event-stream, multipart/mixed",
            GRAPHQL_JSON,
        ),
        ("text/event-stream, multipart/mixed", "text/event-stream"),
    ],
)
def test_the_media_type_that_is_preferred(accept: str, expected: str) -> None:
    assert chosen_type(accept) == expected


@pytest.mark.parametrize(
    ("body", "status", "has_data"),
    [
        ({"query": "{ __typename }"}, 200, True),
        ({"query": "{"}, 400, False),
        ({"query": "{ nope }"}, 400, False),
        (
            {"query": "query($n: Int!) { websites(first: $n) { totalCount } }", "variables": {"n": "x"}},
            400,
            False,
        ),
        ({"extensions": persisted("never sent")}, 404, False),
        # What was executed is answered with 200, in part or whole.
        ({"query": '{ website(id: "nope") { id } }'}, 200, True),
        ({"query": "{ websites { totalCount } version }"}, 200, True),
    ],
)
def test_statuses_of_the_newer_media_type(live: Server, body: Any, status: int, has_data: bool) -> None:
    newer = live.client.post(
        "/graphql", content=orjson.dumps(body), headers={"accept": GRAPHQL_JSON, "content-type": JSON}
    )
    assert (newer.status_code, newer.headers["content-type"]) == (status, f"{GRAPHQL_JSON}; charset=utf-8")
    assert ("data" in newer.json()) == has_data
    older = post(live, **body)
    assert (older.status_code, older.headers["content-type"]) == (200, JSON)
    assert older.json() == newer.json()
