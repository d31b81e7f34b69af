"""Documents that a request names instead of sending them: kept since they were first sent, or listed by the server.

Three forms say which: `extensions.persistedQuery {version: 1, sha256Hash}`, the protocol of Apollo's automatic
persisted queries (https://www.apollographql.com/docs/apollo-server/performance/apq), which Apollo Client, urql and
others speak; `documentId` in place of `query`; and, where documents are listed, the text itself.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final, Protocol

from graphql import GraphQLError

from app.errors import Denied, Invalid

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
# What an entry takes besides its text: the key, and its place in the order.
_ENTRY_BYTES: Final = 300


class NotTrusted(Denied):
    code, default = "not-trusted", "This server runs listed documents only, and this is none of them"


class WrongHash(Invalid):
    code, default = "wrong-hash", "sha256Hash is not the SHA-256 of this query"


class Documents(Protocol):
    """What a server knows of documents."""

    def text(self, query: str | None, named: str | None) -> str | None:
        """The document of a request that sends a query, names one, or both; None if it does neither. Raises if there is
        none, or none that may run."""

    def keep(self, query: str) -> None:
        """To be called with a query that its sender named, once it was found valid."""


class Kept:
    """Automatic persisted queries: the documents used last, up to `most_bytes`, of this process alone."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._texts: OrderedDict[str, str] = OrderedDict()  # hash → text, the one used last at the end
        self.bytes = 0

    def text(self, query: str | None, named: str | None) -> str | None:
        """Raises WrongHash, and GraphQLError with the words that clients answer by sending the text."""
        if named is None:
            return query
        if self._most_bytes == 0:
            if query:
                return query
            raise _for_client("PersistedQueryNotSupported", "PERSISTED_QUERY_NOT_SUPPORTED", 400)
        if query:
            if _digest(query) != named:
                raise WrongHash(field="sha256Hash")
            return query
        if named not in self._texts:
            raise _for_client("PersistedQueryNotFound", "PERSISTED_QUERY_NOT_FOUND", 404)
        self._texts.move_to_end(named)
        return self._texts[named]

    def keep(self, query: str) -> None:
        named = _digest(query)
        if named in self._texts or self._size(query) > self._most_bytes:
            return
        self._texts[named] = query
        self.bytes += self._size(query)
        while self.bytes > self._most_bytes:
            _, oldest = self._texts.popitem(last=False)
            self.bytes -= self._size(oldest)

    def __len__(self) -> int:
        return len(self._texts)

    @staticmethod
    def _size(text: str) -> int:
        return len(text.encode()) + _ENTRY_BYTES


class Listed:
    """Trusted documents: only what is listed runs, asked for by its id, by its SHA-256, or by the identical text."""

    def __init__(self, documents: Mapping[str, str]) -> None:
        """`documents`: id → text."""
        self._texts = {_digest(text): text for text in documents.values()} | dict(documents)

    def text(self, query: str | None, named: str | None) -> str | None:
        """Raises NotTrusted."""
        if not query and named is None:
            return None
        found = self._texts.get(_digest(query) if query else named or "")
        if found is None:
            raise NotTrusted
        return found

    def keep(self, query: str) -> None:
        """Nothing: the list is complete."""


def named_document(extensions: Mapping[str, Any]) -> str | None:
    """What the request calls its document, None if it names none. Raises Invalid for what cannot be understood."""
    if "documentId" in extensions:
        document_id = extensions["documentId"]
        if not isinstance(document_id, str):
            raise Invalid("documentId must be a text", field="documentId")
        return document_id.removeprefix("sha256:")
    persisted = extensions.get("persistedQuery")
    if persisted is None:
        return None
    if not isinstance(persisted, dict):
        raise Invalid("persistedQuery must be an object", field="persistedQuery")
    if persisted.get("version") != 1 or isinstance(persisted["version"], bool):
        raise Invalid("Only version 1 of persistedQuery is known", field="version")
    named = persisted.get("sha256Hash")
    if not isinstance(named, str):
        raise Invalid("sha256Hash must be a text", field="sha256Hash")
    # Clients differ in the case they write it in; ids of a list may be anything else.
    return named.lower() if _SHA256.fullmatch(named.lower()) else named


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _for_client(message: str, code: str, status: int) -> GraphQLError:
    return GraphQLError(message, extensions={"code": code, "status": status})
