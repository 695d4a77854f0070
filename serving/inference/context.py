"""Encoding the words that a request carries, off the event loop and within the time that the request has.

What the words do: `Recommend` draws candidates near to them and adds their cosine to each item's rank score. They do not
change a task's prediction, since no model has learned from them; `Score` therefore says that it left them out.
"""

import asyncio
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import structlog
from numpy.typing import NDArray

from training.encoding.cache import Encoder

__all__ = ["ContextEncoder"]

_log = structlog.get_logger(__name__)
_CACHED = 1024
_BATCH_TOKENS = 1024
_MAX_TOKENS = 256  # where encoders cut a text, see EncoderConfig.max_length
_NEWEST_SHARE = 0.2  # of the newest batch in the seconds that a token takes


class ContextEncoder:
    """Encodes on one thread of its own, so that a slow encoder does not hold up scoring; remembers the latest texts.

    Texts that come while a batch is encoded are the next batch, as many as fit its bounds: in tokens, and in the seconds that
    they will take by what the last ones took. A text that is asked for twice is encoded once, and a caller that leaves takes
    nothing from the others.
    """

    def __init__(self, encoder: Encoder, *, timeout_seconds: float) -> None:
        self._encoder = encoder
        self._timeout = timeout_seconds
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="context")
        self._cache: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self._waiting: OrderedDict[str, asyncio.Future[NDArray[np.float32] | None]] = OrderedDict()
        self._working: asyncio.Task[None] | None = None
        self._token_seconds = 0.0

    async def warm(self) -> None:
        """Loads the encoder, which takes seconds, so that no request waits for it."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._encoder.encode, ["warm"])
        except (OSError, RuntimeError, ValueError) as error:  # requests are answered without their words
            _log.error("encoder_not_warmed", error=str(error))

    async def encode(self, text: str, seconds: float) -> NDArray[np.float32] | None:
        """Vector (D,) of `text`; None if it could not be had in `seconds` or the encoder's own limit.

        An encoding that comes too late is remembered: the same words asked again are answered. Where others wait and it could
        not come in time, it is not begun.
        """
        if (known := self._cache.get(text)) is not None:
            self._cache.move_to_end(text)
            return known
        limit = min(self._timeout, seconds)
        if text not in self._waiting:
            ahead = sum(map(_tokens, self._waiting))
            if limit <= 0.0 or (ahead and (ahead + _tokens(text)) * self._token_seconds > limit):
                return None
            self._waiting[text] = asyncio.get_running_loop().create_future()
        encoding = self._waiting[text]
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work(), name="context")
        await asyncio.wait((encoding,), timeout=limit)
        return encoding.result() if encoding.done() else None

    def close(self) -> None:
        if self._working is not None:
            self._working.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _work(self) -> None:
        """Encodes batch by batch until nothing waits."""
        while self._waiting:
            texts = self._next_batch()
            began = time.perf_counter()
            vectors: list[NDArray[np.float32] | None] = [None] * len(texts)
            try:
                vectors = list(await asyncio.get_running_loop().run_in_executor(self._thread, self._encoder.encode, texts))
            except (OSError, RuntimeError, ValueError) as error:
                _log.error("context_not_encoded", error=str(error), texts=len(texts))
            taken = (time.perf_counter() - began) / sum(map(_tokens, texts))
            self._token_seconds += (_NEWEST_SHARE if self._token_seconds else 1.0) * (taken - self._token_seconds)
            for text, vector_D in zip(texts, vectors, strict=True):
                if vector_D is not None:
                    self._remember(text, vector_D)
                self._waiting.pop(text).set_result(vector_D)

    def _next_batch(self) -> list[str]:
        """The texts that have waited longest: one at least, and no more than the bounds allow."""
        tokens = _BATCH_TOKENS
        if self._token_seconds:
            tokens = min(tokens, int(self._timeout / self._token_seconds))
        texts: list[str] = []
        for text in self._waiting:
            tokens -= _tokens(text)
            if texts and tokens < 0:
                break
            texts.append(text)
        return texts

    def _remember(self, text: str, vector_D: NDArray[np.float32]) -> None:
        self._cache[text] = vector_D
        if len(self._cache) > _CACHED:
            self._cache.popitem(last=False)


def _tokens(text: str) -> int:
    """About how many tokens a text has: a Chinese character, of three bytes, is one, an English word one or two.

    >>> _tokens("two words"), _tokens("x" * 10_000)
    (5, 256)
    """
    return min(2 + len(text.encode()) // 3, _MAX_TOKENS)
