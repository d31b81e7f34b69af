"""How the HTTP server is run, and a bound that it does not have itself: a header, or what follows the last chunk of a
body, could go on for ever and would be kept in memory.
"""

from __future__ import annotations

from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.settings import Settings

# Bytes of a request's head; what arrives in one read may come on top.
MAX_HEAD: Final = 64 << 10
_REFUSAL: Final = b"Request header fields too large"
_ANSWER: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"x-content-type-options: nosniff\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s"
    % (len(_REFUSAL), _REFUSAL)
)


class BoundedHttp(HttpToolsProtocol):
    """Ends a connection over which more than MAX_HEAD bytes came that brought no request, body or end any further."""

    _fruitless = 0  # bytes since something was complete
    _advanced = False

    def data_received(self, data: bytes) -> None:
        self._advanced = False
        super().data_received(data)
        self._fruitless = 0 if self._advanced else self._fruitless + len(data)
        if self._fruitless > MAX_HEAD and not self.transport.is_closing():
            # In the middle of an answer there is none to be given.
            if self.cycle is None or self.cycle.response_complete:
                self.transport.write(_ANSWER)
            self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._advanced = True

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._advanced = True

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._advanced = True

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._advanced = True


def options(settings: Settings) -> dict[str, Any]:
    """What uvicorn is told, but for where to listen."""
    return {
        "loop": "uvloop",
        "http": BoundedHttp,
        "access_log": False,
        "server_header": False,
        # The visitor's address is read by the rules of collecting, from headers it is told to trust.
        "proxy_headers": False,
        # The rest of the ten seconds is for what was taken to reach the store.
        "timeout_graceful_shutdown": 5,
        "ws_max_size": settings.max_body_bytes,
        # Messages are small, and what compresses them would take 40 KB for each socket, as much as all else of it.
        "ws_per_message_deflate": False,
        # What uvicorn has to say goes the way of all else that is logged.
        "log_config": None,
        "log_level": "warning",
    }
