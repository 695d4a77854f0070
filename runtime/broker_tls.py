"""Owns saying in words why TLS to the broker does not come about; the clients say no more than that they could not connect."""

import socket
import ssl
from urllib.parse import urlsplit

from kafka.errors import KafkaError

from runtime.settings import KafkaSettings

__all__ = ["BrokerTlsError", "check_tls"]

_SECONDS = 5.0
_PORT = 9092  # which the clients take where none is named


class BrokerTlsError(KafkaError):  # type: ignore[misc]  # kafka-python has no types
    """Certificates that cannot be read or do not fit; the message says which, and which setting to look at."""


def check_tls(kafka: KafkaSettings) -> None:
    """Shakes hands with the first broker that listens; one that is away is no matter of certificates, and passes.

    Raises:
        BrokerTlsError: a file cannot be used, the broker's certificate is not trusted, or what listens there speaks no TLS.
    """
    if "SSL" not in kafka.security_protocol:
        return
    context = _context(kafka)
    for server in kafka.bootstrap_servers.split(","):
        address = urlsplit(f"//{server.strip()}")
        try:
            plain = socket.create_connection((address.hostname, address.port or _PORT), timeout=_SECONDS)
        except OSError:
            continue
        try:
            with plain, context.wrap_socket(plain, server_hostname=address.hostname):
                return
        except ssl.SSLCertVerificationError as error:
            authority = f"HEADWATER_KAFKA_SSL_CAFILE={kafka.ssl_cafile}" if kafka.ssl_cafile else "the system's authorities"
            raise BrokerTlsError(
                f"{server.strip()}: its certificate is not trusted ({error.verify_message}) by {authority}: name the authority "
                "that signed it, and the broker as its certificate does"
            ) from error
        except OSError as error:
            raise BrokerTlsError(
                f"{server.strip()}: no TLS comes about ({error}): check that this port speaks TLS; for one that does "
                "not, HEADWATER_KAFKA_SECURITY_PROTOCOL is PLAINTEXT or SASL_PLAINTEXT"
            ) from error


def _context(kafka: KafkaSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=kafka.ssl_cafile)
    except OSError as error:
        raise BrokerTlsError(f"HEADWATER_KAFKA_SSL_CAFILE={kafka.ssl_cafile} cannot be used: {error}") from error
    if kafka.ssl_certfile is not None:
        try:
            context.load_cert_chain(kafka.ssl_certfile, kafka.ssl_keyfile)
        except OSError as error:
            raise BrokerTlsError(
                f"HEADWATER_KAFKA_SSL_CERTFILE={kafka.ssl_certfile} and _KEYFILE={kafka.ssl_keyfile} cannot be used: {error}"
            ) from error
    return context
