"""Encoding a request's words within its time."""

import asyncio
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from serving.context import ContextEncoder
from tests.serving.worlds import AxisEncoder


class _SlowEncoder(AxisEncoder):
    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        time.sleep(0.1)
        return super().encode(texts)


async def test_late_encoding_is_left_out_and_kept_for_the_next_request() -> None:
    """The same words asked again are answered at once."""
    contexts = ContextEncoder(_SlowEncoder(), timeout_seconds=0.02)
    assert await contexts.encode("axis 3", 1.0) is None
    await asyncio.sleep(0.2)
    vector_D = await contexts.encode("axis 3", 1.0)
    assert vector_D is not None
    assert vector_D.argmax() == 3
    contexts.close()


async def test_words_that_cannot_be_encoded_are_left_out() -> None:
    """A fault of the encoder is logged and costs the context, not the answer."""
    contexts = ContextEncoder(AxisEncoder(), timeout_seconds=1.0)
    assert await contexts.encode("no number", 1.0) is None
    contexts.close()
