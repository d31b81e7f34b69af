"""The fuzzers as one table, and how a number of inputs of one kind is run: by a test, and by `make fuzz`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded

from tests.fuzz import graphql, hits, reading_back, rest
from tests.fuzz.collecting import Collecting
from tests.fuzz.instance import Instance

Tell = Callable[[], None]
# Of failures that nobody foresaw the log has the story; the answer has only their number.
_FAILURES: Final = (
    "Unexpected error",
    "an error that nobody could handle",
    "Traceback (most recent call last)",
)


@dataclass(frozen=True)
class Kind:
    """One kind of input. `share` is how many of a hundred inputs are of it."""

    name: str
    share: int
    run: Callable[
        [Instance, int, int, Tell], int
    ]  # (instance, inputs, seed, called after each) → those that fitted


def _by_chance(fuzzer: Callable[[Instance], Any], method: str) -> Callable[[Instance, int, int, Tell], int]:
    """Inputs that are each made from a source of chance of their own: input 17 of a seed is always the same, but for
    the ids of what the server made."""

    def run(instance: Instance, inputs: int, seed: int, tell: Tell) -> int:
        ask, fitted = getattr(fuzzer(instance), method), 0
        for number in range(inputs):
            fitted += ask(Random(f"{seed} {method} {number}"))
            tell()
        return fitted

    return run


def _by_hypothesis(strategy: Callable[[str], Any], method: str) -> Callable[[Instance, int, int, Tell], int]:
    """Inputs that Hypothesis makes, and makes as small as they can be once one fails. Whatever was taken is read back
    afterwards."""

    def run(instance: Instance, inputs: int, seed: int, tell: Tell) -> int:
        collecting, fitted = Collecting(instance), 0

        @seeded(seed)
        @settings(
            max_examples=inputs,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.generate, Phase.shrink),
        )
        @given(strategy(collecting.account.website))
        def asked(request: Any) -> None:
            nonlocal fitted
            fitted += getattr(collecting, method)(request)
            tell()

        asked()
        reading_back.check(instance, collecting.account)
        return fitted

    return run


KINDS: Final = (
    Kind("rest fitting", 15, _by_chance(rest.Asking, "fitting")),
    Kind("rest broken", 15, _by_chance(rest.Asking, "broken")),
    Kind("graphql fitting", 14, _by_chance(graphql.Asking, "fitting")),
    Kind("graphql broken", 20, _by_chance(graphql.Asking, "broken")),
    Kind("graphql in address", 4, _by_chance(graphql.Asking, "in_address")),
    Kind("graphql stream", 3, _by_chance(graphql.Asking, "stream")),
    Kind("graphql socket", 4, _by_chance(graphql.Asking, "socket")),
    Kind("send", 20, _by_hypothesis(hits.send, "send")),
    Kind("batch", 5, _by_hypothesis(hits.batch, "batch")),
)


def check(instance: Instance) -> None:
    """What holds of the process after any number of inputs. Raises AssertionError."""
    assert instance.process.popen.poll() is None, "the server has ended"
    lines = instance.log().splitlines()
    failures = [line[:3000] for line in lines if any(failure in line for failure in _FAILURES)]
    assert failures == []
    assert instance.rejected() == []
    # Whatever was made of odd names and texts can be listed, through both doors.
    for path in ("/api/admin/users", "/api/websites", "/api/teams", "/api/reports"):
        answer = instance.client.get(path, params={"pageSize": 10_000})
        assert answer.status_code == 200, (path, answer.text)
    for query in _LISTS:
        instance.graphql(query)


_LISTS: Final = (
    "{ users(first: 100) { nodes { id username role } } }",
    "{ allWebsites(first: 100) { nodes { id name domain shareId shares { id name slug } segments { id name filters { value } } } } }",
    "{ teams(first: 100) { nodes { id name accessCode members(first: 100) { nodes { role } } } } }",
    "{ savedReports(first: 100) { nodes { id name description parameters } } }",
    "{ me { apiKeys(first: 100) { nodes { id name scopes } } } }",
)
