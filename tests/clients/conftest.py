"""The clients that people run, unmodified and from their registries, each in a process of its own.

They are installed once for each version of what is locked here, into pytest's cache (`make clean` removes it).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.auth import STOCK_ADMIN_ID
from tests.clients.install import install_with, installed, npm
from tests.server import SECRET, Server

HERE = Path(__file__).parent
CONSTRAINTS = HERE.parent.parent / "constraints.txt"


class Running:
    """A client in its process: calls go in and what came of them comes out, one line of JSON each."""

    def __init__(self, command: Sequence[str | Path], environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(environment)
        )

    def call(self, name: str, *arguments: Any) -> Any:
        """What the method gave. Fails the test if it threw."""
        result = self._ask(name, arguments)
        assert "threw" not in result, result["threw"]
        return result.get("gave")

    def threw(self, name: str, *arguments: Any) -> str:
        """The text of what the method threw. Fails the test if it gave anything."""
        result = self._ask(name, arguments)
        assert "threw" in result, result
        return str(result["threw"])

    def _ask(self, name: str, arguments: Sequence[Any]) -> Any:
        pipes = self._process.stdin, self._process.stdout
        assert pipes[0] is not None
        assert pipes[1] is not None
        pipes[0].write(json.dumps({"call": name, "arguments": arguments}) + "\n")
        pipes[0].flush()
        line = pipes[1].readline()
        assert line, f"the client ended with {self._process.wait(10)}"
        return json.loads(line)

    def close(self) -> None:
        with self._process as process:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(10)


@dataclass(frozen=True)
class ApiClient:
    """`@umami/api-client` as one user, who has never logged in: it makes its token from the server's secret."""

    running: Running

    def __call__(self, method: str, *arguments: Any) -> Any:
        """The data of a successful answer. The test fails on any other."""
        result = self.running.call(method, *arguments)
        assert (result["ok"], result["status"], result.get("error")) == (True, 200, None), result
        return result["data"]

    def refused(self, method: str, *arguments: Any) -> tuple[int, Any]:
        """Status and error of a refusal: the client hands over the text as it came, here read as the JSON it is."""
        result = self.running.call(method, *arguments)
        assert (result["ok"], result.get("data")) == (False, None), result
        return result["status"], json.loads(result["error"])


Connect = Callable[..., ApiClient]


@pytest.fixture(scope="session")
def cache(pytestconfig: pytest.Config) -> Path:
    assert pytestconfig.cache is not None
    return pytestconfig.cache.mkdir("clients")


@pytest.fixture(scope="session")
def npm_clients(cache: Path) -> Path:
    """The npm clients with `run.mjs` beside them. Skips without Node and npm, but CI must have them."""
    return npm(cache, "npm", HERE, "run.mjs")


@pytest.fixture(scope="session")
def run_npm(npm_clients: Path) -> Iterator[Callable[..., Running]]:
    """`run_npm("node")`: an npm client in its process, which is ended with the tests."""
    # What the clients read is given by the tests alone.
    bare = {name: value for name, value in os.environ.items() if not name.startswith("UMAMI_")}
    with ExitStack() as ending:

        def run(which: str, **variables: str) -> Running:
            running = Running(["node", npm_clients / "run.mjs", which], bare | variables)
            ending.callback(running.close)
            return running

        yield run


@pytest.fixture(scope="session")
def connect(run_npm: Callable[..., Running]) -> Connect:
    """`connect(server, user_id)`: the API client as that user, the stock admin unless one is given."""

    def as_user(server: Server, user_id: str = str(STOCK_ADMIN_ID), secret: str = SECRET) -> ApiClient:
        settings = {
            "UMAMI_API_CLIENT_USER_ID": user_id,
            "UMAMI_API_CLIENT_SECRET": secret,
            "UMAMI_API_CLIENT_ENDPOINT": f"{server.url}/api",
        }
        return ApiClient(run_npm("api-client", **settings))

    return as_user


@pytest.fixture(scope="session")
def connect_with_key(run_npm: Callable[..., Running]) -> Connect:
    """`connect_with_key(server, key)`: the API client as it is set up for the cloud, with a key instead of a user."""

    def with_key(server: Server, key: str) -> ApiClient:
        settings = {"UMAMI_API_KEY": key, "UMAMI_API_CLIENT_ENDPOINT": f"{server.url}/api"}
        return ApiClient(run_npm("api-client", **settings))

    return with_key


@pytest.fixture(scope="session")
def run_python(cache: Path) -> Iterator[Callable[[str], Running]]:
    """`run_python("umami-analytics")`: a client from PyPI in its process, which is ended with the tests.

    The two packages are both called `umami` inside, so neither can be in the environment of the tests.
    """
    with ExitStack() as ending:

        def run(which: str) -> Running:
            requirements = HERE / f"{which}.txt"

            def install(target: Path) -> None:
                pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
                install_with(
                    [*pip, "--target", target, "--constraint", CONSTRAINTS, "--requirement", requirements],
                    HERE,
                )

            path = installed(cache, which, [requirements, CONSTRAINTS], install)
            running = Running([sys.executable, HERE / "run.py"], os.environ | {"PYTHONPATH": str(path)})
            ending.callback(running.close)
            return running

        yield run
