"""Settings of the connection to Kafka, and settings as a process logs them."""

import re
from collections.abc import Callable
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

__all__ = ["KafkaSettings", "shown"]


def shown(settings: BaseSettings) -> dict[str, Any]:
    """The settings in force as a process logs them: secrets masked, users and passwords of URLs too."""
    plain = settings.model_dump(mode="json")
    return {name: re.sub(r"://[^/]*@", "://***@", value) if isinstance(value, str) else value for name, value in plain.items()}


class KafkaSettings(BaseSettings):
    """How to reach the event log; read from HEADWATER_KAFKA_*."""

    model_config = SettingsConfigDict(env_prefix="HEADWATER_KAFKA_", frozen=True, hide_input_in_errors=True)

    bootstrap_servers: str = Field(default="127.0.0.1:9092", description="host:port of one or more brokers, by comma.")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="SSL encrypts; SASL_* ask for a user and a password."
    )
    ssl_cafile: str | None = Field(default=None, description="CA certificates (PEM) that the brokers' are signed by.")
    ssl_certfile: str | None = Field(default=None, description="Client certificate (PEM) for mutual TLS.")
    ssl_keyfile: str | None = Field(default=None, description="Key (PEM) of the client certificate.")
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] = Field(
        default="PLAIN",
        description="How a client logs in with SASL_*. PLAIN and OAUTHBEARER show the broker the secret, so only over SASL_SSL.",
    )
    sasl_username: str | None = Field(default=None, description="Needed with PLAIN and SCRAM-*.")
    sasl_password: SecretStr | None = Field(default=None, description="Needed with PLAIN and SCRAM-*; masked in the log.")
    sasl_oauth_callback: str | None = Field(
        default=None,
        description="Needed with OAUTHBEARER: `module:function`, called without arguments at each login of a connection, in a "
        "thread; returns the token as text. Keep the token there until it is about to expire.",
    )

    compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = Field(
        default="zstd", description="How what this process writes is compressed; every process reads all five."
    )
    max_batch_bytes: int = Field(
        default=32 * 1024 * 1024,
        ge=1024 * 1024,
        description="Memory that one compressed batch may take once read: its bytes and 100 for each record. A larger one is "
        "passed over and becomes a dead letter.",
    )

    @property
    def compression_type(self) -> str | None:
        """The option of that name, of both clients' producers."""
        return None if self.compression == "none" else self.compression

    @field_validator("bootstrap_servers")
    @classmethod
    def _are_addresses(cls, servers: str) -> str:
        for server in servers.split(","):
            try:
                named = urlsplit(f"//{server.strip()}")
                whole = bool(named.hostname) and named.port != 0
            except ValueError:
                whole = False
            if not whole:
                raise ValueError(f"{server.strip()!r} is no address of a broker: name each as host:port, by comma")
        return servers

    def client_options(self) -> dict[str, object]:
        """Keyword arguments for any client of kafka-python; raises LoginError where settings of the login are missing."""
        from headwater.producer.asking_client import AskingClient
        from runtime.broker.batches import bound_kafka_python
        from runtime.broker.oauth import TokenProvider

        bound_kafka_python(self.max_batch_bytes)
        options: dict[str, object] = {
            "kafka_client": AskingClient,
            "bootstrap_servers": [server.strip() for server in self.bootstrap_servers.split(",")],
            "security_protocol": self.security_protocol,
        }
        if "SSL" in self.security_protocol:
            options |= {"ssl_cafile": self.ssl_cafile, "ssl_certfile": self.ssl_certfile, "ssl_keyfile": self.ssl_keyfile}
        return options | self._sasl(TokenProvider)

    def aiokafka_options(self) -> dict[str, object]:
        """Keyword arguments for any client of aiokafka; raises LoginError where settings of the login are missing."""
        from aiokafka.helpers import create_ssl_context  # a producer host has kafka-python only

        from runtime.broker.batches import bound_aiokafka
        from runtime.broker.metadata import stop_aiokafka_from_creating_topics
        from runtime.broker.oauth import aiokafka_provider

        bound_aiokafka(self.max_batch_bytes)
        stop_aiokafka_from_creating_topics()
        options: dict[str, object] = {
            "bootstrap_servers": self.bootstrap_servers,
            "security_protocol": self.security_protocol,
        }
        if "SSL" in self.security_protocol:
            options["ssl_context"] = create_ssl_context(
                cafile=self.ssl_cafile, certfile=self.ssl_certfile, keyfile=self.ssl_keyfile
            )
        return options | self._sasl(aiokafka_provider)

    def oauth_token(self) -> str:
        """A token of the function that `sasl_oauth_callback` names; raises LoginError."""
        return self._token_source()()

    def _sasl(self, provide: Callable[[Callable[[], str]], object]) -> dict[str, object]:
        if not self.security_protocol.startswith("SASL"):
            return {}
        if self.sasl_mechanism == "OAUTHBEARER":
            return {"sasl_mechanism": self.sasl_mechanism, "sasl_oauth_token_provider": provide(self._token_source())}
        if self.sasl_username is None or self.sasl_password is None:
            raise self._incomplete("HEADWATER_KAFKA_SASL_USERNAME and HEADWATER_KAFKA_SASL_PASSWORD")
        return {
            "sasl_mechanism": self.sasl_mechanism,
            "sasl_plain_username": self.sasl_username,
            "sasl_plain_password": self.sasl_password.get_secret_value(),
        }

    def _token_source(self) -> Callable[[], str]:
        from runtime.broker.oauth import token_source

        if self.sasl_oauth_callback is None:
            raise self._incomplete("HEADWATER_KAFKA_SASL_OAUTH_CALLBACK")
        return token_source(self.sasl_oauth_callback)

    def _incomplete(self, missing: str) -> Exception:
        from runtime.broker.errors import LoginError  # imported late: settings alone need no Kafka client

        return LoginError(f"{self.security_protocol} with {self.sasl_mechanism} needs {missing} to be set")
