"""The order of steps, and what happens when the store is down or the partitions go."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import repeat

from feature_repo.store import StoreUnavailable
from runtime.record import Oversized, Publication, Record
from streams.pipeline import BatchPipeline

PUBLICATION = Publication("topic", b"key", b"value")
CONFIRMATION = Publication("receipts", b"key", b"done")


@dataclass
class Work:
    publications: list[Publication] = field(default_factory=lambda: [PUBLICATION])


class Steps:
    """A processor and a publisher that write down their steps; the store fails `failures` times."""

    def __init__(self, failures: int = 0) -> None:
        self.taken: list[str] = []
        self.failures = failures

    def process(self, records: Sequence[Record]) -> Work:
        self.taken.append("fold")
        return Work()

    async def publish(self, publications: Sequence[Publication], hear: Callable[[str], None]) -> Sequence[Oversized]:
        [published] = publications
        self.taken.append({PUBLICATION: "publish", CONFIRMATION: "confirm"}[published])
        return ()

    def write(self, work: Work) -> Sequence[Publication]:
        if self.failures:
            self.failures -= 1
            self.taken.append("write fails")
            raise StoreUnavailable("down")
        self.taken.append("write")
        return (CONFIRMATION,)

    def forget(self) -> None:
        self.taken.append("forget")


def _pipeline(steps: Steps, *, pause: float = 0.001) -> BatchPipeline[Work]:
    executor = ThreadPoolExecutor(1)
    return BatchPipeline(
        "test", steps, publisher=steps, executor=executor, observe_seconds=lambda *_: None, retry_pauses=lambda: repeat(pause)
    )


async def test_a_batch_is_published_before_it_is_written() -> None:
    """The row carries the position: written first, a crash would lose what was not published. Receipts come after the erasure."""
    steps = Steps()
    assert await _pipeline(steps).handle([], {}, {}) is not None
    assert steps.taken == ["fold", "publish", "write", "confirm"]


async def test_a_store_that_is_down_is_waited_for_without_folding_again() -> None:
    """Folding twice would count twice."""
    steps, heard = Steps(failures=2), list[str]()
    pipeline = _pipeline(steps)
    pipeline.on_retry(heard.append)
    assert await pipeline.handle([], {}, {}) is not None
    assert heard == ["down", "down"]
    assert steps.taken == ["fold", "publish", "write fails", "write fails", "write", "confirm"]


async def test_a_batch_whose_partitions_go_is_given_up_and_its_rows_forgotten() -> None:
    """Another worker reads it again; writing it here would overwrite that worker's rows. No pause is waited for to its end."""
    steps = Steps(failures=1_000_000)
    pipeline = _pipeline(steps, pause=1e6)
    batch = asyncio.create_task(pipeline.handle([], {}, {}))
    await asyncio.sleep(0.05)
    await pipeline.on_revoked()
    assert await batch is None
    assert steps.taken[-1] == "forget"
    assert await pipeline.handle([], {}, {}) is None, "between leaving and arriving nothing is folded"
    assert steps.taken[-1] == "forget"
    steps.failures = 0
    await pipeline.on_assigned()
    assert await pipeline.handle([], {}, {}) is not None
