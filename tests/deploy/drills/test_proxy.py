"""The slow proxy passes bytes on in order, late where it is told to, and closes what is closed on the other side."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from deploy.drills.proxy import SlowProxy


@contextmanager
def echo() -> Iterator[int]:
    """A server that sends back what it gets, on the port that is given."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                while chunk := connection.recv(65_536):
                    connection.sendall(chunk)

    thread = threading.Thread(target=serve)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def ask(port: int, content: bytes) -> tuple[bytes, float]:
    """What comes back, and after how many seconds all of it is there."""
    with socket.create_connection(("127.0.0.1", port), timeout=20.0) as connection:
        began, got = time.monotonic(), b""
        connection.sendall(content)
        while len(got) < len(content):
            got += connection.recv(65_536)
        return got, time.monotonic() - began


def test_bytes_pass_in_order() -> None:
    """A megabyte comes back as it went."""
    content = bytes(range(256)) * 4096
    with echo() as target, SlowProxy(target) as proxy:
        assert ask(proxy.port, content)[0] == content


def test_requests_wait_while_they_are_told_to() -> None:
    """With a delay an answer takes at least so long."""
    with echo() as target, SlowProxy(target) as proxy:
        proxy.delay_seconds = 0.3
        got, seconds = ask(proxy.port, b"ping")
        assert got == b"ping"
        assert seconds >= 0.3


def test_a_target_that_is_gone_is_felt() -> None:
    """Where the target refuses, the connection ends instead of hanging."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = int(one.getsockname()[1])
    with SlowProxy(port) as proxy, socket.create_connection(("127.0.0.1", proxy.port), timeout=20.0) as connection:
        try:
            assert connection.recv(1) == b""
        except ConnectionResetError:
            return  # as good an end


@pytest.mark.filterwarnings("error")
def test_it_leaves_nothing_behind() -> None:
    """A connection that still stands does not hold up the end."""
    with echo() as target:
        with SlowProxy(target) as proxy:
            connection = socket.create_connection(("127.0.0.1", proxy.port), timeout=20.0)
            connection.sendall(b"x")
            assert connection.recv(1) == b"x"
        connection.close()
