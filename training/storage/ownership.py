"""Ownership of what the learner writes: an epoch that grows with each owner, and conditional replacement of files and objects.

Of two learners the one that claimed last owns the checkpoint and the pointer to the current snapshot. One that was frozen while
the other took over finds its write refused (a fencing token, as in Kleppmann, Designing Data-Intensive Applications, ch. 8).
"""

from dataclasses import dataclass
from typing import Protocol

from runtime.errors import UserError

__all__ = ["Changed", "Owner", "SupersededError", "Tagged"]


class Changed(Exception):
    """A file or object is not what it was when it was read: nothing was written; read it again and decide again."""


class SupersededError(UserError):
    """Another learner owns the checkpoint now: nothing was written, and this one must stop."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tagged:
    """The content of a file or object, and a tag by which a later write tells whether it is still the same."""

    content: bytes
    tag: str


class Owner(Protocol):
    """Who may publish; `training.storage.checkpoints.CheckpointFile` is one, once it has claimed."""

    @property
    def epoch(self) -> int: ...

    def check(self) -> None:
        """Raises SupersededError where another owner has claimed since."""
        ...
