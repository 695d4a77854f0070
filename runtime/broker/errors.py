"""Errors that say in full why the broker does not let this process work.

KafkaError
└─ BrokerError
   ├─ BrokerTlsError   certificates that cannot be read or do not fit
   ├─ LoginError       a password, mechanism or token that the broker does not accept
   ├─ UnreachableError nothing answers as a Kafka broker would
   └─ AccessError      rights that the principal lacks
"""

from kafka.errors import KafkaError

from runtime.errors import UserError

__all__ = ["AccessError", "BrokerError", "BrokerTlsError", "LoginError", "UnreachableError"]


class BrokerError(UserError, KafkaError):  # type: ignore[misc]  # kafka-python has no types
    """The message says what was wrong, at which address, and what to change."""

    def __str__(self) -> str:
        return str(self.args[0])


class BrokerTlsError(BrokerError):
    """Certificates that cannot be read or do not fit."""


class LoginError(BrokerError):
    """A password, mechanism or token that the broker does not accept."""


class UnreachableError(BrokerError):
    """Nothing answers as a Kafka broker would."""


class AccessError(BrokerError):
    """Rights that the principal lacks."""
