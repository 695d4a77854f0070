"""Users whose impressions await labels, by when the time for these is over.

Time is event time, as the events of one partition of the log tell it: the latest one met. So what is due, and after which event,
follows from the log alone, whether or not the user ever comes back.
"""

import heapq
import math
from collections.abc import Iterable, Mapping

__all__ = ["DueUsers"]


class DueUsers:
    """One partition's users, each with the time at which something of them is due, and how far time has come; Unix seconds."""

    def __init__(self, due: Mapping[str, float] | None = None, *, time: float = 0.0) -> None:
        self.time = time
        self._due = dict(due or {})
        self._queue = [(at, user_id) for user_id, at in self._due.items()]
        heapq.heapify(self._queue)

    def __len__(self) -> int:
        return len(self._due)

    def set(self, user_id: str, at: float) -> None:
        """Something of the user is due at this time, and nothing before it; never, if infinite."""
        if math.isinf(at):
            self._due.pop(user_id, None)
        elif self._due.get(user_id) != at:
            self._due[user_id] = at
            heapq.heappush(self._queue, (at, user_id))

    def advance(self, at: float) -> list[str]:
        """Moves time on to that of an event and gives the users of whom something is due, the longest due first.

        They are given once, and again after `set`.
        """
        self.time = max(self.time, at)
        found = []
        while self._queue and self._queue[0][0] <= self.time:
            due, user_id = heapq.heappop(self._queue)
            if self._due.get(user_id) == due:
                del self._due[user_id]
                found.append(user_id)
        return found

    def items(self) -> Iterable[tuple[str, float]]:
        """All users with their times."""
        return self._due.items()
