"""The request that is being answered: known to all that is called for it, in other threads too."""

from __future__ import annotations

import itertools
import re
import secrets
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

# What a proxy or a client may call a request; anything else could put what it likes into the log.
_SANE: Final = re.compile(rb"[A-Za-z0-9._-]{8,64}")
_PROCESS: Final = secrets.token_hex(4)
_numbers: Final = itertools.count(1)


@dataclass(slots=True)
class Current:
    """One request. `route` is the template of its path, `operation` what GraphQL document it runs: `query Totals`.

    Both are filled in by the door that finds them. Neither holds an id, a slug or anything else that was sent, but for
    the name that the document's author gave to the operation.
    """

    id: str
    method: str
    route: str = ""
    operation: str = ""


# None outside of a request. Whoever hands work to a thread hands this on with its context.
CURRENT: Final[ContextVar[Current | None]] = ContextVar("current", default=None)


def request_id(given: bytes | None) -> str:
    """The id that came with a request if it is a sane one, else one of our own: unique, of this process."""
    if given is not None and _SANE.fullmatch(given):
        return given.decode("ascii")
    return f"{_PROCESS}-{next(_numbers):06x}"


def current_id() -> str:
    """The id of the request that is being answered; a new one outside of any, for what is to be found in the log."""
    current = CURRENT.get()
    return current.id if current else request_id(None)
