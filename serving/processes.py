"""Several server processes on one port, for more than one core: starts, watches and replaces them, and speaks for all.

The kernel spreads connections over the processes (SO_REUSEPORT). Each is a new process and not a fork, since a fork of a process
that has threads or has tokenized may hang. A connection stays with its process, so a client needs several to use all cores.
Text vectors lie in memory that all have in common.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass
from http import HTTPStatus

import structlog
from prometheus_client import CollectorRegistry

from feature_repo.items.shared_memory import ItemSharedMemory
from runtime.metrics import MergedMetrics
from runtime.probes import Probes
from serving.settings import ServerSettings

__all__ = ["CHILD", "ServerProcesses"]

CHILD = "--child"
"""Argument of a server that ends when its standard input does, which is when its parent is gone.

The files of `ItemSharedMemory` follow it where it shares them with others.
"""

_log = structlog.get_logger(__name__)
_LOOK_SECONDS = 0.5
_ANSWER_SECONDS = 2.0


@dataclass(kw_only=True, slots=True)
class _Child:
    """One server process."""

    process: "subprocess.Popen[bytes]"
    metrics_port: int
    was_healthy: bool = False
    scraped: str = ""
    """Its metrics as of the last look."""


class ServerProcesses:
    """Runs `settings.processes` servers until told to stop. A server that dies is replaced, unless it never came up."""

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        # Bound and never listened on: it keeps the port for servers that come later, and gets no connection.
        self._place = socket.socket()
        self._place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._place.bind((settings.host, settings.port))
        self.port: int = self._place.getsockname()[1]
        self._items = ItemSharedMemory.create()
        self._children: list[_Child] = []
        self._stopping = threading.Event()
        self._metrics = MergedMetrics(self._texts)
        registry = CollectorRegistry()
        registry.register(self._metrics)
        self._probes = Probes(
            settings.host,
            settings.metrics_port,
            registry=registry,
            checks={
                "/healthz": lambda: self._problem("healthz"),
                "/readyz": lambda: self._problem("readyz"),
                "/livez": lambda: None if self._alive() else "requests are stalled: restart the server",
            },
        )

    def run(self) -> int:
        """The exit status: 0 after `stop`, 1 if a server could not start; either way no server is left."""
        self._children = [self._start() for _ in range(self._settings.processes)]
        self._probes.start()
        _log.info("servers_started", processes=len(self._children), port=self.port, metrics_port=self._probes.port)
        failed = False
        while not failed and not self._stopping.wait(_LOOK_SECONDS):
            failed = not all(self._look(number) for number in range(len(self._children)))
        for child in self._children:
            child.process.send_signal(signal.SIGTERM)
        for child in self._children:
            child.process.wait()
        self._probes.stop()
        self._place.close()
        return int(failed)

    def stop(self) -> None:
        """Lets `run` end; may be called from a signal handler."""
        self._stopping.set()

    def _start(self) -> _Child:
        with socket.socket() as free:
            free.bind((self._settings.host, 0))
            metrics_port = free.getsockname()[1]
        own = {"PROCESSES": 1, "PORT": self.port, "METRICS_PORT": metrics_port}
        environment = os.environ | {f"HEADWATER_SERVER_{name}": str(value) for name, value in own.items()}
        files = self._items.files
        argv = [sys.executable, "-m", "serving", CHILD, *map(str, files)]
        process = subprocess.Popen(argv, env=environment, stdin=subprocess.PIPE, pass_fds=files)
        return _Child(process=process, metrics_port=metrics_port)

    def _look(self, number: int) -> bool:
        """Notes how a child does, replaces it if it died; False if it died before it was ever healthy."""
        child = self._children[number]
        if child.process.poll() is None:
            child.scraped = self._ask(child, "metrics") or child.scraped
            child.was_healthy = child.was_healthy or self._ask(child, "readyz") is not None
            return True
        _log.error("server_died", status=child.process.returncode, replaced=child.was_healthy)
        if child.was_healthy:
            self._metrics.keep(child.scraped)
            self._children[number] = self._start()
        return child.was_healthy

    def _problem(self, path: str) -> str | None:
        """What the first child says that has one; None where all are well."""
        if self._stopping.is_set():
            return "draining"
        answers = (self._answer(child, path) for child in self._children)
        return next((scraped for status, scraped in answers if status != HTTPStatus.OK), None)

    def _alive(self) -> bool:
        """Whether no child is stalled; one that died is replaced, which needs no new start of the whole."""
        known = [child for child in self._children if child.was_healthy and child.process.poll() is None]
        return all(self._ask(child, "livez") is not None for child in known)

    def _texts(self) -> list[str]:
        """What each child says of itself now, or said last if it does not answer."""
        return [self._ask(child, "metrics") or child.scraped for child in self._children]

    def _ask(self, child: _Child, path: str) -> str | None:
        """The child's answer to GET; None unless it is 200."""
        status, scraped = self._answer(child, path)
        return scraped if status == HTTPStatus.OK else None

    def _answer(self, child: _Child, path: str) -> tuple[int, str]:
        """Status and body of the child's answer to GET; 0 and why where there is none."""
        url = f"http://{self._settings.host}:{child.metrics_port}/{path}"
        try:
            with urllib.request.urlopen(url, timeout=_ANSWER_SECONDS) as response:
                return HTTPStatus.OK, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode().strip()
        except OSError as error:
            return 0, f"a server process does not answer: {error}"
