"""Learning from the examples log: which examples count, how they are cut into batches, what a checkpoint holds."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field

import structlog

from feature_repo.decode import Rejection
from feature_repo.items.table import ItemTable
from feature_repo.pending_impressions import is_labelled
from headwater.internal.v1.streams_pb2 import Example
from runtime.record import Record
from streams.learning.examples import batch_of, decode_example, identity
from streams.learning.predictions import PredictionsFile
from streams.learning.settings import LearnerSettings
from training.losses import prediction_losses
from training.metrics.drift import Drift, DriftWatch
from training.metrics.progress import Progress, Quality
from training.release.acceptance import Objection
from training.release.champion_challenger import ChampionChallenger, Comparison
from training.release.guard import Guard, Verdict
from training.release.holdout import holdout_mask
from training.release.promotion import PromotionNotes
from training.shown import ShownPredictions
from training.storage.checkpoints import CheckpointFile
from training.storage.snapshots import SnapshotStore, version_name
from training.trainer import StepReport

__all__ = ["Checkpointed", "Learned", "Learner"]

_log = structlog.get_logger(__name__)


@dataclass(kw_only=True, slots=True)
class Learned:
    """What became of some records."""

    examples: int = 0
    """Scored and learned from; at most a batch less one waits for more."""
    duplicates: int = 0
    unjudged: int = 0
    """Labels of impressions whose prediction is not known any more: learned from, and not in the figures."""
    unusable: int = 0
    """Made for other tasks, or rejected."""
    rejected: list[tuple[Record, Rejection]] = field(default_factory=list)
    """What cannot be learned from although it says that it is of these tasks, and why: it belongs to the dead letters."""
    skipped_batches: int = 0
    verdicts: list[Verdict] = field(default_factory=list)
    """Of judgements on weights, in order."""
    drifts: list[Drift] = field(default_factory=list)

    @property
    def objections(self) -> list[Objection]:
        """Why weights were refused, one for each judgement that they did not pass."""
        return [verdict.objection for verdict in self.verdicts if verdict.objection is not None]

    @property
    def undone(self) -> int:
        """Examples whose learning was undone with them."""
        return sum(verdict.undone for verdict in self.verdicts)


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpointed:
    """What was made safe: nothing before `position` of the examples topic will be asked for again."""

    position: int | None = None
    published: bool = False
    qualities: dict[str, dict[str, Quality]] = field(default_factory=dict)
    """By window (`recent`, `all`), then by task; only where a snapshot was due."""
    comparisons: dict[str, Comparison] = field(default_factory=dict)
    """Champion and challenger by task, at the same times."""


class Learner:
    """Scores and learns examples in the order of their log; blocking, and for one thread.

    Batches hold a fixed number of examples and are cut by order alone. No pause, restart or repeat moves a cut, so heads
    trained from the same log are equal bit for bit. That is why an idle stream leaves a part of a batch waiting.
    """

    _next: int
    """Offset of the record that is expected next."""
    _position: int
    """Offset before which every record is in a learned batch or of no use; what a checkpoint goes back to."""
    _resumed_at: int | None
    _waiting: list[Example]
    """Examples of the batch that is not full yet."""
    _seen: dict[str, tuple[int, ...]]
    """By log and partition of the events: offset and index of the last example taken, by which repeats are known."""
    _seen_in_batches: dict[str, tuple[int, ...]]
    """The same as of `_position`."""
    _published: tuple[int, ...]
    """Which weights were published last: by number of promotions and of the examples they had seen; empty for none."""
    _published_at: float
    _judged_examples: int
    _saved_at: float

    def __init__(
        self,
        settings: LearnerSettings,
        *,
        make_contest: Callable[[], ChampionChallenger],
        table: ItemTable,
        snapshots: SnapshotStore,
        checkpoint: CheckpointFile,
        encoder_version: str,
        notes: PromotionNotes,
        monotonic: Callable[[], float],
        predictions: PredictionsFile | None = None,
    ) -> None:
        """Args: `table` holds the items' text vectors; `monotonic` gives seconds, by which checkpoints and snapshots are due."""
        self._settings, self._make_contest, self._table = settings, make_contest, table
        self._snapshots, self._checkpoint, self._encoder_version = snapshots, checkpoint, encoder_version
        self._notes, self._monotonic, self._predictions = notes, monotonic, predictions
        self._begin(log=0)

    def resume(self, log: int) -> None:
        """Goes on from the checkpoint, or begins; `log` is the id of the examples topic.

        It owns checkpoint and snapshots from then on: an earlier learner can write no more.

        Raises:
            CheckpointError, TrainerError: the checkpoint is damaged or was made for other tasks or settings.
            OSError: the checkpoint cannot be reached; try again.
        """
        self._begin(log)
        state = self._checkpoint.claim()
        self._snapshots.claim(self._checkpoint)
        if state is None:
            self._notes.clear()  # what was asked of a contest that is no more
            if self._predictions is not None:
                self._predictions.cut(0)
            return
        self._champion_challenger.load_state_dict(state["contest"])
        self._progress.load_state_dict(state["progress"])
        if "shown" in state:  # an earlier release compared labels with predictions of when they were learned
            self._shown.load_state_dict(state["shown"])
        self._seen = {where: tuple(last) for where, last in state["seen"].items()}
        self._seen_in_batches = dict(self._seen)
        self._published = tuple(state["published"])
        self._saved_examples = self._guard.trainer.examples
        if self._predictions is not None:
            self._predictions.cut(state["predictions_bytes"])
        if state["log"] == log:
            self._next = self._position = self._resumed_at = state["position"]
        else:
            _log.warning("examples_log_is_new", hint="its examples are learned from its beginning, on top of what is known")

    @property
    def resumed_at(self) -> int | None:
        """Where the checkpoint that it goes on from ends in this log; None without one of this log."""
        return self._resumed_at

    def learn(self, records: Sequence[Record], span: tuple[int, int] | None = None) -> Learned:
        """Takes records of the examples topic in order; every full batch is scored and then learned from.

        Args: `span` is the part of the log that these are all records of; by default, from the first to behind the last.
        """
        done = Learned()
        begin, end = span or ((records[0].offset, records[-1].offset + 1) if records else (self._next, self._next))
        if begin > self._next:
            missing = begin - self._next
            _log.error("examples_missing", count=missing, hint="the checkpoint is older than the log or than the group's offsets")
        for record in records:
            if record.offset < self._next:
                done.duplicates += 1
                continue
            self._next = record.offset + 1
            example = decode_example(record.value, self._table.vocabulary)
            if not isinstance(example, Example):
                done.unusable += 1
                if example is not None:
                    done.rejected.append((record, example))
                continue
            where, last = identity(example)
            if last <= self._seen.get(where, (-1, -1)):
                done.duplicates += 1
                continue
            self._seen[where] = last
            if not is_labelled(example):
                self._shown.show(example)
                continue
            self._waiting.append(example)
            if len(self._waiting) == self._settings.batch_size:
                self._learn_batch(done)
        self._next = max(self._next, end)
        return done

    def settle(self, *, leaving: bool = False) -> Checkpointed:
        """Writes a checkpoint and publishes a snapshot where they are due; a checkpoint in any case when `leaving`.

        Raises:
            SupersededError: another learner owns them now; this one must end.
            OSError: they cannot be reached; what was due is due again at the next call.
        """
        now, examples = self._monotonic(), self._guard.trainer.examples
        if self._predictions is not None:
            self._predictions.write()
        published = False
        qualities: dict[str, dict[str, Quality]] = {}
        comparisons: dict[str, Comparison] = {}
        overdue = now - self._published_at >= self._settings.publish_seconds or not self._published
        if overdue and examples > self._judged_examples and self._guard.good_examples:
            qualities = {"recent": self._progress.quality(self._settings.judged_examples), "all": self._progress.quality()}
            self._settle_contest()
            comparisons = self._champion_challenger.comparisons()
            published = self._publish(qualities["recent"])
            self._published_at, self._judged_examples = now, examples
        fresh = examples - self._saved_examples
        elapsed = now - self._saved_at >= self._settings.checkpoint_seconds
        if fresh and (leaving or fresh >= self._settings.checkpoint_examples or elapsed):
            self._save()
            self._saved_at = now
        position = self._position if examples == self._saved_examples else None
        return Checkpointed(
            position=position,
            published=published,
            qualities=qualities,
            comparisons=comparisons,
        )

    def _begin(self, log: int) -> None:
        self._champion_challenger = self._make_contest()
        self._progress = Progress(self._table.vocabulary.tasks)
        self._shown = ShownPredictions(tasks=len(self._table.vocabulary.tasks))
        self._drift = DriftWatch(self._table.vocabulary.tasks)
        self._log_id = log
        self._next = self._position = 0
        self._resumed_at = None
        self._waiting, self._seen, self._seen_in_batches = [], {}, {}
        self._published = ()
        self._saved_examples = self._judged_examples = 0
        self._published_at = self._saved_at = self._monotonic()

    def _learn_batch(self, done: Learned) -> None:
        examples, self._waiting = self._waiting, []
        self._predict_shown()
        taught = self._champion_challenger.learn(
            batch_of(examples, self._table), holdout_mask(examples, self._guard.config.share)
        )
        report, judgement = taught.report, taught.judgement
        if taught.promoted:
            _log.warning("challenger_promoted", by="rule", recipe=self._guard.recipe)
        predictions_BT = self._shown.of(examples, report.answers_BT, self._guard.trainer.model)
        self._progress.add(predictions_BT, report.labels_BT.masked_fill(predictions_BT.isnan(), math.nan))
        done.unjudged += int((predictions_BT.isnan() & ~report.labels_BT.isnan()).sum())
        done.drifts += self._watch(report)
        if judgement is not None:
            done.verdicts.append(judgement)
            self._tell(judgement)
        if self._predictions is not None:
            self._predictions.append(examples, predictions_BT)
        self._position, self._seen_in_batches = self._next, dict(self._seen)
        done.examples += len(examples)
        done.skipped_batches += report.skipped

    def _predict_shown(self) -> None:
        """Predicts what was shown since the last batch, by the weights as they still are."""
        self._shown.predict(self._guard.trainer.model, lambda shown: batch_of(shown, self._table))

    def _watch(self, report: StepReport) -> list[Drift]:
        model = self._guard.trainer.model
        drifts = self._drift.observe(
            prediction_losses(
                report.predictions_BT, report.labels_BT, binary_T=model.binary_T, deviation_T=model.targets.deviation
            )
        )
        for drift in drifts:
            _log.warning("drift", task=drift.task, loss_before=round(drift.before, 4), loss_after=round(drift.after, 4))
        return drifts

    def _tell(self, verdict: Verdict) -> None:
        examples = self._guard.trainer.examples
        if (objection := verdict.objection) is not None:
            _log.error(
                "snapshot_rejected",
                task=objection.task,
                reason=objection.reason,
                detail=objection.detail,
                tasks=verdict.tasks,
                examples=examples,
                undone=verdict.undone,
                hint="the last good weights stay published, and learning goes on from them",
            )
        for held in verdict.held:
            _log.warning(
                "task_held",
                task=held.task,
                reason=held.reason,
                detail=held.detail,
                examples=examples,
                hint="its last good head stays published, beside what the other tasks have learned",
            )

    @property
    def _guard(self) -> Guard:
        return self._champion_challenger.champion

    def _settle_contest(self) -> None:
        """Meets a request to promote, and tells how the two stand."""
        champion_challenger = self._champion_challenger
        if champion_challenger.challenger is None:
            return
        if self._notes.requested() == champion_challenger.promotions + 1 and champion_challenger.promote():
            _log.warning("challenger_promoted", by="command", recipe=self._guard.recipe)
        self._notes.tell(
            promotions=champion_challenger.promotions,
            champion=self._guard.recipe,
            challenger=champion_challenger.challenger.recipe,
            comparisons=champion_challenger.comparisons(),
        )

    def _publish(self, qualities: dict[str, Quality]) -> bool:
        """Publishes the good weights, if they are others than those that serve."""
        model, examples = self._guard.good(), self._guard.good_examples
        good = (self._champion_challenger.promotions, examples)
        if model is None or good == self._published:
            return False
        metrics = {
            task: {name: value if math.isfinite(value) else None for name, value in asdict(quality).items()}
            for task, quality in qualities.items()
        }
        manifest = self._snapshots.publish(
            model, encoder_version=self._encoder_version, examples=examples, metrics=metrics, owner=self._checkpoint
        )
        self._published = good
        _log.info("snapshot_published", version=version_name(manifest.version), examples=examples)
        return True

    def _save(self) -> None:
        self._predict_shown()
        self._checkpoint.save(
            {
                "log": self._log_id,
                "position": self._position,
                "seen": {where: list(last) for where, last in self._seen_in_batches.items()},
                "contest": self._champion_challenger.state_dict(),
                "progress": self._progress.state_dict(),
                "shown": self._shown.state_dict(),
                "published": list(self._published),
                "predictions_bytes": 0 if self._predictions is None else self._predictions.write(),
            }
        )
        self._saved_examples = self._guard.trainer.examples
