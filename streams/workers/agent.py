"""Faust agent of the folding workers: take a batch, handle it, acknowledge it."""

from collections.abc import Callable
from typing import Any, TypeVar

from streams.consumer.group import Group
from streams.pipeline import BatchPipeline, Rewind, Work
from streams.workers.worker import Worker

__all__ = ["define_agent"]

W = TypeVar("W", bound=Work)


def define_agent(worker: Worker, group: Group, pipeline: BatchPipeline[W], *, observe: Callable[[W], None]) -> None:
    """Registers the group's agent: `observe` sees each finished batch, the worker hears of the error that ends it."""

    async def handle_batches(stream: Any) -> None:
        try:
            async for taken in group.batches(stream):
                try:
                    work = await pipeline.handle(
                        taken.records, taken.begins, {tp.partition: end for tp, end in taken.ends.items()}
                    )
                except Rewind as back:
                    rewinds.inc()
                    await group.rewind(back.offsets)
                    continue
                if work is not None:
                    group.acknowledge(taken.ends)
                    observe(work)
        except Exception as error:
            worker.fail(error)

    rewinds = worker.metrics.store_rewinds.labels(pipeline.name)
    retries = worker.metrics.store_retries.labels(pipeline.name)  # shown from 0 on, so that a rate sees the first one too

    def observe_retry(what: str) -> None:
        retries.inc()
        group.wait_for(what)

    group.agent(handle_batches)
    group.on_revoked(pipeline.on_revoked)
    group.on_assigned(pipeline.on_assigned)
    pipeline.on_retry(observe_retry)
    pipeline.on_broker_wait(group.wait_for)
    pipeline.on_oversized(lambda count: worker.observe_rejected({"too_large": count}))
