"""The tracker script and the small routes (Umami v2 REST behaviour §3.13)."""

from __future__ import annotations

import pytest

from tests.server import Server


def test_script(live: Server) -> None:
    answer = live.client.get("/script.js")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/javascript; charset=utf-8"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cache-control"] == "public, max-age=86400, must-revalidate"
    assert '"/api/send"' in answer.text
    assert live.client.get("/other.js").status_code == 404


def test_a_script_that_has_not_changed(live: Server) -> None:
    etag = live.client.get("/script.js").headers["etag"]
    answer = live.client.get("/script.js", headers={"if-none-match": f'W/"old", {etag}'})
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
    assert live.client.get("/script.js", headers={"if-none-match": '"old"'}).status_code == 200


@pytest.mark.parametrize("name", ["script.js", "a.js", "b.js"])
def test_names_and_collect_path_of_the_settings(customised: Server, name: str) -> None:
    answer = customised.client.get(f"/{name}")
    assert answer.status_code == 200
    assert '"/pulse"' in answer.text
    assert "/api/send" not in answer.text


@pytest.mark.parametrize("path", ["/telemetry.js", "/api/scripts/telemetry"])
def test_there_is_no_telemetry(live: Server, path: str) -> None:
    answer = live.client.get(path)
    assert answer.text == "/* telemetry disabled */"
    assert answer.headers["content-type"] == "application/javascript; charset=utf-8"
    assert answer.headers.get_list("access-control-allow-origin") == ["*"]


def test_heartbeat(live: Server) -> None:
    assert live.client.get("/api/heartbeat").json() == {"ok": True}
