"""Watch for drift: whether a task's progressive loss has moved to another level."""

import math
from dataclasses import dataclass

from river.drift import ADWIN
from torch import Tensor

from feature_repo.tasks import Task

__all__ = ["Drift", "DriftWatch"]

_DELTA = 1e-4  # chance of a false alarm that ADWIN allows itself at each check; its usual .002 is for streams watched by eye
_QUIET_BATCHES = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Drift:
    """A task's mean loss has changed, from one level to another."""

    task: str
    before: float
    after: float


class DriftWatch:
    """ADWIN (Bifet and Gavaldà, SDM 2007) on each task's mean loss of a batch.

    A stretch in which the loss wanders would set it off again and again, so a task that was reported is quiet for some batches.
    It only reports: what is learned does not depend on it, so its state need not outlive the process.
    """

    def __init__(self, tasks: tuple[Task, ...]) -> None:
        self._tasks = tasks
        self._detectors = [ADWIN(delta=_DELTA) for _ in tasks]
        self._quiet_batches = [0] * len(tasks)

    def observe(self, losses_BT: Tensor) -> list[Drift]:
        """Takes in a batch's losses, NaN where unknown, as `prediction_losses` gives them; tells which tasks have drifted."""
        drifts = []
        for index, loss in enumerate(losses_BT.nanmean(0).tolist()):
            if not math.isfinite(loss):
                continue
            detector, before = self._detectors[index], self._detectors[index].estimation
            detector.update(loss)
            self._quiet_batches[index] -= 1
            if detector.drift_detected and self._quiet_batches[index] < 0:
                self._quiet_batches[index] = _QUIET_BATCHES
                drifts.append(Drift(task=self._tasks[index].name, before=before, after=detector.estimation))
        return drifts
