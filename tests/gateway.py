"""A gateway in front of a broker that keeps a response back, so that a test knows what a client waits for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from runtime.settings import KafkaSettings

__all__ = ["Gateway"]


class Gateway:
    """Stands before a broker, lets a number of its responses through, and keeps the next one back."""

    def __init__(self, broker: KafkaSettings, responses: int) -> None:
        self._broker, self._responses = broker, responses
        self.held = asyncio.Event()
        """Set once a response is kept back."""
        self.closed = asyncio.Event()
        """Set once the client has closed the connection on which it waits for that."""

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[KafkaSettings]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        async with server:
            host, port = server.sockets[0].getsockname()
            yield self._broker.model_copy(update={"bootstrap_servers": f"{host}:{port}"})

    async def _serve(self, client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        host, port = self._broker.bootstrap_servers.split(":")
        responses, requests = await asyncio.open_connection(host, int(port))
        try:
            for at in range(self._responses + 1):
                requests.write(await _frame(client))
                response = await _frame(responses)
                if at < self._responses:
                    answers.write(response)
            self.held.set()
            await client.read()
            self.closed.set()
        except asyncio.IncompleteReadError:
            pass  # the client closed it earlier
        finally:
            for writer in (requests, answers):
                writer.close()


async def _frame(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(4)
    return head + await reader.readexactly(int.from_bytes(head))
