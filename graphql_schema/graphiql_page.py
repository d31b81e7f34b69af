"""The GraphiQL page and its assets, served from this package: no CDN, no inline script, no eval.

What is vendored, and how it is rebuilt, is told in ``graphiql/README.md``; why this generation of GraphiQL
and this policy, in ``docs/decisions/0007-graphiql.md``.
"""

from __future__ import annotations

import gzip
import hashlib
import html
import json
import secrets
import string
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

_FOLDER: Final = files("graphql_schema") / "graphiql"
_MEDIA_TYPES: Final = {"graphiql.js": "text/javascript", "graphiql.css": "text/css"}

# The nonce admits the one <style> element that an open dialog or menu adds (see build/entry.js).
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors {frames}"
)


@dataclass(frozen=True, slots=True)
class Asset:
    """One vendored file: its body, the same body gzipped, and a name that changes with the content."""

    name: str
    media_type: str
    body: bytes
    gzipped: bytes


@cache
def assets() -> dict[str, Asset]:
    """The vendored script and style sheet by their plain file names."""
    return {name: _load(name, media_type) for name, media_type in _MEDIA_TYPES.items()}


def _load(name: str, media_type: str) -> Asset:
    body = (_FOLDER / "assets" / name).read_bytes()
    stem, suffix = name.split(".")
    digest = hashlib.sha256(body).hexdigest()[:16]
    return Asset(f"{stem}.{digest}.{suffix}", media_type, body, gzip.compress(body, mtime=0))


@cache
def examples() -> list[dict[str, Any]]:
    """The operations a newcomer finds as tabs: ``query`` (its lines), ``variables``, ``headers``."""
    loaded: list[dict[str, Any]] = json.loads((_FOLDER / "examples.json").read_text("utf-8"))
    return loaded


def graphiql_routes(graphql_path: str) -> list[BaseRoute]:
    """Routes of the page's assets, ``{graphql_path}/assets/graphiql.<hash>.{js,css}``.

    ``graphql_path`` is the full path of the GraphQL endpoint, a BASE_PATH included ("/stats/graphql").
    Browsers may keep an asset for a year: another content has another address, and an unknown hash is 404.
    """
    return [_route(graphql_path, asset) for asset in assets().values()]


def _route(graphql_path: str, asset: Asset) -> Route:
    def serve(request: Request) -> Response:
        headers = {
            "Cache-Control": "public, max-age=31536000, immutable",
            "Vary": "Accept-Encoding",
            "Cross-Origin-Resource-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
        }
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
            return Response(asset.gzipped, media_type=asset.media_type, headers=headers)
        return Response(asset.body, media_type=asset.media_type, headers=headers)

    return Route(_asset_url(graphql_path, asset), serve, methods=["GET"], include_in_schema=False)


def _asset_url(graphql_path: str, asset: Asset) -> str:
    return f"{graphql_path}/assets/{asset.name}"


@cache
def _template() -> string.Template:
    return string.Template((_FOLDER / "page.html").read_text("utf-8"))


def graphiql_response(graphql_path: str, frames: str = "") -> Response:
    """The GraphiQL page for ``GET {graphql_path}`` with ``Accept: text/html``; ``frames`` may show it in a frame.

    Every answer has its own nonce, so the page itself must not be cached.
    """
    nonce = secrets.token_urlsafe(16)
    page = _template().substitute(
        script_url=html.escape(_asset_url(graphql_path, assets()["graphiql.js"])),
        style_url=html.escape(_asset_url(graphql_path, assets()["graphiql.css"])),
        config=html.escape(json.dumps({"endpoint": graphql_path, "examples": examples()})),
        nonce=nonce,
    )
    headers = {
        "Cache-Control": "no-store",
        "Content-Security-Policy": _POLICY.format(nonce=nonce, frames=frames or "'none'"),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    if not frames:
        headers["X-Frame-Options"] = "DENY"
    return HTMLResponse(page, headers=headers)
