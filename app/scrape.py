"""`/metrics`: who may ask for it, and the figures of all processes of a server in one answer.

A process knows its own figures. Where there are several, each writes its own beside its journal every few seconds, and
whichever is asked adds those of the others, each with the label `worker`: the number of the journal that the process
holds, which the next process takes over after a restart.
"""

from __future__ import annotations

import hmac
import logging
import os
import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from app.errors import Denied, NotFound, Unauthenticated
from app.metrics import Metrics
from app.proxies import HEADERS, near
from app.settings import Settings

log = logging.getLogger("dashi.metrics")

# Seconds between two times that a process writes its figures, and after which a process is taken for gone.
_EVERY: Final = 5.0
_GONE: Final = 30.0
_JOURNAL: Final = re.compile(r"journal-(\d+)\.sqlite")
_FIGURES: Final = re.compile(r"journal-(\d+)\.metrics")


def check(settings: Settings, headers: Mapping[str, str], peer: str) -> None:
    """Raise unless who asks with these headers (lower-case names), from this address, may see the figures."""
    if not settings.metrics:
        raise NotFound
    if settings.metrics_token is not None:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        token = settings.metrics_token.get_secret_value()
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), token.encode()):
            raise Unauthenticated("Send METRICS_TOKEN as `Authorization: Bearer …`")
        return
    # What came through a proxy came from anywhere.
    if any(
        name in headers for name in (*HEADERS, "via", "x-forwarded-proto", "x-forwarded-host")
    ) or not near(peer):
        raise Denied("Without METRICS_TOKEN this is answered to this machine and private networks only")


class Workers:
    """The figures of this process, and of those beside it. Alone it writes nothing, and there is no `worker`."""

    def __init__(self, metrics: Metrics, journal: Path, several: bool) -> None:
        self._metrics = metrics
        self._file = journal.with_suffix(".metrics")
        self._several = several
        found = _JOURNAL.fullmatch(journal.name)
        self._number = found[1] if found else "1"
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)
        if several:
            self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        if self._several:
            self._thread.join()
            self._file.unlink(missing_ok=True)

    def text(self) -> bytes:
        mine = self._metrics.text()
        if not self._several:
            return mine
        together = CollectorRegistry(auto_describe=False)
        together.register(_Together({self._number: mine.decode(), **dict(self._others())}))
        return generate_latest(together)

    def _others(self) -> Iterator[tuple[str, str]]:
        for file in sorted(self._file.parent.glob("journal-*.metrics")):
            found = _FIGURES.fullmatch(file.name)
            try:
                if found and file != self._file and time.time() - file.stat().st_mtime < _GONE:
                    yield found[1], file.read_text("utf-8")
            except FileNotFoundError:  # its process has just ended
                continue

    def _run(self) -> None:
        while True:
            try:
                draft = self._file.with_suffix(".metrics-new")
                draft.write_bytes(self._metrics.text())
                os.replace(draft, self._file)
            except Exception as error:
                log.warning("the figures for /metrics could not be written", exc_info=error)
            if self._stopping.wait(_EVERY):
                return


class _Together(Collector):
    """The families of several processes as one each, every sample with the number of its process."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    def collect(self) -> Iterable[Metric]:
        families: dict[str, Metric] = {}
        for number, text in self._texts.items():
            for family in text_string_to_metric_families(text):
                known = families.setdefault(
                    family.name, Metric(family.name, family.documentation, family.type)
                )
                for sample in family.samples:
                    known.samples.append(sample._replace(labels={**sample.labels, "worker": number}))
        return families.values()
