"""Growing, jittered pauses between attempts."""

import random
from collections.abc import Iterator

__all__ = ["pauses"]


def pauses(draw: random.Random, *, first: float = 0.1, most: float = 5.0) -> Iterator[float]:
    """Endless seconds: each is drawn from the upper half of a span that doubles from `first` to `most`.

    >>> spans = list(zip(pauses(random.Random(1)), (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0)))
    >>> all(span / 2 <= seconds <= span for seconds, span in spans)
    True
    """
    span = first
    while True:
        yield draw.uniform(span / 2, span)
        span = min(2 * span, most)
