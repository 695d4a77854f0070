"""Owns the HTTP port of a worker: /metrics for Prometheus, /healthz for whoever restarts it."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

__all__ = ["Health", "MonitoringServer"]


@dataclass(kw_only=True)
class Health:
    """Whether a worker is ready and gets on; consumers can die silently, so standing still counts as ill."""

    stall_seconds: float
    clock: Callable[[], float] = time.monotonic
    ready: bool = False
    waiting: int = 0
    """Records in the log that are not finished."""

    def __post_init__(self) -> None:
        self._progress_at = self.clock()

    def progress(self) -> None:
        """A batch is finished, or none waits."""
        self._progress_at = self.clock()

    def problem(self) -> str | None:
        """What is wrong, in words; None while all is well."""
        if not self.ready:
            return "starting: no partitions are assigned or the items are not read yet"
        still = self.clock() - self._progress_at
        if self.waiting > 0 and still > self.stall_seconds:
            return f"stalled: {self.waiting} records wait and none was finished for {still:.0f} s; restart this worker"
        return None


class MonitoringServer:
    """Serves both pages from a thread of its own, so that a busy event loop cannot silence them."""

    def __init__(self, host: str, port: int, *, registry: CollectorRegistry, health: Health) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/metrics":
                    self._answer(200, CONTENT_TYPE_LATEST, generate_latest(registry))
                elif self.path == "/healthz":
                    problem = health.problem()
                    self._answer(200 if problem is None else 503, "text/plain", (problem or "ok").encode())
                else:
                    self._answer(404, "text/plain", b"there are /metrics and /healthz")

            def _answer(self, status: int, kind: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Scrapes are not worth a line each."""

        self._server = ThreadingHTTPServer((host, port), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="monitoring", daemon=True)

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
