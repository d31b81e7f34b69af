"""The tracker script and the small routes that need no store (Umami v2 REST behaviour §3.13)."""

from __future__ import annotations

import hashlib
from typing import Final

from app.settings import Settings
from app.tracker import COLLECT_PATH, script
from rest_compat.deps import Answer, Call, Raw, Route, json_answer

_JAVASCRIPT: Final = b"application/javascript; charset=utf-8"
_SCRIPT_CACHE: Final = (b"cache-control", b"public, max-age=86400, must-revalidate")


def serve_script(settings: Settings) -> Raw:
    """The tracker, sending to the collect path of these settings."""
    body = script(settings.collect_api_endpoint or COLLECT_PATH)
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = (_SCRIPT_CACHE, (b"etag", etag.encode()))

    async def serve(call: Call) -> Answer:
        if etag in call.headers.get("if-none-match", ""):
            return Answer(b"", 304, headers, b"")
        return Answer(body, 200, headers, _JAVASCRIPT)

    return serve


async def telemetry(call: Call) -> Answer:
    """Dashi never reports on its users."""
    return Answer(b"/* telemetry disabled */", content_type=_JAVASCRIPT)


async def heartbeat(call: Call) -> Answer:
    return json_answer({"ok": True})


def routes(settings: Settings) -> list[Route]:
    served = serve_script(settings)
    scripts: dict[str, tuple[str, Raw]] = {
        **{f"/{name}": ("The browser tracker", served) for name in settings.tracker_names},
        "/telemetry.js": ("Nothing: there is no telemetry", telemetry),
        "/api/scripts/telemetry": ("Nothing: there is no telemetry", telemetry),
    }
    return [
        Route(
            "GET",
            "/api/heartbeat",
            "Whether the server answers",
            raw=heartbeat,
            example={"ok": True},
            public=True,
        ),
        *(
            Route("GET", path, summary, raw=raw, public=True, media_type="application/javascript")
            for path, (summary, raw) in scripts.items()
        ),
    ]
