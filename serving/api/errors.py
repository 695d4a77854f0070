"""Ways in which a request can fail; what each means on the wire is the servicer's to say.

ServingError
├── InvalidRequest      the caller must change the request
├── Overloaded          more work than can be done in time
├── DeadlinePassed      no time was left to answer
└── LogUnavailable      the event log acknowledged nothing
"""

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["DeadlinePassed", "InvalidRequest", "LogUnavailable", "Overloaded", "ServingError", "located", "shown"]

_SHOWN = 40
_PROBLEM_BYTES = 800  # an error travels in gRPC's trailers, which hold 8 KiB, each byte beyond ASCII as three


def shown(text: str) -> str:
    """As much of what a caller sent as an error quotes.

    >>> shown("sonnet"), len(shown("x" * 20_000))
    ('sonnet', 43)
    """
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


class ServingError(Exception):
    """A request that gets no answer; the message says what was wrong and what to do."""


class InvalidRequest(ServingError):
    """The caller must change one field of the request; `field` is its path, such as slates[0].list.count."""

    def __init__(self, field: str, problem: str) -> None:
        whole = problem.encode()
        if len(whole) > _PROBLEM_BYTES:
            problem = f"{whole[:_PROBLEM_BYTES].decode(errors='ignore')}..."
        super().__init__(f"{field}: {problem}")
        self.field, self.problem = field, problem


class Overloaded(ServingError):
    """The server has more work than it can do in the caller's time; after `retry_seconds` it may have less."""

    def __init__(self, detail: str, *, retry_seconds: float) -> None:
        super().__init__(detail)
        self.retry_seconds = retry_seconds


class DeadlinePassed(ServingError):
    """The caller's deadline came before there was an answer."""


class LogUnavailable(ServingError):
    """Kafka cannot be reached, or acknowledged none of the events in time."""


@contextmanager
def located(path: str) -> Iterator[None]:
    """Puts `path` before the field that an InvalidRequest raised within names."""
    try:
        yield
    except InvalidRequest as error:
        raise InvalidRequest(f"{path}.{error.field}", error.problem) from error
