"""Account of what became of the records that a producer sent."""

import threading
from dataclasses import dataclass

__all__ = ["DeliveryCounter", "DeliveryError", "DeliveryReport"]

_REASONS_KEPT = 20


class DeliveryError(RuntimeError):
    """Records that the broker did not take; the message gives their number and the first reasons."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliveryReport:
    """What became of the records sent since the producer was made, or found in its spool."""

    acknowledged: int
    failed: int
    reasons: tuple[str, ...]
    """Of the first failures: key and error."""
    spooled: int = 0
    """On disk still: this producer sends them, or the next one with that spool."""


class DeliveryCounter:
    """Counts answers; threads may wait for them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._acknowledged = self._failed = 0
        self._reasons: list[str] = []

    def take(self, count: int = 1) -> None:
        """So many records were acknowledged."""
        with self._changed:
            self._acknowledged += count
            self._changed.notify_all()

    def fail(self, key: bytes, error: BaseException) -> None:
        """The record with this key was given up."""
        with self._changed:
            self._failed += 1
            if len(self._reasons) < _REASONS_KEPT:
                self._reasons.append(f"key {key.decode(errors='replace')}: {error}")
            self._changed.notify_all()

    def wait_for(self, answers: int, seconds: float) -> bool:
        """True as soon as there are so many answers of either kind; False after `seconds`."""
        with self._changed:
            return self._changed.wait_for(lambda: self._acknowledged + self._failed >= answers, seconds)

    def report(self, *, spooled: int = 0) -> DeliveryReport:
        """The account as it stands."""
        with self._changed:
            return DeliveryReport(
                acknowledged=self._acknowledged, failed=self._failed, reasons=tuple(self._reasons), spooled=spooled
            )
