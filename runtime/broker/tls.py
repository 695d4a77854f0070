"""Diagnoses TLS connection failures, of which the clients say only that they could not connect."""

import socket
import ssl
from urllib.parse import urlsplit

from runtime.broker.errors import BrokerTlsError
from runtime.settings import KafkaSettings

__all__ = ["open_connection", "tls_context"]

_PORT = 9092  # which the clients take where none is named


def open_connection(kafka: KafkaSettings, server: str, context: ssl.SSLContext | None, seconds: float) -> socket.socket:
    """A connection to one broker, inside TLS where `context` is given.

    Raises:
        OSError: nothing listens there or answers within `seconds`.
        BrokerTlsError: the broker's certificate is not trusted, or what listens there speaks no TLS.
    """
    address = urlsplit(f"//{server}")
    plain = socket.create_connection((address.hostname, address.port or _PORT), timeout=seconds)
    if context is None:
        return plain
    try:
        return context.wrap_socket(plain, server_hostname=address.hostname)
    except ssl.SSLCertVerificationError as error:
        authority = f"HEADWATER_KAFKA_SSL_CAFILE={kafka.ssl_cafile}" if kafka.ssl_cafile else "the system's authorities"
        raise BrokerTlsError(
            f"{server}: its certificate is not trusted ({error.verify_message}) by {authority}: name the authority "
            "that signed it, and the broker as its certificate does"
        ) from error
    except TimeoutError:
        raise
    except OSError as error:
        raise BrokerTlsError(
            f"{server}: the TLS handshake failed ({error}): check that this port speaks TLS; for one that does "
            "not, HEADWATER_KAFKA_SECURITY_PROTOCOL is PLAINTEXT or SASL_PLAINTEXT"
        ) from error
    finally:
        plain.close()  # wrapping takes the socket over; after a failure nobody else closes it


def tls_context(kafka: KafkaSettings) -> ssl.SSLContext | None:
    """What the settings name, None for a protocol without TLS; raises BrokerTlsError for a file that cannot be used."""
    if "SSL" not in kafka.security_protocol:
        return None
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
