"""Clients of a servicer in this very process, over a real channel."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc

from headwater.v1 import recommender_pb2 as pb
from headwater.v1.recommender_pb2_grpc import RecommenderServiceStub, add_RecommenderServiceServicer_to_server
from runtime.settings import KafkaSettings
from runtime.tracing import Traces
from serving.api.servicer import Servicer
from serving.events import EventLog, EventRecorder
from serving.metrics import ServerMetrics
from tests.serving.worlds import NOW, World

__all__ = ["reasons", "served"]


@asynccontextmanager
async def served(world: World, metrics: ServerMetrics, traces: Traces) -> AsyncIterator[RecommenderServiceStub]:
    """A client of a server whose Kafka does not exist; at most two requests at once."""
    log = EventLog(KafkaSettings(bootstrap_servers="127.0.0.1:1"))
    recorder = EventRecorder(log, world.limits, clock=lambda: NOW)
    servicer = Servicer(
        world.pipeline,
        world.explainer,
        recorder,
        metrics,
        admission=world.admission,
        default_deadline_seconds=2.0,
        traces=traces,
    )
    server = grpc.aio.server()
    add_RecommenderServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield RecommenderServiceStub(channel)
    await server.stop(None)


def reasons(info: pb.ResponseInfo) -> set[str]:
    """Why an answer is less than a whole one."""
    return {pb.Degradation.Reason.Name(one.reason) for one in info.degradations}
