"""Headers on every answer: what browsers are not to make of it (docs/security.md)."""

from __future__ import annotations

from typing import Final

from app.settings import Settings

Headers = tuple[tuple[bytes, bytes], ...]

# Nothing here is a page, so that nothing may be loaded by one or show it in a frame; what is one says so itself.
_ALWAYS: Final[Headers] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    # Pages that isolate themselves (COEP) load the tracker all the same.
    (b"cross-origin-resource-policy", b"cross-origin"),
)
_STRICT_TRANSPORT: Final[Headers] = ((b"strict-transport-security", b"max-age=63072000"),)  # two years


def protecting(settings: Settings) -> Headers:
    """The headers of these settings, made once: a hit's answer cannot afford to think about them."""
    return _ALWAYS + _STRICT_TRANSPORT if settings.force_ssl else _ALWAYS
