"""A server whose background parts fail ends with the reason; it never serves a catalogue that it no longer follows."""

from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.serving.servers import RunningServer, running_place

pytestmark = pytest.mark.timeout(300)
FAULTY = "tests.serving.faulty_server"


def _ends(server: RunningServer) -> str:
    """The log of a server that exits on its own."""
    assert server.process.wait(150) == 1
    text = server.log.read_text()
    assert "item-mirror" in text
    assert "a defect of this software" in text
    return text


def test_a_server_that_cannot_read_its_catalogue_ends_and_says_why(tmp_path: Path) -> None:
    """Before it is ready: it neither waits forever nor fills its log while it tries."""
    with running_place(tmp_path) as place:
        place.add("defect")
        with place.server(module=FAULTY, drain_notice_seconds=0) as server:
            text = _ends(server)
    assert text.count("server_waits_for_catalogue") < 10
    assert "server_ready" not in text


def test_a_ready_server_whose_catalogue_stands_still_ends(tmp_path: Path) -> None:
    """Health leaves SERVING, and the process ends: another one may do better, and nobody is shown a catalogue of yesterday."""
    with running_place(tmp_path) as place, place.server(module=FAULTY, drain_notice_seconds=0) as server:
        server.wait_healthy()
        with grpc.insecure_channel(server.address) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            watched = health.Watch(health_pb2.HealthCheckRequest())
            assert next(watched).status == health_pb2.HealthCheckResponse.SERVING
            place.add("defect")
            assert next(watched).status == health_pb2.HealthCheckResponse.NOT_SERVING
        _ends(server)
