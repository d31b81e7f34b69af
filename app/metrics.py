"""What the process counts for `/metrics`, in a registry of its own: several servers can live in one process."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest


class Metrics:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.accepted = Counter(
            "dashi_accepted_hits_total", "Hits acknowledged, on disk.", ["type"], registry=self.registry
        )
        self.dropped = Counter(
            "dashi_dropped_hits_total",
            "Hits answered without being stored.",
            ["reason"],
            registry=self.registry,
        )
        self.bots = Counter(
            "dashi_dropped_bots_total",
            "Hits of bots, by the family of the agent.",
            ["family"],
            registry=self.registry,
        )
        self.refused = Counter(
            "dashi_refused_hits_total", "Hits answered with an error.", ["code"], registry=self.registry
        )
        self.collect_seconds = Histogram(
            "dashi_collect_seconds",
            "Time from a hit to its acknowledgement.",
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
            registry=self.registry,
        )

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """A figure that is read when `/metrics` is asked for."""
        Gauge(name, text, registry=self.registry).set_function(read)

    def text(self) -> bytes:
        return generate_latest(self.registry)
