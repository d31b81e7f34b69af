"""A soak: a process under everyday load for a while, watched from outside."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from tests.process import Process, environment, serving
from tests.soak.load import Load
from tests.soak.watching import Sample, look, slope

MIB: Final = 1 << 20
# Seconds at the beginning that are not judged: imports, caches of statements and pools fill. Of a longer run a third.
WARM_UP: Final = 12.0
# Bytes of memory by which a run may have grown at its end if it went on along the fitted line; beside it what each
# further hour may add. An hour at the rate of a quarter's growth would be a leak that a day shows.
MEMORY_GROWTH: Final = 24 * MIB
MEMORY_AN_HOUR: Final = 24 * MIB
FILES_GROWTH: Final = 6  # connections that come and go are seen in the middle of it
THREADS_GROWTH: Final = 2
EVENTS_WAL: Final = 80 * MIB  # DuckDB's is written back at 64 MiB, or after 20 idle seconds
JOURNAL: Final = 200 * MIB  # holds what that has not got yet; its file keeps the size that it once had
SQLITE_WALS: Final = 24 * MIB  # each is written back at 4 MiB, but not while somebody reads


@dataclass
class Outcome:
    """A soak that has ended: what was seen, and what there is to count."""

    samples: list[Sample]
    done: dict[str, int]
    failures: list[str]
    acknowledged: int
    counted: int

    @property
    def judged(self) -> list[Sample]:
        first, last = self.samples[0].at, self.samples[-1].at
        return [one for one in self.samples if one.at - first > max(WARM_UP, (last - first) / 3)]

    def growth(self, of: Callable[[Sample], float]) -> float:
        """By how much it grew along the fitted line from the end of warming up to the end."""
        judged = self.judged
        return slope([(one.at, of(one)) for one in judged]) * (judged[-1].at - judged[0].at)


def soak(
    directory: Path, database_url: str, seconds: float, tell: Callable[[Sample, Load], None] | None = None
) -> Outcome:
    """Run for so long; `tell` is called every second."""
    with _website(directory, database_url) as (process, token, website):
        samples: list[Sample] = []
        started = time.monotonic()
        with Load(process, token, website) as load:
            while (at := time.monotonic() - started) < seconds:
                samples.append(look(process.popen.pid, directory / "data", at))
                if tell is not None:
                    tell(samples[-1], load)
                assert process.popen.poll() is None, process.log.read_text()
                time.sleep(1)
        counted = _counted(process, load, website)
        assert "Traceback" not in process.log.read_text(), process.log.read_text()[-3000:]
    return Outcome(samples, load.done, load.failures, load.acknowledged, counted)


@contextmanager
def _website(directory: Path, database_url: str) -> Iterator[tuple[Process, str, str]]:
    directory.mkdir(parents=True, exist_ok=True)
    # One caller asks all the questions here; what each may cost is limited as ever. DuckDB keeps what it has read up to
    # its limit, which is to be reached soon.
    more = {
        "GRAPHQL_BUCKET_SIZE": "1000000000",
        "GRAPHQL_BUCKET_REFILL": "1000000000",
        "DUCKDB_MEMORY_LIMIT": "128MB",
    }
    env = environment(directory / "data", database_url, **more)
    with serving(env, directory / "log") as process:
        token = process.token()
        headers = {"authorization": f"Bearer {token}"}
        given = {"name": "Soaked", "domain": "example.com"}
        website = httpx.post(f"{process.url}/api/websites", json=given, headers=headers).json()["id"]
        yield process, token, website


def _counted(process: Process, load: Load, website: str) -> int:
    """All events of the website, by REST; GraphQL is asked to say the same."""
    params = {"startAt": "0", "endAt": "4102444799000", "pageSize": "1"}
    listed = httpx.get(
        f"{process.url}/api/websites/{website}/events", params=params, headers=load.headers, timeout=60
    )
    count: int = listed.json()["count"]
    query = (
        "query($id: ID!) { website(id: $id) { analytics(period: {all: true}) { sessionTotals { hits } } } }"
    )
    asked = {"query": query, "variables": {"id": website}}
    answer = httpx.post(f"{process.url}/graphql", json=asked, headers=load.headers, timeout=60).json()
    assert answer["data"]["website"]["analytics"]["sessionTotals"]["hits"] == count, answer
    return count


def problems(outcome: Outcome) -> Sequence[str]:
    """What does not hold, in words; empty if all does."""
    minutes = (outcome.judged[-1].at - outcome.judged[0].at) / 60
    memory = MEMORY_GROWTH + MEMORY_AN_HOUR * minutes / 60
    largest = {
        "DuckDB's log": (max(one.events_wal for one in outcome.samples), EVENTS_WAL),
        "the journal": (max(one.journal for one in outcome.samples), JOURNAL),
        "SQLite's logs": (max(one.sqlite_wals for one in outcome.samples), SQLITE_WALS),
    }
    grown = {
        "memory": (outcome.growth(lambda one: one.memory), memory),
        "files": (outcome.growth(lambda one: one.files), FILES_GROWTH),
        "threads": (outcome.growth(lambda one: one.threads), THREADS_GROWTH),
    }
    found = [
        f"{name} grew by {by:.0f}, more than {most:.0f}" for name, (by, most) in grown.items() if by > most
    ]
    found += [
        f"{name} had {size} bytes, more than {most}" for name, (size, most) in largest.items() if size > most
    ]
    if outcome.counted != outcome.acknowledged:
        found.append(f"{outcome.acknowledged} hits were acknowledged, {outcome.counted} are counted")
    found += [f"failed: {failure}" for failure in outcome.failures]
    found += [f"{name} was never done" for name, times in outcome.done.items() if not times]
    return found
