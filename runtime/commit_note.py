"""What is written beside a committed offset: of which log it is, and until when its records were appended."""

from dataclasses import dataclass

__all__ = ["MOVED", "CommitNote"]

MOVED = "moved"
"""The note of an offset that an operator has set: what lies before it is left out on purpose."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CommitNote:
    """The metadata of a commit; brokers keep it as text and do not read it.

    >>> CommitNote.parse(CommitNote(log=255, appended_at=1.5).text)
    CommitNote(log=255, appended_at=1.5, moved=False)
    >>> CommitNote.parse("of another program")
    CommitNote(log=None, appended_at=None, moved=False)
    """

    log: int | None = None
    """Id of the topic when the offset was committed: another topic of that name has other records at that offset."""
    appended_at: float | None = None
    """When the last record before the offset was appended, Unix seconds."""
    moved: bool = False

    @property
    def text(self) -> str:
        """As a commit carries it."""
        known = {"log": None if self.log is None else f"{self.log:x}", "appended_at": self.appended_at}
        return MOVED if self.moved else " ".join(f"{name}={value}" for name, value in known.items() if value is not None)

    @classmethod
    def parse(cls, text: str) -> "CommitNote":
        """What of a text is understood; other programs write texts of their own, or none."""
        found = dict(word.partition("=")[::2] for word in text.split())
        try:
            log, at = found.get("log"), found.get("appended_at")
            return cls(
                log=None if log is None else int(log, 16), appended_at=None if at is None else float(at), moved=MOVED in found
            )
        except ValueError:
            return cls()
