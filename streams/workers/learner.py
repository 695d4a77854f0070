"""Learner process: examples in, model snapshots out. Run with `python -m streams.workers.learner`."""

import asyncio
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import structlog
import torch
from faust.types import TP
from prometheus_client import CollectorRegistry

from feature_repo.items.mirror import ItemMirror
from feature_repo.items.table import ItemTable
from feature_repo.settings import FeatureSettings
from feature_repo.vocabulary import Vocabulary
from headwater.v1.topics import EXAMPLES
from runtime.backoff import pauses
from runtime.broker.rights import LEARNER_GROUP, PROCESSES
from runtime.logging import configure_logging, log_settings
from runtime.publisher import Publisher
from runtime.settings import KafkaSettings
from runtime.tracing import TracingSettings, traces
from streams.dead_letters import dead_letter
from streams.learning.learner import Checkpointed, Learned, Learner
from streams.learning.metrics import LearnerMetrics
from streams.learning.predictions import PredictionsFile
from streams.learning.settings import ChallengerSettings, LearnerSettings
from streams.settings import WorkerSettings
from streams.spans import LearnerSpans
from streams.workers.worker import Worker
from training.encoding.encoder import TextEncoder
from training.encoding.settings import EncoderSettings
from training.release.champion_challenger import ChampionChallenger
from training.release.guard import Guard
from training.release.promotion import PromotionNotes
from training.storage import SupersededError, join
from training.storage.checkpoints import CheckpointFile
from training.storage.snapshots import SnapshotStore
from training.trainer import Trainer, TrainerConfig

__all__ = ["LearnerAgent", "main", "make_contest"]

_log = structlog.get_logger(__name__)
_SETTLE_SECONDS = 1.0
_LEARNED_TOGETHER = 1000
R = TypeVar("R")


class LearnerAgent:
    """Drives a learner from its topic: learns on the executor, and acknowledges what a checkpoint holds."""

    def __init__(
        self, worker: Worker, learner: Learner, metrics: LearnerMetrics, *, publisher: Publisher, spans: LearnerSpans
    ) -> None:
        """Args: `publisher` takes the dead letters."""
        self._publisher, self._spans = publisher, spans
        self._worker, self._learner, self._metrics = worker, learner, metrics
        self._unsaved: dict[TP, int] = {}
        self._owner = False
        self._group = worker.group(LEARNER_GROUP, EXAMPLES)
        self._group.start_from(self._resume)
        self._group.on_revoked(self._leave)
        self._group.agent(self._learn)

    async def _learn(self, stream: Any) -> None:
        try:
            async for taken in self._group.batches(stream):
                self._unsaved.update(taken.ends)
                began = time.time()
                span = taken.begins[0], next(iter(taken.ends.values()))  # the topic has one partition
                learned = await self._run(partial(self._learner.learn, taken.records, span))
                self._observe_learned(learned)
                await self._publisher.publish([dead_letter(*rejected, time.time()) for rejected in learned.rejected])
                if self._spans.on:
                    self._spans.learned(taken.records, began, time.time())
                self._group.finish(taken.ends)
                await self._settle()
        except Exception as error:
            self._worker.fail(error)

    async def keep_settling(self) -> None:
        """Checkpoints and publishes while no examples come; runs until cancelled. Without partitions there is nothing to do."""
        while True:
            await asyncio.sleep(_SETTLE_SECONDS)
            await self._settle()

    async def _resume(self) -> Mapping[int, int]:
        """Claims checkpoint and snapshots, as soon as they can be reached; gives the offset from which examples are needed."""
        self._unsaved.clear()
        self._owner = False
        waits = pauses(random.Random())
        while not self._owner:
            try:
                await self._run(partial(self._learner.resume, self._group.log()))
                self._owner = True
            except OSError as error:
                self._wait(error)
                await asyncio.sleep(next(waits))
            except Exception as error:
                self._worker.fail(error)
                break
        return {} if self._learner.resumed_at is None else {0: self._learner.resumed_at}

    async def _leave(self) -> None:
        await self._settle(leaving=True)
        self._owner = False

    def _wait(self, error: OSError) -> None:
        self._metrics.storage_retries.inc()
        self._group.wait_for(str(error))
        _log.warning("storage_unavailable", error=str(error))

    async def _settle(self, *, leaving: bool = False) -> None:
        if not self._owner:
            return
        began = time.time()
        try:
            settled = await self._run(partial(self._learner.settle, leaving=leaving))
        except SupersededError as error:
            self._owner = False
            self._metrics.writes_refused.inc()
            self._worker.fail(error)
            return
        except OSError as error:  # what is due is written later; until then nothing is acknowledged
            self._wait(error)
            return
        self._observe_settled(settled)
        if self._spans.on and settled.published:
            self._spans.published(began, time.time())
        if settled.position is not None:
            self._group.acknowledge({tp: min(end, settled.position) for tp, end in self._unsaved.items()})

    async def _run(self, step: Callable[[], R]) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._worker.executor, step)

    def _observe_learned(self, learned: Learned) -> None:
        self._metrics.learned.inc(learned.examples)
        self._metrics.duplicates.inc(learned.duplicates)
        self._metrics.unjudged.inc(learned.unjudged)
        self._metrics.unusable.inc(learned.unusable)
        self._worker.observe_rejected(Counter(rejection.reason for _, rejection in learned.rejected))
        self._metrics.skipped.inc(learned.skipped_batches)
        for verdict in learned.verdicts:
            self._metrics.observe_verdict(verdict)
        for drift in learned.drifts:
            self._metrics.drifts.labels(drift.task).inc()

    def _observe_settled(self, settled: Checkpointed) -> None:
        self._metrics.published.inc(settled.published)
        for task, comparison in settled.comparisons.items():
            self._metrics.challenger_gain.labels(task).set(comparison.gain)
        for window, qualities in settled.qualities.items():
            for task, quality in qualities.items():
                self._metrics.observe_quality(task, window, quality)


def make_contest(
    learning: LearnerSettings, challenging: ChallengerSettings, vocabulary: Vocabulary, dimension: int
) -> ChampionChallenger:
    """A champion, and a challenger where settings ask for one."""

    def guard(recipe: TrainerConfig) -> Guard:
        return Guard(Trainer(recipe, vocabulary, seed=learning.seed), learning.guard(), seed=learning.seed)

    champion = learning.trainer(dimension)
    other = challenging.trainer(champion)
    return ChampionChallenger(guard(champion), guard(other) if other else None, challenging.champion_challenger())


def _use_one_core() -> None:
    """The model is small, and the order of sums must not depend on the machine's cores. Each thread has to say so itself:
    LAPACK's routines, which draw the first weights, look at nothing that another thread has set."""
    torch.set_num_threads(1)


async def _run() -> int:
    kafka, learning, features = KafkaSettings(), LearnerSettings(), FeatureSettings()
    settings = WorkerSettings().holding(_LEARNED_TOGETHER)
    challenging, encoder_settings = ChallengerSettings(), EncoderSettings()
    tracing = TracingSettings()
    configure_logging()
    log_settings(kafka, settings, learning, challenging, features, encoder_settings, tracing)
    spans = traces(tracing, "learner")
    vocabulary = features.vocabulary()
    encoder = TextEncoder(encoder_settings.items())
    table = ItemTable(vocabulary, dimensions=encoder.dimension)
    registry, tasks = CollectorRegistry(), [task.name for task in vocabulary.tasks]
    metrics = LearnerMetrics(registry, tasks)
    worker = Worker(
        "learner",
        kafka=kafka,
        settings=settings,
        registry=registry,
        rights=PROCESSES["learner"],
        prepare_thread=_use_one_core,
    )
    mirror = ItemMirror(table, kafka, encoder_version=encoder.version, foreign_ratio=features.encoder_mismatch_ratio)
    mirror.on_skipped(worker.metrics.item_records_skipped.inc)
    predictions = None if learning.predictions_file is None else PredictionsFile(learning.predictions_file, tasks)
    learner = Learner(
        learning,
        make_contest=partial(make_contest, learning, challenging, vocabulary, encoder.dimension),
        table=table,
        snapshots=SnapshotStore(learning.snapshot_dir, keep=learning.keep_snapshots, clock=time.time),
        checkpoint=CheckpointFile(join(learning.snapshot_dir, "learner.checkpoint")),
        encoder_version=encoder.version,
        notes=PromotionNotes(learning.snapshot_dir),
        monotonic=time.monotonic,
        predictions=predictions,
    )
    publisher = Publisher(kafka)
    agent = LearnerAgent(worker, learner, metrics, publisher=publisher, spans=LearnerSpans(spans))
    if not await worker.admitted():
        return worker.status
    mirror.start(worker.supervisor.thread)
    await publisher.start()
    try:
        if not await worker.items_ready(mirror):
            return worker.status
        worker.supervisor.task("settle", agent.keep_settling)
        return await worker.run()
    finally:
        await publisher.stop()
        mirror.stop()
        spans.stop()


def main() -> None:
    """Runs the learner until SIGTERM; exits with 1 after a failure."""
    sys.exit(asyncio.run(_run()))


if __name__ == "__main__":
    main()
