"""Nothing that is sent makes the server fail, hang or tell of its inside, and what is taken can be read back.

A few hundred inputs of each kind; `make fuzz` runs a hundred thousand with a seed of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fuzz import judging, run
from tests.fuzz.instance import Instance, instance
from tests.fuzz.run import KINDS, Kind
from tests.fuzz.wire import Request, Response

# In all, on each store; what hits become differs between them, most of the rest does not.
INPUTS = {"duckdb": 1200, "postgresql": 600, "clickhouse": 150}
SEED = 1


@pytest.fixture(scope="module")
def fuzzed(address: Callable[[Path], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    directory = tmp_path_factory.mktemp("fuzz")
    with instance(directory, address(directory / "data")) as one:
        yield one
        run.check(one)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_whatever_is_sent(fuzzed: Instance, store: str, kind: Kind) -> None:
    told: list[None] = []
    inputs = INPUTS[store] * kind.share // 100
    fitted = kind.run(fuzzed, inputs, SEED, lambda: told.append(None))
    assert len(told) >= inputs
    # It is no fuzzing if nothing gets past the first check.
    assert fitted > 0


def test_an_event_of_a_stream_ends_with_a_line_feed_alone() -> None:
    """What a client that splits lines elsewhere sees is half an answer."""
    error = '{"errors":[{"message":"a\u2028b\x85c","extensions":{"code":"invalid","status":400}}]}'
    sent = f"event: next\ndata: {error}\n\n".encode()
    response = Response(200, {"content-type": "text/event-stream; charset=utf-8"}, sent)
    [told] = judging.graphql(Request(b"POST", b"/graphql"), response)["errors"]
    assert told["message"] == "a\u2028b\x85c"
