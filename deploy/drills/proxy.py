"""TCP proxy on this machine that lets a connection's bytes wait: a slow network between two processes."""

import asyncio
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any

__all__ = ["SlowProxy"]

_HOST = "127.0.0.1"
_CHUNK = 65_536


class SlowProxy:
    """Passes on what comes to `port` to `target_port`; each request waits `delay_seconds` on the way, answers do not.

    The delay may be changed while connections stand. Bytes keep their order, and a connection that one side closes, or that the
    target refuses, is closed on the other.
    """

    def __init__(self, target_port: int) -> None:
        self.delay_seconds = 0.0
        self.port = 0
        """Where it listens; known once the block is entered."""
        self._target_port = target_port
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="slow-proxy", daemon=True)

    def __enter__(self) -> "SlowProxy":
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._accept, _HOST, 0))
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._run(self._close_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, step: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(step, self._loop).result()

    async def _close_all(self) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()
        await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}), return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            to_reader, to_writer = await asyncio.open_connection(_HOST, self._target_port)
        except OSError:
            writer.close()
            return
        self._writers |= {writer, to_writer}
        ways = (
            asyncio.create_task(self._pass_on(reader, to_writer, slow=True)),
            asyncio.create_task(self._pass_on(to_reader, writer, slow=False)),
        )
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._writers -= {writer, to_writer}
            writer.close()
            to_writer.close()
            await asyncio.wait(ways)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, slow: bool) -> None:
        # Redis' clients wait for an answer before they ask again, so a pause is as good as a queue here.
        try:
            while chunk := await reader.read(_CHUNK):
                if slow and self.delay_seconds:
                    await asyncio.sleep(self.delay_seconds)
                writer.write(chunk)
                await writer.drain()
        except ConnectionError:
            return  # the other side is gone: the connection ends as that did
