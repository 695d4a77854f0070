"""Any bytes as a request: answered, or refused as the caller's fault, with CPU time in proportion to them and bounded memory.

`make fuzz` runs it for ten minutes; HEADWATER_FUZZ_SECONDS sets another time.
"""

import asyncio
import os
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from feature_repo.decode import check_event
from feature_repo.decoded_event import DecodedEvent
from headwater.v1 import recommender_pb2 as pb
from headwater.v1.events_pb2 import Event
from runtime.settings import KafkaSettings
from serving.api.servicer import MAX_MESSAGE_BYTES, SERVICE, Servicer
from serving.events import EventLog, EventRecorder, impressions_of
from serving.metrics import ServerMetrics
from tests.serving.worlds import DIMENSIONS, ITEMS, NOW, VOCABULARY, AxisEncoder, World, user_row
from training.model import Recommender

_SECONDS = float(os.environ.get("HEADWATER_FUZZ_SECONDS", "6"))
_EXAMPLES = 50  # between two looks at the clock
_METHODS = tuple(pb.DESCRIPTOR.services_by_name["RecommenderService"].methods)
_TIMES = 60.0  # an ordinary request's CPU time: what the dearest of the allowed small ones may take
_TIMES_PER_KIB = 0.5
_GROWTH_KIB = 300 * 1024
_TIMES_REPEATED = (1, 1, 1, 1, 1, 1, 2, 3, 16, 17, 33, 129, 1_001, 20_000, 300_000)
_TEXTS = (
    "",
    "x" * 300,
    "x" * 70_000,
    "\u20ac" * 5_000,
    "en-" * 100,
    "a\x00b",
    "attributes.",
    "nan",
    "1e999",
    "'\n\r\t\\",
    "\U0001f600",
)
_NUMBERS = (0.0, 0.5, 1.0, -1.0, float("nan"), float("inf"), float("-inf"), 1e308, -1e308, 5e-324, 1e-7)
_EXTREMES: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.TYPE_STRING: st.sampled_from(_TEXTS) | st.text(max_size=20),
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_DOUBLE: st.sampled_from(_NUMBERS) | st.floats(),
    FieldDescriptor.TYPE_FLOAT: st.sampled_from(_NUMBERS[:7]) | st.floats(width=32),
    FieldDescriptor.TYPE_UINT32: st.sampled_from((0, 1, 2, 20, 21, 2**32 - 1)) | st.integers(0, 30),
    FieldDescriptor.TYPE_FIXED32: st.sampled_from((0, VOCABULARY.fingerprint, 2**32 - 1)),
    FieldDescriptor.TYPE_INT32: st.sampled_from((0, 1, -1, 2**31 - 1, -(2**31))),
    FieldDescriptor.TYPE_INT64: st.sampled_from((0, 1, -1, int(NOW), 2**63 - 1, -(2**63))),
}
_ALWAYS = frozenset(("user_id", "item_id", "item_ids", "event_id", "list", "slates", "count", "name", "field"))
_IDS = st.sampled_from([f"i{number}" for number in range(ITEMS)] + ["gone"])
_TASK = st.sampled_from(("click", "dwell", "stars"))
_FINITE = st.floats(0.0, 1.0, width=32)
_USUAL: dict[str, st.SearchStrategy[Any]] = {
    "user_id": st.sampled_from(("ann", "bob")),
    "item_id": _IDS,
    "item_ids": _IDS,
    "exclude_item_ids": _IDS,
    "history_item_ids": _IDS,
    "task": _TASK | st.just(""),
    "tasks": _TASK,
    "key": _TASK,
    "value": _FINITE,
    "item_types": st.sampled_from(("article", "song")),
    "field": st.sampled_from(("type", "category", "language", "attributes.brand")),
    "any_of": st.sampled_from(("article", "song", "en", "3", "Acme")),
    "none_of": st.sampled_from(("article", "none")),
    "name": st.text("abcdefg", min_size=1, max_size=6),
    "slate": st.just("top"),
    "context_text": st.text(max_size=20),
    "request_id": st.text(max_size=8),
    "event_id": st.text(min_size=1, max_size=8),
    "recommendation_id": st.text(max_size=8),
    "currency": st.just("EUR"),
    "count": st.integers(1, 20),
    "position": st.integers(0, 3),
    "at_most": st.integers(1, 5),
    "candidate_count": st.sampled_from((0, 20)),
    "diversity": st.just(0.0) | _FINITE,
    "temperature": st.just(0.0) | _FINITE,
    "seconds": st.integers(1, 10_000_000),
    "nanos": st.integers(0, 999_999_999),
}


def of(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    """What an ordinary request has in a field, or now and then an extreme of its type."""
    if field.message_type is not None:
        return messages(field.message_type)
    usual = _USUAL.get(field.name, _EXTREMES[field.type])
    if field.name == "at_most" and field.type == FieldDescriptor.TYPE_DOUBLE:
        usual = _FINITE
    return st.integers(0, 49).flatmap(lambda number: usual if number else _EXTREMES[field.type])


@st.composite
def messages(draw: st.DrawFn, kind: Descriptor) -> Message:
    """A message of the kind, some of its lists repeated very often."""
    made = GetMessageClass(kind)()
    for field in kind.fields:
        if field.name not in _ALWAYS and not draw(st.booleans()):
            continue
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            key, value = field.message_type.fields
            for _ in range(draw(st.integers(0, 3))):
                getattr(made, field.name)[draw(of(key))] = draw(of(value))
        elif field.is_repeated:
            some = draw(st.lists(of(field), min_size=1, max_size=3))
            getattr(made, field.name).extend((some * draw(st.sampled_from(_TIMES_REPEATED)))[: 1_000_000 // _bytes_of(some)])
        elif field.message_type is not None:
            getattr(made, field.name).CopyFrom(draw(of(field)))
        else:
            setattr(made, field.name, draw(of(field)))
    return made


def _bytes_of(some: Sequence[Any]) -> int:
    return max(1, *(one.ByteSize() if isinstance(one, Message) else len(str(one)) for one in some), 1)


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, bytes]:
    """A method and bytes for it, which may be damaged on their way."""
    method = draw(st.sampled_from(_METHODS))
    content = draw(messages(method.input_type)).SerializeToString()
    for at, byte in (
        draw(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=2)) if draw(st.booleans()) else []
    ):
        content = content[:at] + bytes([byte]) + content[at + 1 :]
    return method.name, content[:MAX_MESSAGE_BYTES]


class AnyEncoder(AxisEncoder):
    """Encodes every text as one of the axes."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.stack([np.eye(DIMENSIONS, dtype=np.float32)[len(text) % DIMENSIONS] for text in texts])


class WrittenLog(EventLog):
    """A log that acknowledges every event that can be written."""

    async def append(self, events: Sequence[Event], seconds: float) -> list[str | None]:
        return [None if event.user_id.encode() and event.SerializeToString() else "empty" for event in events]


class Service:
    """A server with a model, a known user and a catalogue, on an event loop of its own, asked one request at a time."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._loop = asyncio.new_event_loop()
        self._loop.run_until_complete(self._start())

    async def _start(self) -> None:
        world = self.world
        await world.watcher.refresh()
        servicer = Servicer(
            world.pipeline,
            world.explainer,
            EventRecorder(WrittenLog(KafkaSettings()), clock=lambda: NOW),
            ServerMetrics(),
            limits=world.limits,
            admission=world.admission,
            default_deadline_seconds=60.0,
        )
        self._server = grpc.aio.server()
        servicer.add_to(self._server)
        port = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()
        self._channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")

    def ask(self, method: str, content: bytes) -> tuple[float, grpc.StatusCode, str]:
        """CPU seconds of client and server together, the status and its text."""
        began = time.process_time()
        code, detail = self._loop.run_until_complete(self._ask(method, content))
        return time.process_time() - began, code, detail

    async def _ask(self, method: str, content: bytes) -> tuple[grpc.StatusCode, str]:
        try:
            await self._channel.unary_unary(f"/{SERVICE}/{method}", None, None)(content)
        except grpc.aio.AioRpcError as error:
            return error.code(), error.details() or ""
        return grpc.StatusCode.OK, ""

    def stop(self) -> None:
        self._loop.run_until_complete(self._channel.close(None))
        self._loop.run_until_complete(self._server.stop(None))
        self._loop.close()


@pytest.fixture
def service(tmp_path: Path, model: Recommender) -> Iterator[Service]:
    world = World(directory=tmp_path, encoder=AnyEncoder())
    world.rows.write_users([user_row()])
    world.publish(model)
    started = Service(world)
    yield started
    started.stop()
    world.close()


def test_no_request_fails_or_stalls_the_server(service: Service) -> None:
    """Whatever comes is answered or refused as invalid; what it makes the server write can be read."""
    usual_request = pb.ScoreRequest(user_id="ann", item_ids=[f"i{number % ITEMS}" for number in range(100)]).SerializeToString()
    usual = min(service.ask("Score", usual_request)[0] for _ in range(20))

    def check(request: tuple[str, bytes]) -> None:
        method, content = request
        budget = usual * (_TIMES + _TIMES_PER_KIB * len(content) / 1024)
        took, code, detail = service.ask(method, content)
        assert code in {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT}, f"{method}: {code}: {detail}"
        for _ in range(3):  # another process, or the collector, may have taken from one of them
            took = min(took, service.ask(method, content)[0]) if took > budget else took
        assert took <= budget, f"{method} of {len(content)} bytes took {took:.3f} s of CPU time, {budget:.3f} are allowed"
        for shown in service.world.shown:
            for event in impressions_of(shown, VOCABULARY.fingerprint):
                assert isinstance(check_event(event, NOW), DecodedEvent), event
        service.world.shown.clear()

    fuzz(check)


def fuzz(check: Callable[[tuple[str, bytes]], None]) -> None:
    """Checks requests until the time is over, and that memory did not grow with them."""
    examples = settings(max_examples=_EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    check_some = examples(given(requests())(check))
    end, before = time.monotonic() + _SECONDS, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    while time.monotonic() < end:
        check_some()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < _GROWTH_KIB
