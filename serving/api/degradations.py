"""Descriptions of each way in which a response can be degraded."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from serving.api.errors import shown
from serving.api.responses import Degradation, DegradationReason

__all__ = [
    "context_skipped",
    "empty_catalogue",
    "missing_pins",
    "no_model",
    "stale_features",
    "store_unavailable",
    "unknown_items",
    "unknown_user",
]

_DAY = 86_400.0
_NAMED = 3


def unknown_user() -> Degradation:
    detail = "no events of this user are known: the scores rest on the items and on priors"
    return Degradation(reason=DegradationReason.UNKNOWN_USER, detail=detail)


def stale_features(age: float, ttl: float) -> Degradation:
    """`age` of the user's newest event and the time to live, in seconds."""
    detail = (
        f"the user's newest event is {age / _DAY:.1f} days old, past the time to live of {ttl / _DAY:.1f} days: scored as an "
        "unknown user; HEADWATER_STORE_USER_TTL_SECONDS sets it"
    )
    return Degradation(reason=DegradationReason.STALE_FEATURES, detail=detail)


def store_unavailable(detail: str) -> Degradation:
    return Degradation(reason=DegradationReason.STORE_UNAVAILABLE, detail=f"scored as an unknown user: {detail}")


def unknown_items(item_ids: Sequence[str], unknown_B: NDArray[np.bool_]) -> Degradation | None:
    """None where all are known."""
    unknown = [item_ids[int(at)] for at in np.flatnonzero(unknown_B)]
    if not unknown:
        return None
    missing = f"{len(unknown)} of {len(item_ids)} items are not in the catalogue"
    detail = f"{missing}: {_some(unknown)}; publish them to headwater.catalogue.v1"
    return Degradation(reason=DegradationReason.UNKNOWN_ITEM, detail=detail)


def _some(item_ids: Sequence[str]) -> str:
    return ", ".join(map(shown, item_ids[:_NAMED])) + (", ..." if len(item_ids) > _NAMED else "")


def missing_pins(item_ids: Sequence[str]) -> Degradation | None:
    """None where all that was to be pinned is in the catalogue."""
    if not item_ids:
        return None
    detail = f"to be pinned, but not in the catalogue: {_some(item_ids)}; left out"
    return Degradation(reason=DegradationReason.UNKNOWN_ITEM, detail=detail)


def empty_catalogue() -> Degradation:
    detail = "the catalogue is empty or not yet loaded: publish items to headwater.catalogue.v1, or wait for health to say so"
    return Degradation(reason=DegradationReason.EMPTY_CATALOGUE, detail=detail)


def no_model() -> Degradation:
    detail = "no model snapshot is loaded: scored by running means; the learner publishes one after its first examples"
    return Degradation(reason=DegradationReason.NO_MODEL, detail=detail)


def context_skipped(detail: str) -> Degradation:
    return Degradation(reason=DegradationReason.CONTEXT_SKIPPED, detail=detail)
