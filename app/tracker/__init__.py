"""The browser tracker: one script, served as it is written."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Final

COLLECT_PATH: Final = "/api/send"


@cache
def script(collect_path: str = COLLECT_PATH) -> bytes:
    """The tracker as UTF-8 JavaScript, sending to `collect_path` below the directory it was loaded from.

    `collect_path` starts with a slash. A base path needs no setting: `/stats/script.js` sends to `/stats/api/send`,
    unless the page names another server (`data-host-url`). Behaviour: Umami v2 REST behaviour §5, with the additions
    named in docs/tracker.md.
    """
    source = files(__name__).joinpath("script.js").read_text("utf-8")
    return source.replace(json.dumps(COLLECT_PATH), json.dumps(collect_path)).encode()
