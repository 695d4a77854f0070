"""Owns the HTTP port beside gRPC: /healthz and /livez for orchestrators, /metrics for Prometheus."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

__all__ = ["Probes"]


class Probes:
    """Serves on a thread of its own; `healthy()` is asked at each /healthz, `alive()` at each /livez: 200 while True, else 503.

    One that is not healthy should get no requests for now, one that is not alive should be started anew.
    """

    def __init__(
        self, host: str, port: int, registry: CollectorRegistry, *, healthy: Callable[[], bool], alive: Callable[[], bool]
    ) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/metrics":
                    self._send(200, CONTENT_TYPE_LATEST, generate_latest(registry))
                elif self.path == "/healthz":
                    ok = healthy()
                    self._send(200 if ok else 503, "text/plain", b"ok\n" if ok else b"not ready, or draining\n")
                elif self.path == "/livez":
                    ok = alive()
                    self._send(200 if ok else 503, "text/plain", b"ok\n" if ok else b"requests stand still: start it anew\n")
                else:
                    self._send(404, "text/plain", b"there are /healthz, /livez and /metrics\n")

            def log_message(self, format: str, *args: object) -> None:
                """Probes come every second: they are not logged."""

            def _send(self, status: int, kind: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self._server = ThreadingHTTPServer((host, port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, name="probes", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
