"""Owns the HTTP port of a worker: /metrics for Prometheus, /healthz for whoever restarts it."""

import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

__all__ = ["Health", "Heartbeat", "MonitoringServer"]


class Heartbeat:
    """How one consumer does; consumers can die silently, so standing still counts as ill."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.ready = False
        self.waiting = 0
        """Records in the log that are not finished."""
        self._clock = clock
        self._progress_at = clock()

    def progress(self) -> None:
        """A batch is finished, or none waits."""
        self._progress_at = self._clock()

    def problem(self, stall_seconds: float) -> str | None:
        """What is wrong, in words; None while all is well."""
        if not self.ready:
            return "starting: no partitions are assigned or the items are not read yet"
        still = self._clock() - self._progress_at
        if self.waiting > 0 and still > stall_seconds:
            return f"stalled: {self.waiting} records wait and none was finished for {still:.0f} s; restart this worker"
        return None


class Health:
    """Whether all parts of a process are ready and get on."""

    def __init__(self, *, stall_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._stall_seconds, self._clock = stall_seconds, clock
        self._parts: dict[str, Heartbeat] = {}

    def part(self, name: str) -> Heartbeat:
        """The heartbeat of a part, which counts from the first time it is asked for."""
        return self._parts.setdefault(name, Heartbeat(self._clock))

    def problem(self) -> str | None:
        """The first part's problem, with its name; None while all is well."""
        problems = ((name, part.problem(self._stall_seconds)) for name, part in self._parts.items())
        return next((f"{name} is {problem}" for name, problem in problems if problem is not None), None)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A scraper that hangs up early is no news; anything else is a defect and is shown."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # passed on as it came


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

        self._server = _Server((host, port), Handler)
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
