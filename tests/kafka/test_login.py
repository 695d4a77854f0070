"""Logins to Apache Kafka by SASL, in the clear and inside TLS: every mechanism, for every kind of client."""

import base64
import json
import time
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from deploy.drills.kafka import ApacheKafka
from headwater.v1.topics import DEAD_LETTERS, EVENTS
from runtime.broker.access_watch import AccessWatch
from runtime.broker.errors import LoginError
from runtime.broker.event_producer import event_producer
from runtime.broker.rights import PROCESSES
from runtime.publisher import Publisher
from runtime.record import Publication
from runtime.settings import KafkaSettings
from runtime.topics import ensure_topics, read_topic
from tests.certificates import Authority
from tests.kafka.commands import headwater
from tests.streams.traffic import traffic

pytestmark = pytest.mark.timeout(300)

_SECURITY = "org.apache.kafka.common.security"
_UNSIGNED = f"{_SECURITY}.oauthbearer.internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler"
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")


def token() -> str:
    """An unsigned JSON Web Token of ann, which the test's broker takes."""
    return _token(expires=time.time() + 600)


def expired_token() -> str:
    """One that has ended."""
    return _token(expires=time.time() - 60)


@pytest.fixture(scope="module", params=["SASL_PLAINTEXT", "SASL_SSL"])
def guarded(
    request: pytest.FixtureRequest, kafka_is_here: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[KafkaSettings]:
    """A node with our topics that knows ann by every mechanism; the connection has no login yet."""
    directory = tmp_path_factory.mktemp("guarded")
    authority = Authority(directory)
    own = authority.sign("broker")
    (directory / "keystore.pem").write_bytes(own.key.read_bytes() + own.certificate.read_bytes())
    listener = "listener.name.clients"
    settings = {
        "sasl.enabled.mechanisms": ",".join(MECHANISMS),
        f"{listener}.plain.sasl.jaas.config": f'{_SECURITY}.plain.PlainLoginModule required user_ann="apple";',
        f"{listener}.scram-sha-256.sasl.jaas.config": f"{_SECURITY}.scram.ScramLoginModule required;",
        f"{listener}.scram-sha-512.sasl.jaas.config": f"{_SECURITY}.scram.ScramLoginModule required;",
        f"{listener}.oauthbearer.sasl.jaas.config": f"{_SECURITY}.oauthbearer.OAuthBearerLoginModule required;",
        f"{listener}.oauthbearer.sasl.server.callback.handler.class": _UNSIGNED,
        f"{listener}.ssl.keystore.type": "PEM",
        f"{listener}.ssl.keystore.location": directory / "keystore.pem",
    }
    known = [f"SCRAM-SHA-{size}=[name=ann,password=apple]" for size in (256, 512)]
    with ApacheKafka(
        directory / "kafka",
        protocol=request.param,
        settings=settings,
        format_arguments=[word for one in known for word in ("--add-scram", one)],
    ) as cluster:
        ensure_topics(cluster.inside, partitions=1)
        yield KafkaSettings(
            bootstrap_servers=cluster.bootstrap_servers,
            security_protocol=request.param,
            ssl_cafile=str(authority.certificate) if request.param == "SASL_SSL" else None,
        )


@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_every_client_logs_in(guarded: KafkaSettings, mechanism: str) -> None:
    """kafka-python's producer, consumer and admin client, aiokafka's producer, the watch of rights, and a command."""
    kafka = _login(guarded, mechanism)
    with event_producer(kafka) as producer:
        for event in traffic(3):
            producer.send(event)
    assert len(list(read_topic(kafka, EVENTS.name))) >= 3
    publisher = Publisher(kafka)
    await publisher.start()
    await publisher.publish([Publication(DEAD_LETTERS.name, b"key", b"")])
    await publisher.stop()
    watch = AccessWatch(kafka, PROCESSES["features"])
    assert watch.look() is None
    watch.stop()
    assert headwater(kafka, "topics").status == 0


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_login_that_is_refused_is_named_at_once(guarded: KafkaSettings, mechanism: str) -> None:
    """With address, principal, mechanism and the settings to look at; the clients alone would retry for half a minute."""
    kafka = _login(guarded, mechanism, password="pear", callback="expired_token")
    began = time.monotonic()
    done = headwater(kafka, "topics")
    assert done.status == 1
    assert f"{kafka.bootstrap_servers} refuses the login of User:ann by {mechanism} (" in done.error
    assert "HEADWATER_KAFKA_SASL_" in done.error
    watch = AccessWatch(kafka, PROCESSES["features"])
    assert "refuses the login of User:ann" in str(watch.look())
    watch.stop()
    with pytest.raises(LoginError, match="refuses the login of User:ann"):
        event_producer(kafka)
    assert time.monotonic() - began < 30.0


def _login(kafka: KafkaSettings, mechanism: str, *, password: str = "apple", callback: str = "token") -> KafkaSettings:
    return kafka.model_copy(
        update={
            "sasl_mechanism": mechanism,
            "sasl_username": None if mechanism == "OAUTHBEARER" else "ann",
            "sasl_password": None if mechanism == "OAUTHBEARER" else SecretStr(password),
            "sasl_oauth_callback": f"{__name__}:{callback}" if mechanism == "OAUTHBEARER" else None,
        }
    )


def _token(*, expires: float) -> str:
    def part(content: dict[str, object]) -> str:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")

    return f"{part({'alg': 'none'})}.{part({'sub': 'ann', 'iat': expires - 900, 'exp': expires})}."
