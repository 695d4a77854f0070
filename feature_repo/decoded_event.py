"""Decoded form of an event that the folds work on, free of the wire."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a producer host has no NumPy
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["FORGET", "IMPRESSION", "DecodedEvent", "Served"]

IMPRESSION = "impression"
FORGET = "forget"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Served:
    """Feature values as the server scored with; see headwater.v1.events_pb2.ServedFeatures."""

    fingerprint: int
    features: "NDArray[np.float32]"
    history_item_ids: Sequence[str]
    history_values: "NDArray[np.float32]"
    predictions: "NDArray[np.float32] | None" = None
    """What was answered for each declared task, in its unit; NaN where it is not about the item. None where nothing says so."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DecodedEvent:
    """One event: who, what, when, and the value it carries.

    `kind` is `impression`, `click`, `read`, `purchase`, `forget` or an action's name; `at` is Unix seconds of event time;
    `value` is seconds for a read, the amount for a purchase, the action's value where it has one.
    """

    event_id: str
    user_id: str
    item_id: str
    at: float
    kind: str
    value: float | None = None
    censored: bool = False
    """`value` is the least that it can have been, because the end of a read was not seen."""
    recommendation_id: str = ""
    position: int = 0
    """Of an impression: rank in its list, from 0."""
    served: Served | None = field(default=None, repr=False)
