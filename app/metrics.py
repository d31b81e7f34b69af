"""What the process counts for `/metrics`, in a registry of its own: several servers can live in one process.

Labels are of a bounded number: names of ours, templates of routes, codes. Nothing personal is among them.
"""

from __future__ import annotations

import platform
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from app.proxies import HEADERS, Proxies

# When each series began: as many series again, which nobody asks for.
disable_created_metrics()  # type: ignore[no-untyped-call]

_FAST: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_SLOW: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Forwarded(Collector):
    """Which headers of proxies hits came with, so that `dashi doctor` can tell whether they are configured.

    Written by the event loop alone. Names are counted, never what they say.
    """

    def __init__(self, proxies: Proxies, named: str = "") -> None:
        """`named` is CLIENT_IP_HEADER."""
        self._proxies = proxies
        self._names = tuple(dict.fromkeys((*HEADERS, *([named.lower()] if named else ()))))
        # (header or `none`, whether the peer is a trusted proxy) → hits.
        self._counts = {(name, trusted): 0 for name in (*self._names, "none") for trusted in (True, False)}

    def note(self, headers: Mapping[str, str], peer: str) -> None:
        trusted, found = self._proxies.believes(peer), False
        for name in self._names:
            if name in headers:
                self._counts[name, trusted] += 1
                found = True
        if not found:
            self._counts["none", trusted] += 1

    def collect(self) -> Iterable[Metric]:
        family = CounterMetricFamily(
            "dashi_forwarding_headers",
            "Hits by the headers of proxies that came with them (none: without any), and by whether the connection came "
            "from one of TRUSTED_PROXIES (trusted), which is believed, or not (other).",
            labels=["header", "peer"],
        )
        for (name, trusted), count in self._counts.items():
            family.add_metric([name, "trusted" if trusted else "other"], count)
        yield family


class Metrics:
    def __init__(self, forwarded: Forwarded) -> None:
        self.registry = CollectorRegistry()
        self.accepted = self._counter("dashi_accepted_hits", "Hits acknowledged, on disk.", "type")
        self.dropped = self._counter("dashi_dropped_hits", "Hits answered without being stored.", "reason")
        self.bots = self._counter("dashi_dropped_bots", "Hits of bots, by the family of the agent.", "family")
        self.refused = self._counter("dashi_refused_hits", "Hits answered with an error.", "code")
        self.logins = self._counter("dashi_logins", "Logins by name and password.", "outcome")
        self.collect_seconds = self._histogram(
            "dashi_collect_seconds", "Time from a hit to its acknowledgement.", _FAST
        )
        self.commit_seconds = self._histogram(
            "dashi_journal_commit_seconds", "Time of writing one batch of hits to the journal.", _FAST
        )
        self.apply_seconds = self._histogram(
            "dashi_apply_seconds", "Time of applying batches to the event store, in one transaction.", _SLOW
        )
        self.apply_failures = Counter(
            "dashi_apply_failures",
            "Times that the event store refused batches, which are tried again.",
            registry=self.registry,
        )
        self.statement_seconds = self._histogram(
            "dashi_statement_seconds", "Time of a statement that reads the event store.", _SLOW
        )
        self._requests = self._counter(
            "dashi_requests", "Requests other than hits.", "route", "method", "status"
        )
        self._request_seconds = self._histogram(
            "dashi_request_seconds", "Time of a request other than a hit.", _SLOW, "route", "method"
        )
        self._operation_seconds = self._histogram(
            "dashi_graphql_seconds", "Time of a GraphQL request, by the kind of its operation.", _SLOW, "kind"
        )
        self.forwarded = forwarded
        self.registry.register(self.forwarded)
        ProcessCollector(registry=self.registry)
        for outcome in ("succeeded", "refused", "throttled"):
            self.logins.labels(outcome)

    def request(self, route: str, method: str, status: int, kind: str, seconds: float) -> None:
        """Count a request that was answered. `kind` is that of its GraphQL operation, '' if it has none."""
        self._requests.labels(route, method, status).inc()
        self._request_seconds.labels(route, method).observe(seconds)
        if kind:
            self._operation_seconds.labels(kind).observe(seconds)

    def info(self, **known: str) -> None:
        """Versions, as the labels of a figure that is always 1."""
        known = {
            "version": version("dashi-analytics"),
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
            **known,
        }
        info = Gauge("dashi_info", "Versions of what runs.", list(known), registry=self.registry)
        info.labels(**known).set(1)

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """A figure that is read when `/metrics` is asked for."""
        Gauge(name, text, registry=self.registry).set_function(read)

    def counter(self, name: str, text: str, read: Callable[[], float]) -> None:
        """A number that only grows and is kept elsewhere, read when `/metrics` is asked for."""
        self.registry.register(_Read(name, text, read))

    def text(self) -> bytes:
        return generate_latest(self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(name, text, labels, buckets=buckets, registry=self.registry)


class _Read(Collector):
    def __init__(self, name: str, text: str, read: Callable[[], float]) -> None:
        self._name, self._text, self._read = name, text, read

    def collect(self) -> Iterable[Metric]:
        yield CounterMetricFamily(self._name, self._text, value=self._read())
