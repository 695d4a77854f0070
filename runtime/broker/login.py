"""Says within seconds why a broker refuses a connection; the clients retry for half a minute and say only that they could not."""

import socket
import ssl
from typing import Any

from kafka.errors import KafkaError, for_code
from kafka.net.sasl import get_sasl_mechanism
from kafka.protocol.metadata import MetadataRequest
from kafka.protocol.parser import KafkaProtocol
from kafka.protocol.sasl import SaslAuthenticateRequest, SaslHandshakeRequest

from runtime.broker.errors import BrokerError, BrokerTlsError, LoginError, UnreachableError
from runtime.broker.principal import principal
from runtime.broker.tls import open_connection, tls_context
from runtime.settings import KafkaSettings

__all__ = ["check_login", "diagnose"]

_SECONDS = 5.0


def check_login(kafka: KafkaSettings) -> None:
    """Logs in to the first broker that answers; where all are unreachable it returns too, for that may pass.

    Raises:
        BrokerTlsError: certificates cannot be read or do not fit.
        LoginError: the broker refuses the password, the mechanism or the token.
    """
    problem = diagnose(kafka)
    if problem is not None and not isinstance(problem, UnreachableError):
        raise problem


def diagnose(kafka: KafkaSettings) -> BrokerError | None:
    """Why no connection can be made; None where one of `bootstrap_servers` takes requests."""
    unreachable: BrokerError | None = None
    try:
        context, options = tls_context(kafka), kafka.client_options()
        for server in (one.strip() for one in kafka.bootstrap_servers.split(",")):
            try:
                with open_connection(kafka, server, context, _SECONDS) as connection:
                    _greet(_Conversation(connection), kafka, server, options)
                    return None
            except (OSError, UnreachableError) as error:
                unreachable = unreachable or _unreachable(kafka, server, error)
    except BrokerError as error:
        return error
    return unreachable


class _Conversation:
    """Requests and their responses, one after the other."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection, self._protocol = connection, KafkaProtocol(client_id="headwater")

    def ask(self, request: Any) -> Any:
        """The response; raises OSError, also where the broker closes the connection, or KafkaError for what is no response."""
        self._protocol.send_request(request)
        self._connection.sendall(self._protocol.send_bytes())
        while True:
            data = self._connection.recv(1 << 16)
            if not data:
                raise ConnectionError("it closed the connection")
            for _, response in self._protocol.receive_bytes(data):
                return response


def _greet(conversation: _Conversation, kafka: KafkaSettings, server: str, options: dict[str, object]) -> None:
    """Logs in where that is set, and asks for metadata: a broker that waits for a login closes the connection only then."""
    try:
        if kafka.security_protocol.startswith("SASL"):
            _log_in(conversation, kafka, server, options)
        conversation.ask(MetadataRequest(topics=[], version=1))
    except ssl.SSLError as error:  # with TLS 1.3 a broker refuses the client's certificate after the handshake
        raise BrokerTlsError(
            f"{server} refuses this client's certificate ({error.reason or error}): check HEADWATER_KAFKA_SSL_CERTFILE="
            f"{kafka.ssl_certfile} and _KEYFILE, and that the broker trusts who signed it"
        ) from error
    except BrokerError:
        raise
    except KafkaError as error:
        raise UnreachableError(str(error)) from error


def _log_in(conversation: _Conversation, kafka: KafkaSettings, server: str, options: dict[str, object]) -> None:
    offered = conversation.ask(SaslHandshakeRequest(mechanism=kafka.sasl_mechanism, version=1))
    if for_code(offered.error_code).__name__ == "IllegalSaslStateError":
        raise LoginError(
            f"{server} asks for no login: set HEADWATER_KAFKA_SECURITY_PROTOCOL to PLAINTEXT or SSL, or name the port of a "
            "listener that does SASL"
        )
    if kafka.sasl_mechanism not in offered.mechanisms:
        raise LoginError(
            f"{server} does not take {kafka.sasl_mechanism}: set HEADWATER_KAFKA_SASL_MECHANISM to one of those that it takes: "
            f"{', '.join(offered.mechanisms)}"
        )
    mechanism = get_sasl_mechanism(kafka.sasl_mechanism)(host=server, **options)
    while not mechanism.is_done():
        answer = conversation.ask(SaslAuthenticateRequest(mechanism.auth_bytes(), version=0))
        if answer.error_code:
            raise LoginError(
                f"{server} refuses the login of {principal(kafka)} by {kafka.sasl_mechanism} ({answer.error_message}): check "
                f"{_credentials(kafka)}, and that the broker knows this user for this mechanism"
            )
        try:
            mechanism.receive(answer.auth_bytes)
        except ValueError as error:  # the broker does not know the password either
            raise LoginError(f"{server} cannot prove that it knows the password of {principal(kafka)}: {error}") from error


def _credentials(kafka: KafkaSettings) -> str:
    if kafka.sasl_mechanism == "OAUTHBEARER":
        return f"the token that HEADWATER_KAFKA_SASL_OAUTH_CALLBACK={kafka.sasl_oauth_callback} returns"
    return "HEADWATER_KAFKA_SASL_USERNAME and HEADWATER_KAFKA_SASL_PASSWORD"


def _unreachable(kafka: KafkaSettings, server: str, error: Exception) -> UnreachableError:
    return UnreachableError(
        f"{server} does not answer as a Kafka broker that speaks {kafka.security_protocol} ({error}): check the address, that "
        "the broker runs, and that HEADWATER_KAFKA_SECURITY_PROTOCOL is that of this port"
    )
