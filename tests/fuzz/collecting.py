"""Sending hits, and the account of what was taken: what must be found again afterwards."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import orjson

from tests.fuzz import judging
from tests.fuzz.instance import Instance
from tests.fuzz.wire import Request, Response

# Texts of a hit that are read back as they were sent.
AS_SENT: Final = ("name", "tag")


@dataclass
class Account:
    """What one website's hits were answered."""

    website: str
    events: int = 0
    sessions: Counter[str] = field(default_factory=Counter)  # of events that were sent one by one
    identified: set[str] = field(default_factory=set)
    texts: dict[str, Counter[str]] = field(default_factory=lambda: {name: Counter() for name in AS_SENT})

    def taken(self, hit: Any, session: str = "") -> None:
        payload = hit["payload"]
        assert UUID(payload["website"]) == UUID(self.website), "a hit of no website was taken"
        if hit["type"] == "identify":
            if payload.get("data") and session:
                self.identified.add(session)
            return
        self.events += 1
        if session:
            self.sessions[session] += 1
        for name in AS_SENT:
            self.texts[name][_storable(payload.get(name, ""))] += 1


class Collecting:
    """Sends requests to the two routes of collecting, and keeps account."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.account = Account(instance.create_website())

    def send(self, request: Request) -> bool:
        """Whether the hit was taken. Raises Failed."""
        response = self.instance.wire.ask(request)
        judging.rest(request, response)
        if response.status != 200:
            self._refused(request, response)
            return False
        answer = orjson.loads(response.body)
        if not isinstance(answer, dict) or set(answer) != {"cache", "sessionId", "visitId"}:
            raise judging.Failed("an answer of another shape", request, response.text)
        self.account.taken(_read(request.body), answer["sessionId"])
        return True

    def batch(self, request: Request) -> bool:
        """Whether any hit of it was taken. Raises Failed."""
        response = self.instance.wire.ask(request)
        judging.rest(request, response)
        if response.status != 200:
            self._refused(request, response)
            return False
        answer = orjson.loads(response.body)
        hits = _read(request.body)
        failed = {one["index"] for one in answer["details"]}
        if (answer["size"], answer["errors"]) != (len(hits), len(failed)) or answer["processed"] != len(
            hits
        ) - len(failed):
            raise judging.Failed("a batch that does not add up", request, response.text)
        for index, hit in enumerate(hits):
            if index not in failed:
                self.account.taken(hit)
        return len(failed) < len(hits)

    def _refused(self, request: Request, response: Response) -> None:
        # 401: the odd header was a key that is none.
        if response.status not in (400, 401, 413):
            raise judging.Failed(
                "a refusal that is not described", request, f"{response.status} {response.text}"
            )


def _read(body: bytes) -> Any:
    """A body as the server takes it: bytes that are no UTF-8 replaced, of two equal keys the last."""
    return json.loads(body.decode("utf-8-sig", "replace"))


def _storable(text: str) -> str:
    """What is kept of a text: no NUL, and half pairs as U+FFFD."""
    return text.replace("\0", "").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
