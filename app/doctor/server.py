"""What the doctor asks a running server: whether it is ready, and its figures."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

from app import control
from app.backup import versions
from app.doctor.finding import Finding, ok, problem, warning
from app.engines import events_file
from app.settings import Settings

_SECONDS = 5.0
# Seconds behind which counting may be for a moment.
_LAG = 30.0


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers. `refused` is why it does not tell its figures, '' if it does."""

    url: str
    ready: bool
    reason: str
    refused: str = ""
    samples: list[tuple[str, dict[str, str], float]] = field(default_factory=list)

    def sum(self, name: str, **labels: str) -> float:
        """Of all processes."""
        return sum(
            value for found, given, value in self.samples if found == name and labels.items() <= given.items()
        )

    def highest(self, name: str) -> float:
        return max((value for found, _, value in self.samples if found == name), default=0.0)

    @property
    def info(self) -> dict[str, str]:
        """Its versions; empty if it does not tell."""
        return next((labels for name, labels, _ in self.samples if name == "dashi_info"), {})


def ask(settings: Settings) -> Running | None:
    """The server at HOST and PORT, None if none of ours answers there."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    url = f"http://{f'[{host}]' if ':' in host else host}:{settings.port}{settings.base_path}"
    try:
        status, body = _get(host, settings, "/readyz")
        told = json.loads(body)
        ready, reason = bool(told["ok"]), str(told.get("reason", ""))
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return None
    if status not in (200, 503):
        return None
    try:
        status, body = _get(host, settings, "/metrics")
    except (OSError, http.client.HTTPException) as error:
        return Running(url, ready, reason, type(error).__name__)
    if status != 200:
        return Running(url, ready, reason, f"{status} {body[:200].strip()}")
    return Running(url, ready, reason, samples=list(_samples(body)))


def _get(host: str, settings: Settings, path: str) -> tuple[int, str]:
    token = settings.metrics_token
    headers = {"authorization": f"Bearer {token.get_secret_value()}"} if token else {}
    connection = http.client.HTTPConnection(host, settings.port, timeout=_SECONDS)
    try:
        connection.request("GET", settings.base_path + path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode("utf-8", "replace")
    finally:
        connection.close()


def _samples(text: str) -> Iterator[tuple[str, dict[str, str], float]]:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            yield sample.name, dict(sample.labels), sample.value


def server(settings: Settings, running: Running | None, held: int | None) -> Iterator[Finding]:
    """Whether one runs, and is well. `held` is the process that holds the files (0: it cannot be told), None if none."""
    name = "server"
    if running is None:
        if held is None:
            yield ok(name, "None runs. What only a running server knows was not looked at.")
        else:
            yield warning(
                name,
                f"Process {held or 'unknown'} holds the files, and no server answers at {settings.host}:{settings.port}.",
                "Give this command the HOST, PORT and BASE_PATH of the server. If it hangs, its log tells why.",
            )
        return
    if not running.ready:
        yield problem(
            name,
            f"The one at {running.url} is not ready: {running.reason}.",
            "Events wait in the journal meanwhile. Its log tells more.",
        )
    else:
        yield ok(name, f"The one at {running.url} is ready.")
    if running.refused:
        yield warning(
            "metrics",
            f"The server does not tell its figures ({running.refused}): what only it knows was not looked at.",
            "Give this command the server's METRICS_TOKEN, or set METRICS=on.",
        )
    if running.info and running.info["version"] != versions()["dashi"]:
        yield warning(
            "running version",
            f"The server is Dashi {running.info['version']}, and installed is {versions()['dashi']}.",
            "Start the server again.",
        )
    if events_file(settings) and not control.listens(settings.data_dir.resolve()):
        yield warning(
            "backups",
            f"The server does not listen in {settings.data_dir.resolve()}: no backup can be made while it runs.",
            "Use the server's DATA_DIR here; if it is, the disk knows no sockets: move DATA_DIR, or stop the server for "
            "backups.",
        )


def lag(running: Running) -> Finding:
    """How far counting is behind collecting."""
    name = "lag"
    seconds, batches = running.highest("dashi_journal_lag_seconds"), running.sum("dashi_journal_lag_batches")
    text = f"{batches:.0f} batches wait to be counted, the oldest for {seconds:.0f} s"
    if seconds > _LAG:
        return problem(name, f"{text}.", "The store is slow or refuses events: the server's log tells which.")
    return ok(name, f"{text}.")


def proxies(settings: Settings, running: Running) -> Finding:
    """Whether the headers of proxies that come with hits are those that are read."""
    name = "proxy headers"
    total = "dashi_forwarding_headers_total"
    seen = {
        labels["header"]: running.sum(total, header=labels["header"])
        for found, labels, _ in running.samples
        if found == total
    }
    bare = seen.pop("none", 0)
    came = {header: number for header, number in seen.items() if number}
    if not came and not bare:
        return ok(name, "No hit has come since the server started. Send one and ask again.")
    listed = ", ".join(f"{header} with {number:.0f}" for header, number in came.items())
    wanted = settings.client_ip_header.lower()
    if wanted and wanted not in came:
        return problem(
            name,
            f"CLIENT_IP_HEADER is {settings.client_ip_header}, which came with no hit"
            + (f"; what came: {listed}." if came else "."),
            "Set it to the header that your proxy sends, or unset it if the usual ones will do.",
        )
    if not came:
        if running.sum(total, header="none", peer="other"):
            return ok(name, f"{bare:.0f} hits came without any, from visitors themselves.")
        return warning(
            name,
            f"All {bare:.0f} hits came from TRUSTED_PROXIES (private networks, unless set), without the visitor's address: behind a "
            "proxy, all visitors look like one.",
            "Have the proxy set X-Forwarded-For. If there is none, all is well.",
        )
    if sum(running.sum(total, header=header, peer="other") for header in came) > 0:
        return warning(
            name,
            f"Headers of proxies ({listed}) came from addresses that TRUSTED_PROXIES does not name. They were not believed: "
            "these visitors have the address of whoever passed them on.",
            "If that is your proxy or CDN, name its addresses in TRUSTED_PROXIES. If not, nothing is to be done.",
        )
    if bare:
        return warning(
            name,
            f"Hits came with headers of proxies ({listed}), and {bare:.0f} without any: some get round the proxy.",
            "Let only the proxy reach this port: HOST=127.0.0.1, or a firewall.",
        )
    return ok(name, f"Hits come through a proxy: {listed}.")
