"""Which of several columns holds the user: by how many rows it covers, how often an id comes back, and for how long."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from itertools import repeat
from typing import Any

from deploy.dataset.files import Source
from deploy.dataset.guess.names import FIELDS, plain
from deploy.dataset.guess.profile import Profile
from deploy.dataset.values.ids import is_missing
from deploy.dataset.values.times import unix_seconds

__all__ = ["UserCandidate", "is_close", "user_candidates"]

_DAY = 86_400.0
_CLOSE = 0.8


@dataclass(frozen=True, kw_only=True, slots=True)
class UserCandidate:
    """A column that may hold the user."""

    column: str
    users: int
    covered: float
    """Share of the rows that have an id in it."""
    again: float
    """Share of the covered rows whose id was there before."""
    lasting: float | None
    """Share of the covered rows whose id is seen over more than a day; None where the table has no times."""

    @property
    def score(self) -> float:
        """From 0 to 1: an id on every row, that comes back, days later."""
        if self.users < 2:
            return 0.0
        return self.covered * (self.again if self.lasting is None else (self.again + self.lasting) / 2)

    def __str__(self) -> str:
        lasting = "" if self.lasting is None else f", {self.lasting:.0%} of them by ids seen over more than a day"
        return f"{self.column} ({self.users:,} users on {self.covered:.0%} of the rows{lasting})"


def user_candidates(
    profile: Profile, *, time_column: str = "", formats: Sequence[str] = (), zone: tzinfo, without: Sequence[str] = ()
) -> list[UserCandidate]:
    """The columns whose names may mean a user, the likeliest first; equals stay in the order of their names' likelihood.

    Args:
        without: columns that hold something else.
    """
    aliases = FIELDS["user_id"]
    named = sorted((name for name in profile.names if plain(name) in aliases), key=lambda name: aliases.index(plain(name)))
    named = [name for name in named if name not in without and not _holds_several(profile, name)]
    if not named:
        return []
    seen: dict[str, dict[str, list[float]]] = {name: {} for name in named}
    covered = dict.fromkeys(named, 0)
    rows = 0
    for batch in Source(location=profile.location, form=profile.form).batches():
        rows += len(batch)
        times = _times(batch.columns.get(time_column), formats, zone)
        for name in named:
            ids = seen[name]
            for cell, at in zip(batch.columns.get(name, ()), times or repeat(None), strict=False):
                if is_missing(cell):
                    continue
                covered[name] += 1
                known = ids.setdefault(str(cell).strip(), [0.0, float("inf"), float("-inf")])
                known[0] += 1
                if at is not None:
                    known[1], known[2] = min(known[1], at), max(known[2], at)
    found = []
    for name in named:
        known_ids = seen[name].values()
        lasting = sum(count for count, first, last in known_ids if last - first > _DAY)
        total = max(covered[name], 1)
        found.append(
            UserCandidate(
                column=name,
                users=len(known_ids),
                covered=covered[name] / max(rows, 1),
                again=1 - len(known_ids) / total,
                lasting=lasting / total if time_column else None,
            )
        )
    return sorted(found, key=lambda one: -round(one.score, 2))


def is_close(candidates: Sequence[UserCandidate]) -> bool:
    """Whether the second candidate is nearly as good as the first."""
    return len(candidates) > 1 and candidates[1].score >= _CLOSE * candidates[0].score


def _holds_several(profile: Profile, name: str) -> bool:
    return any(isinstance(cell, (dict, list)) for cell in profile.cells(name)[:20])


def _times(cells: Sequence[Any] | None, formats: Sequence[str], zone: tzinfo) -> list[float | None] | None:
    if cells is None:
        return None
    found: list[float | None] = []
    for cell in cells:
        try:
            found.append(unix_seconds(cell, formats, zone))
        except (TypeError, ValueError, OverflowError):
            found.append(None)
    return found
