"""Base class of errors that a user can act on."""

__all__ = ["UserError"]


class UserError(RuntimeError):
    """An error whose message says what was wrong, where, and what to do; it is shown without a traceback."""
