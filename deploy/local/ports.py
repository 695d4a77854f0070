"""Ports of this machine: which are free, which are taken, what answers on one."""

import socket
import urllib.error
import urllib.request
from collections.abc import Mapping

from runtime.errors import UserError

__all__ = ["HOST", "PortTakenError", "answers", "check_free", "free_ports", "listens"]

HOST = "127.0.0.1"


class PortTakenError(UserError):
    """A port that was asked for belongs to another process; the message says which and what to do."""


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on, each another one."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind((HOST, 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()


def check_free(wanted: Mapping[str, int | None]) -> None:
    """Raises PortTakenError for the first of these ports, by what chose it, that something listens on already."""
    for flag, port in wanted.items():
        if port is not None and listens(port):
            raise PortTakenError(
                f"port {port} is taken by another process; choose another with {flag}, or leave it out for a free one"
            )


def listens(port: int) -> bool:
    """Whether something takes connections."""
    try:
        socket.create_connection((HOST, port), timeout=1.0).close()
    except OSError:
        return False
    return True


def answers(port: int) -> bool:
    """Whether GET /healthz says 200."""
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/healthz", timeout=1.0) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False
