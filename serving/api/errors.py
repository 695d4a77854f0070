"""Ways in which a request can fail; what each means on the wire is the servicer's to say.

ServingError
├── InvalidRequest      the caller must change the request
├── Overloaded          more requests in flight than the server takes
├── DeadlinePassed      no time was left to answer
└── LogUnavailable      the event log acknowledged nothing
"""

__all__ = ["DeadlinePassed", "InvalidRequest", "LogUnavailable", "Overloaded", "ServingError"]


class ServingError(Exception):
    """A request that gets no answer; the message says what was wrong and what to do."""


class InvalidRequest(ServingError):
    """The caller must change one field of the request; `field` is its path, such as slates[0].list.count."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field, self.problem = field, problem


class Overloaded(ServingError):
    """The server has as many requests in flight as it takes."""


class DeadlinePassed(ServingError):
    """The caller's deadline came before there was an answer."""


class LogUnavailable(ServingError):
    """Kafka cannot be reached, or acknowledged none of the events in time."""
