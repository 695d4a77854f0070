"""Owns the ways in which a request can fail; what each means on the wire is the servicer's to say.

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
    """The request asks for something that cannot be; the message names the field."""


class Overloaded(ServingError):
    """The server has as many requests in flight as it takes."""


class DeadlinePassed(ServingError):
    """The caller's deadline came before there was an answer."""


class LogUnavailable(ServingError):
    """Kafka cannot be reached, or acknowledged none of the events in time."""
