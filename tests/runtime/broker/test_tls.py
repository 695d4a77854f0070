"""What prevents TLS to the broker is reported as text, and at once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.broker.errors import BrokerTlsError
from runtime.broker.login import check_login, diagnose
from runtime.settings import KafkaSettings
from tests.broker import broker_process, free_port
from tests.certificates import Authority
from tests.tls_broker import tls_broker


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaSettings]:
    """A broker that is reached over TLS alone."""
    with tls_broker(tmp_path_factory.mktemp("certificates")) as kafka:
        yield kafka


def test_a_broker_that_is_trusted_passes(secured: KafkaSettings) -> None:
    """So does one behind an address where nothing listens: it may be away for a while."""
    check_login(secured)
    away = f"127.0.0.1:{free_port()}"
    check_login(secured.model_copy(update={"bootstrap_servers": f"{away}, {secured.bootstrap_servers}"}))
    check_login(secured.model_copy(update={"bootstrap_servers": away}))
    check_login(secured.model_copy(update={"bootstrap_servers": f"localhost, [::1], {away}"}))  # as the clients take them
    check_login(KafkaSettings(bootstrap_servers=away, security_protocol="PLAINTEXT", ssl_cafile="/nowhere.pem"))


def test_another_authority_is_named(secured: KafkaSettings, tmp_path: Path) -> None:
    """With the setting that says whom to trust; without one, the system's authorities are."""
    other = Authority(tmp_path, "other").certificate
    with pytest.raises(BrokerTlsError, match=rf"certificate is not trusted .* by HEADWATER_KAFKA_SSL_CAFILE={other}"):
        check_login(secured.model_copy(update={"ssl_cafile": str(other)}))
    with pytest.raises(BrokerTlsError, match="by the system's authorities: name the authority"):
        check_login(secured.model_copy(update={"ssl_cafile": None}))


def test_another_name_than_the_certificate_has_is_refused(secured: KafkaSettings) -> None:
    """Whoever stands between could have a certificate of the same authority."""
    elsewhere = secured.bootstrap_servers.replace("127.0.0.1", "localhost")
    with pytest.raises(BrokerTlsError, match=r"localhost:\d+: its certificate is not trusted .*'localhost'"):
        check_login(secured.model_copy(update={"bootstrap_servers": elsewhere}))


def test_files_that_cannot_be_used_are_named(secured: KafkaSettings, tmp_path: Path) -> None:
    """One that is missing, and one that holds no certificate."""
    (tmp_path / "empty.pem").touch()
    for file in ("absent.pem", "empty.pem"):
        with pytest.raises(BrokerTlsError, match=rf"HEADWATER_KAFKA_SSL_CAFILE=.*{file} cannot be used: "):
            check_login(secured.model_copy(update={"ssl_cafile": str(tmp_path / file)}))
        with pytest.raises(BrokerTlsError, match=rf"HEADWATER_KAFKA_SSL_CERTFILE=.*{file} and _KEYFILE=None cannot be used: "):
            check_login(secured.model_copy(update={"ssl_certfile": str(tmp_path / file)}))


def test_a_port_without_tls_is_told() -> None:
    """The embedded broker waits for the rest of what it takes for a request, as one that hangs would."""
    with broker_process() as (kafka, _):
        problem = diagnose(kafka.model_copy(update={"security_protocol": "SSL"}))
    assert "does not answer as a Kafka broker that speaks SSL (" in str(problem)
    assert "check the address, that the broker runs, and that HEADWATER_KAFKA_SECURITY_PROTOCOL" in str(problem)
