"""HTTP server for probes and scrapes: /metrics and one path for each health check."""

import sys
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from runtime.supervisor import StartThread, start_thread

__all__ = ["Probes"]


class Probes:
    """Serves from a thread of its own, so that a busy event loop cannot silence it."""

    def __init__(
        self, host: str, port: int, *, registry: CollectorRegistry, checks: Mapping[str, Callable[[], str | None]]
    ) -> None:
        """Args: `checks` maps a path, such as /healthz, to what returns the problem, or None (status 200) where there is none."""
        paths = ", ".join(["/metrics", *checks])

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/metrics":
                    self._send(200, CONTENT_TYPE_LATEST, generate_latest(registry))
                elif self.path in checks:
                    problem = checks[self.path]()
                    self._send(200 if problem is None else 503, "text/plain", f"{problem or 'ok'}\n".encode())
                else:
                    self._send(404, "text/plain", f"there are {paths}\n".encode())

            def _send(self, status: int, kind: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Probes come every second: they are not logged."""

        self._server = _Server((host, port), Handler)
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return self._server.server_port

    def start(self, thread: StartThread = start_thread) -> None:
        self._thread = thread("probes", self._server.serve_forever)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        if self._thread is not None:
            self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignores a scraper that hangs up early; shows anything else, which is a defect."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # passed on as it came
