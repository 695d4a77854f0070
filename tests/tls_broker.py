"""Real broker that is reached over TLS alone: the embedded one behind an end of TLS.

`python -m tests.tls_broker COMMAND...` runs a command that is pointed at one, such as `pytest tests/streams`.
"""

import asyncio
import os
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from runtime.settings import KafkaSettings
from tests.broker import broker_process, free_port
from tests.certificates import Authority

__all__ = ["tls_broker"]


@contextmanager
def tls_broker(directory: Path) -> Iterator[KafkaSettings]:
    """An empty broker, without topics, whose certificate an authority of its own signs; its files go into `directory`."""
    authority = Authority(directory)
    own = authority.sign("broker")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(own.certificate, own.key)
    port = free_port()
    with broker_process(advertised_port=port) as (plain, _), _end_of_tls(port, context, to=plain.bootstrap_servers):
        yield KafkaSettings(bootstrap_servers=f"127.0.0.1:{port}", security_protocol="SSL", ssl_cafile=str(authority.certificate))


@contextmanager
def _end_of_tls(port: int, context: ssl.SSLContext, *, to: str) -> Iterator[None]:
    """Takes TLS on the port and passes what is in it on, both ways, until the block ends."""
    loop, listening, ended = asyncio.new_event_loop(), threading.Event(), asyncio.Event()

    async def serve() -> None:
        host, _, behind = to.rpartition(":")

        async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            broker_reader, broker_writer = await asyncio.open_connection(host, int(behind))
            await asyncio.gather(_pass_on(reader, broker_writer), _pass_on(broker_reader, writer))

        server = await asyncio.start_server(take, "127.0.0.1", port, ssl=context)
        listening.set()
        await ended.wait()
        server.close()
        connections = asyncio.all_tasks() - {asyncio.current_task()}
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), name="end-of-tls")
    thread.start()
    assert listening.wait(20.0)
    try:
        yield
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until either side has gone; then the other is closed."""
    with suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()


def main() -> None:
    """Runs the command that is given, and ends with its status."""
    with tempfile.TemporaryDirectory() as directory, tls_broker(Path(directory)) as kafka:
        configured = kafka.model_dump(include={"security_protocol", "ssl_cafile"})
        settings = {f"HEADWATER_KAFKA_{name.upper()}": value for name, value in configured.items()}
        environment = {**os.environ, **settings, "HEADWATER_TEST_BOOTSTRAP": kafka.bootstrap_servers}
        status = subprocess.run(sys.argv[1:], env=environment, check=False).returncode
    sys.exit(status)


if __name__ == "__main__":
    main()
