"""Owns encoding the words that a request carries, off the event loop and within the time that the request has.

What the words do: `Recommend` draws candidates near to them and adds their cosine to each item's rank score. They do not
change a task's prediction, since no model has learned from them; `Score` therefore says that it left them out.
"""

import asyncio
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import structlog
from numpy.typing import NDArray

from training.cache import Encoder

__all__ = ["ContextEncoder"]

_log = structlog.get_logger(__name__)
_CACHED = 1024


class ContextEncoder:
    """Encodes on one thread of its own, so that a slow encoder does not hold up scoring; remembers the latest texts."""

    def __init__(self, encoder: Encoder, *, timeout_seconds: float) -> None:
        self._encoder = encoder
        self._timeout = timeout_seconds
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="context")
        self._cache: OrderedDict[str, NDArray[np.float32]] = OrderedDict()

    async def warm(self) -> None:
        """Loads the encoder, which takes seconds, so that no request waits for it."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._encode, "warm")

    async def encode(self, text: str, seconds: float) -> NDArray[np.float32] | None:
        """Vector (D,) of `text`; None if it could not be had in `seconds` or the encoder's own limit.

        An encoding that comes too late is remembered: the same words asked again are answered.
        """
        if (known := self._cache.get(text)) is not None:
            return known
        encoding = asyncio.get_running_loop().run_in_executor(self._thread, self._encode, text)
        try:
            return await asyncio.wait_for(encoding, min(self._timeout, seconds))
        except TimeoutError:
            return None
        except (OSError, RuntimeError, ValueError) as error:
            _log.error("context_not_encoded", error=str(error))
            return None

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _encode(self, text: str) -> NDArray[np.float32]:
        vector_D: NDArray[np.float32] = self._encoder.encode([text])[0]
        self._cache[text] = vector_D
        if len(self._cache) > _CACHED:
            self._cache.popitem(last=False)
        return vector_D
