"""Runs docs/graphql.md from top to bottom, as a reader would who tries everything.

What a block is for is said behind its language, where a reader does not see it:

| block | is |
| --- | --- |
| `graphql` | asked, with what the text before it says: `anonymous`, `key` or `share`, else the token; `work` asks for it |
| `sh` | run; the server's address stands for the document's |
| `js` | run with Node; with a file's name it is kept under that name instead |
| `js live` | run until all that is shown was printed; after each line a page is viewed |
| `js feed` | the same, and a page is viewed again and again |
| `json variables` | the variables of the operation before; without them the website's id is `site` |
| `json answer`, `text answer` | what came of the block before, whole |

Texts like `<website id>` in an answer stand for any text, which is meant wherever the name comes again.
"""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from tests.markdown import Block
from tests.populate import A, B, C, Hit, happening, view
from tests.server import PASSWORD, Server

ADDRESS = "https://stats.example.com"
PATIENCE = 20.0  # seconds
NAME = re.compile(r"<[a-z][a-z ]*>")

# What happened on the guide's website: three visitors on three days of November. Times are UTC, Berlin is an hour ahead.
HITS: tuple[Hit, ...] = (
    view(A, "2026-11-09 10:00:00", "/"),
    view(A, "2026-11-10 09:00:00", "/", referrer="https://www.google.com/search"),
    view(A, "2026-11-10 09:01:00", "/pricing"),
    happening(A, "2026-11-10 09:05:00", "/pricing", "signup", {"plan": "pro", "seats": 3}),
    view(B, "2026-11-10 10:00:00", "/docs/start", referrer="https://t.co/x"),
    view(B, "2026-11-10 10:02:00", "/pricing"),
    view(C, "2026-11-10 23:30:00", "/?utm_source=news&utm_campaign=launch"),
    view(C, "2026-11-11 08:00:00", "/docs/start"),
    view(C, "2026-11-11 08:03:00", "/pricing"),
    happening(C, "2026-11-11 08:04:00", "/pricing", "signup", {"plan": "free", "seats": 1}),
    view(A, "2026-11-11 12:00:00", "/"),
    happening(A, "2026-11-11 12:10:00", "/", "purchase", {"revenue": 49.9, "currency": "EUR"}),
)


@dataclass
class Guide:
    """A reader at work: what each name turned out to be, and a directory for files."""

    server: Server
    directory: Path
    names: dict[str, str] = field(default_factory=lambda: {"<password>": PASSWORD})

    def known(self, text: str) -> str:
        """The text with what its names stand for, sent to this server."""
        for name, value in self.names.items():
            text = text.replace(name, value)
        text = text.replace(ADDRESS.replace("https", "wss"), self.server.url.replace("http", "ws"))
        return text.replace(ADDRESS, self.server.url)

    def headers(self, said: str) -> dict[str, str]:
        if said == "anonymous":
            return {}
        if said == "key":
            return {"x-umami-api-key": self.names["<api key>"]}
        if said == "share":
            return {"x-umami-share-token": self.names["<share token>"]}
        assert said == "", f"nobody is called {said}"
        return {"Authorization": f"Bearer {self.names['<token>']}"}

    def ask(self, block: Block, variables: str | None) -> Any:
        given = json.loads(self.known(variables)) if variables else {"site": self.names.get("<website id>")}
        body = {"query": self.known(block.text), "variables": given}
        said = block.said
        if said == "work":
            said, body = "", body | {"extensions": {"work": True}}
        return self.server.client.post("/graphql", json=body, headers=self.headers(said)).json()

    def shell(self, block: Block) -> str:
        return self._run(["bash", "-euc", self.known(block.text)])

    def node(self, block: Block) -> str:
        (self.directory / "snippet.mjs").write_text(self.known(block.text), "utf-8")
        return self._run(["node", "snippet.mjs"])

    def follow(self, block: Block, lines: int) -> str:
        """The first lines that a snippet without an end prints while pages are viewed."""
        (self.directory / "snippet.mjs").write_text(self.known(block.text), "utf-8")
        # Node has a WebSocket of its own from version 22 on.
        (self.directory / "socket.mjs").write_text("globalThis.WebSocket ??= (await import('ws')).default;")
        command = ["node", "--import", "./socket.mjs", "snippet.mjs"]
        printed: Queue[str] = Queue()
        with subprocess.Popen(command, cwd=self.directory, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            reading = threading.Thread(target=lambda: [printed.put(line) for line in process.stdout or ()])
            reading.start()
            try:
                got = [self._printed(printed, process, block.said == "feed")]
                while len(got) < lines:
                    self._view()
                    got.append(self._printed(printed, process, block.said == "feed"))
            finally:
                process.kill()
                reading.join()
        return "".join(got)

    def _printed(self, printed: Queue[str], process: subprocess.Popen[str], viewing: bool) -> str:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and process.poll() is None:
            if viewing:
                self._view()
            with suppress(Empty):
                return printed.get(timeout=0.5)
        raise AssertionError(f"nothing printed; the snippet ended with {process.poll()}")

    def _view(self) -> None:
        body = {"type": "event", "payload": {"website": self.names["<website id>"], "url": "/docs/start"}}
        self.server.client.post("/api/send", json=body, headers=A.headers).raise_for_status()

    def keep(self, block: Block) -> None:
        (self.directory / block.said).write_text(self.known(block.text), "utf-8")

    def _run(self, command: list[str]) -> str:
        done = subprocess.run(command, cwd=self.directory, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def differences(self, shown: Any, got: Any, path: str = "answer") -> Iterator[str]:
        """Where an answer is not what is shown; names that are new are learned."""
        if isinstance(shown, dict) and isinstance(got, dict):
            if list(shown) != list(got):
                yield f"{path}: shown {list(shown)}, got {list(got)}"
            for key in shown.keys() & got.keys():
                yield from self.differences(shown[key], got[key], f"{path}.{key}")
        elif isinstance(shown, list) and isinstance(got, list):
            if len(shown) != len(got):
                yield f"{path}: shown {len(shown)}, got {len(got)}: {got}"
            for index, (one, other) in enumerate(zip(shown, got, strict=False)):
                yield from self.differences(one, other, f"{path}[{index}]")
        elif isinstance(shown, str) and isinstance(got, str) and NAME.fullmatch(shown):
            if got == "" or self.names.setdefault(shown, got) != got:
                yield f"{path}: {shown} is {self.names.get(shown)}, got {got}"
        elif shown != got or isinstance(shown, bool) != isinstance(got, bool):
            yield f"{path}: shown {shown!r}, got {got!r}"


@dataclass(frozen=True)
class Example:
    """A block that does something, its variables, and the answer that is shown, if one is."""

    block: Block
    variables: str | None
    answer: Block | None


def examples(found: list[Block]) -> list[Example]:
    """The examples of a document, in order. Every block must belong to one, or be a file."""
    made: list[Example] = []
    for block in found:
        if block.language in ("json", "text") and block.said == "answer":
            assert made, f"line {block.line}: an answer to nothing"
            assert made[-1].answer is None, f"line {block.line}: a second answer"
            made[-1] = Example(made[-1].block, made[-1].variables, block)
        elif (block.language, block.said) == ("json", "variables"):
            made[-1] = Example(made[-1].block, block.text, None)
        else:
            made.append(Example(block, None, None))
    return made
