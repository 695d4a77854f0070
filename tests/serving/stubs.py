"""Clients of a servicer in this very process, over a real channel."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc

from headwater.v1 import recommender_pb2 as pb
from headwater.v1.recommender_pb2_grpc import RecommenderServiceStub
from runtime.settings import KafkaSettings
from runtime.tracing import Traces
from serving.api.servicer import Servicer
from serving.events import EventLog, EventRecorder
from serving.metrics import ServerMetrics
from tests.serving.worlds import NOW, World

__all__ = ["reasons", "served", "serving"]


@asynccontextmanager
async def serving(world: World, metrics: ServerMetrics, traces: Traces) -> AsyncIterator[str]:
    """The address of a server whose Kafka does not exist; at most two requests at once."""
    log = EventLog(KafkaSettings(bootstrap_servers="127.0.0.1:1"))
    servicer = Servicer(
        world.pipeline,
        world.explainer,
        EventRecorder(log, clock=lambda: NOW),
        metrics,
        limits=world.limits,
        admission=world.admission,
        default_deadline_seconds=2.0,
        traces=traces,
    )
    server = grpc.aio.server()
    servicer.add_to(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(None)


@asynccontextmanager
async def served(world: World, metrics: ServerMetrics, traces: Traces) -> AsyncIterator[RecommenderServiceStub]:
    """A client of that server."""
    async with serving(world, metrics, traces) as address, grpc.aio.insecure_channel(address) as channel:
        yield RecommenderServiceStub(channel)


def reasons(info: pb.ResponseInfo) -> set[str]:
    """Why an answer is less than a whole one."""
    return {pb.Degradation.Reason.Name(one.reason) for one in info.degradations}
