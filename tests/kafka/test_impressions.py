"""Impressions of a server whose cluster takes no records for a while: what is counted as dropped is what the log lacks."""

import time
from pathlib import Path

import grpc
import pytest

from headwater.v1 import recommender_pb2 as pb
from headwater.v1.events_pb2 import Event
from headwater.v1.recommender_pb2_grpc import RecommenderServiceStub
from headwater.v1.topics import EVENTS
from runtime.settings import KafkaSettings
from runtime.topics import read_topic
from tests.kafka.conftest import StartKafka
from tests.serving.servers import RunningServer, prepared_place

pytestmark = pytest.mark.timeout(300)

_AWAY_SECONDS = 14.0
"""Longer than a write may take before its caller is told that it was not acknowledged."""
_LISTS_PER_SECOND = 20


def test_the_counter_of_dropped_impressions_is_what_the_log_lacks(start_kafka: StartKafka, tmp_path: Path) -> None:
    """Two of three nodes are down: what does not fit is counted, what waits is written once they are back, and none is both."""
    cluster = start_kafka(nodes=3)
    place = prepared_place(tmp_path, cluster.inside)
    users = [f"user {number}" for number in range(20)]
    shown: set[str] = set()
    with place.server(impression_queue=50) as server, grpc.insecure_channel(server.address) as channel:
        server.wait_healthy()
        stub = RecommenderServiceStub(channel)

        def show(user: str) -> set[str]:
            response = stub.Recommend(pb.RecommendRequest(user_id=user, list=pb.ListSpec(count=3)), timeout=10.0)
            return {f"{response.info.recommendation_id}:{position}" for position in range(len(response.items))}

        for user in users:
            shown |= show(user)
        cluster.wait_for(lambda: shown <= _written(cluster.inside))
        down = [node for node in cluster.nodes if node != cluster.leader(EVENTS.name)]
        for node in down:
            cluster.kill(node)
        until = time.monotonic() + _AWAY_SECONDS
        while time.monotonic() < until:
            shown |= show(users[len(shown) % len(users)])
            time.sleep(1 / _LISTS_PER_SECOND)
        for node in down:
            cluster.launch(node)
        cluster.wait_until_up()
        last = set[str]().union(*map(show, users))
        shown |= last
        # A partition's impressions are written in turn, so that all that came before is decided by then.
        cluster.wait_for(lambda: last <= _written(cluster.inside))
        missing = len(shown - _written(cluster.inside))
        assert 0 < missing < len(shown)
        assert _dropped(server) == missing


def _written(kafka: KafkaSettings) -> set[str]:
    return {Event.FromString(record.value).event_id for record in read_topic(kafka, EVENTS.name)}


def _dropped(server: RunningServer) -> float:
    text = server.get("metrics")
    assert text is not None
    [line] = [line for line in text.splitlines() if line.startswith("headwater_impressions_dropped_total ")]
    return float(line.split()[1])
