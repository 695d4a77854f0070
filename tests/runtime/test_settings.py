"""Each client of the broker is given what it needs for TLS and SASL, under its own names."""

import ssl
import time
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth
from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient
from pydantic import SecretStr, ValidationError

from headwater.producer.asking_client import AskingClient
from runtime.broker.errors import LoginError
from runtime.settings import KafkaSettings
from streams.consumer.app import faust_app
from streams.settings import WorkerSettings
from tests.certificates import Authority

SASL = {"sasl_mechanism": "SCRAM-SHA-512", "sasl_plain_username": "ann", "sasl_plain_password": "secret"}


@pytest.fixture
def settings(tmp_path: Path) -> KafkaSettings:
    """TLS both ways, and a password."""
    authority = Authority(tmp_path)
    own = authority.sign("client")
    return KafkaSettings(
        bootstrap_servers="one:9093, two:9093",
        security_protocol="SASL_SSL",
        ssl_cafile=str(authority.certificate),
        ssl_certfile=str(own.certificate),
        ssl_keyfile=str(own.key),
        sasl_mechanism="SCRAM-SHA-512",
        sasl_username="ann",
        sasl_password=SecretStr("secret"),
    )


def test_kafka_python_is_given_files_and_password(settings: KafkaSettings) -> None:
    """By names that its three clients know."""
    options = settings.client_options()
    files = {name: getattr(settings, name) for name in ("ssl_cafile", "ssl_certfile", "ssl_keyfile")}
    servers = {"bootstrap_servers": ["one:9093", "two:9093"], "security_protocol": "SASL_SSL"}
    assert options.pop("kafka_client") is AskingClient
    assert options == servers | files | SASL
    for client in (KafkaConsumer, KafkaProducer, KafkaAdminClient):
        assert "kafka_client" in client.DEFAULT_CONFIG
        assert options.keys() <= client.DEFAULT_CONFIG.keys()


async def test_aiokafka_is_given_a_context_and_the_password(settings: KafkaSettings) -> None:
    """The context checks the broker's certificate and its name; a client can be made of the options."""
    options = settings.aiokafka_options()
    context = options.pop("ssl_context")
    assert isinstance(context, ssl.SSLContext)
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert options == {"bootstrap_servers": "one:9093, two:9093", "security_protocol": "SASL_SSL"} | SASL
    await AIOKafkaProducer(ssl_context=context, **options).stop()


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "OAUTHBEARER"])
async def test_faust_connects_as_the_other_clients_do(settings: KafkaSettings, protocol: str, mechanism: str) -> None:
    """Its credentials become the same options of aiokafka."""
    change = {"security_protocol": protocol, "sasl_mechanism": mechanism, "sasl_oauth_callback": "time:ctime"}
    kafka = settings.model_copy(update=change)
    app = faust_app("test", kafka=kafka, settings=WorkerSettings(), buffered=1)
    made = dict(credentials_to_aiokafka_auth(app.conf.broker_credentials))
    wanted = kafka.aiokafka_options()
    context, own_context = made.pop("ssl_context", None), wanted.pop("ssl_context", None)
    assert type(context) is type(own_context)
    if "sasl_oauth_token_provider" in wanted:
        for options in (made, wanted):
            provider: Any = options.pop("sasl_oauth_token_provider")
            assert time.strptime(await provider.token())
    assert made == {name: value for name, value in wanted.items() if name != "bootstrap_servers"}
    assert [str(url) for url in app.conf.broker] == ["kafka://one:9093", "kafka://two:9093"]


def test_sasl_without_a_password_is_refused(settings: KafkaSettings) -> None:
    """The message names both settings."""
    with pytest.raises(LoginError, match="needs HEADWATER_KAFKA_SASL_USERNAME and HEADWATER_KAFKA_SASL_PASSWORD"):
        settings.model_copy(update={"sasl_password": None}).client_options()


def test_oauthbearer_without_its_function_is_refused(settings: KafkaSettings) -> None:
    """The message names the setting, also where what it names is not there."""
    kafka = settings.model_copy(update={"sasl_mechanism": "OAUTHBEARER"})
    with pytest.raises(LoginError, match="with OAUTHBEARER needs HEADWATER_KAFKA_SASL_OAUTH_CALLBACK to be set"):
        kafka.client_options()
    for path in ("nowhere:token", "json:token", "json"):
        with pytest.raises(
            LoginError, match=rf"HEADWATER_KAFKA_SASL_OAUTH_CALLBACK={path} cannot be imported .* as module:function"
        ):
            kafka.model_copy(update={"sasl_oauth_callback": path}).aiokafka_options()


@pytest.mark.parametrize(
    ("path", "said"), [("time:sleep", "gave no token: TypeError"), ("time:time", "returned float in place of")]
)
def test_a_function_that_gives_no_token_is_named(settings: KafkaSettings, path: str, said: str) -> None:
    """With what it did instead."""
    kafka = settings.model_copy(update={"sasl_mechanism": "OAUTHBEARER", "sasl_oauth_callback": path})
    with pytest.raises(LoginError, match=f"HEADWATER_KAFKA_SASL_OAUTH_CALLBACK={path} {said}"):
        kafka.oauth_token()


@pytest.mark.parametrize("servers", ["one:abc", "one:99999", ":9092", "one:9092,", ""])
def test_what_is_no_address_of_a_broker_is_refused(servers: str) -> None:
    """At the start and with a message; where the port is left out, the clients take Kafka's own."""
    with pytest.raises(ValidationError, match="is no address of a broker: name each as host:port"):
        KafkaSettings(bootstrap_servers=servers)
    assert KafkaSettings(bootstrap_servers="one, [::1]:9093").bootstrap_servers == "one, [::1]:9093"
