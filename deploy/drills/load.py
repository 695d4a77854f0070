"""Load under which drills run: events and questions at a steady pace, and what became of each."""

import itertools
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType

import grpc
from kafka.errors import KafkaError

from headwater.producer import DeliveryError, EventProducer
from headwater.v1.events_pb2 import Event
from headwater.v1.recommender_pb2 import ListSpec, RecommendRequest, ResponseInfo, ScoreRequest
from headwater.v1.recommender_pb2_grpc import RecommenderServiceStub
from runtime.broker.event_producer import event_producer
from runtime.settings import KafkaSettings

__all__ = ["Answers", "Load", "LoadConfig"]

_RETRY_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadConfig:
    """Who asks and acts, how often, and how patiently."""

    users: Sequence[str]
    items: Sequence[str]
    events_per_second: float = 40.0
    requests_per_second: float = 20.0
    deadline_seconds: float = 1.0
    give_up_seconds: float = 60.0
    """After it the producer calls an event failed, and the load sends it again at the end."""
    linger_seconds: float = 0.005
    """How long the producer lets an event wait for others to go with it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answers:
    """What became of the questions asked so far."""

    asked: int
    failed: Counter[str]
    """By gRPC status."""
    degraded: Counter[str]
    """Answers that were less than full ones, by their first reason."""


class Load:
    """Each user asks in turn for a list or for scores, and clicks what was listed; a context manager, with a thread for each.

    Every event that was sent counts as one that must not be lost: like a service that keeps its events until they are
    acknowledged, `settle` sends again what the producer gave up.
    """

    def __init__(self, config: LoadConfig, *, server: str, kafka: KafkaSettings) -> None:
        self.config = config
        self.sent: Counter[str] = Counter()
        """Clicks by user."""
        self.sent_again = 0
        """Events that the producer gave up, and that were sent again with their ids unchanged."""
        self.whole_since: float | None = None
        """`time.monotonic()` of the first of the latest unbroken run of full answers; None while answers fail or are less."""
        self._server, self._kafka = server, kafka
        self._events: list[Event] = []
        self._listed: deque[tuple[str, str, str]] = deque(maxlen=200)
        self._asked = 0
        self._seconds: list[float] = []
        self._failed: Counter[str] = Counter()
        self._degraded: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._silent = threading.Event()
        self._again = threading.Event()
        steps = ((self._act_until_silent, "load-events"), (self._ask_until_stopped, "load-requests"))
        self._threads = [threading.Thread(target=step, name=name, daemon=True) for step, name in steps]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._silent.set()
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def answers(self) -> Answers:
        """A copy of the counts."""
        with self._lock:
            return Answers(asked=self._asked, failed=Counter(self._failed), degraded=Counter(self._degraded))

    def take_seconds(self) -> list[float]:
        """How long each answer took since this was last asked."""
        with self._lock:
            taken, self._seconds = self._seconds, []
            return taken

    def send_again(self) -> None:
        """Sends all events so far once more, ids unchanged, as a service does after the log has lost some."""
        self._again.set()

    def settle(self) -> None:
        """Ends the events and returns when the broker has acknowledged every one; questions go on."""
        self._silent.set()
        self._threads[0].join()

    def _act_until_silent(self) -> None:
        producer = self._producer()
        try:
            for number in _paced(self.config.events_per_second, self._silent):
                event = self._click(number)
                self._events.append(event)
                self.sent[event.user_id] += 1
                if self._again.is_set() or not _send(producer, [event]):
                    self._again.clear()
                    producer = self._sent_anew(producer)
            while self._again.is_set() or not _acknowledged(producer):
                self._again.clear()
                producer = self._sent_anew(producer)
        finally:
            producer.close()

    def _sent_anew(self, producer: EventProducer) -> EventProducer:
        """A new producer, to which all events so far were given."""
        while True:
            producer.close()
            producer = self._producer()
            self.sent_again += len(self._events)
            if _send(producer, self._events):
                return producer

    def _producer(self) -> EventProducer:
        while True:
            try:
                return event_producer(
                    self._kafka, give_up_seconds=self.config.give_up_seconds, linger_seconds=self.config.linger_seconds
                )
            except KafkaError:
                time.sleep(_RETRY_SECONDS)

    def _click(self, number: int) -> Event:
        try:
            user, item, list_id = self._listed.popleft()
        except IndexError:
            user = self.config.users[number % len(self.config.users)]
            item, list_id = self.config.items[number % len(self.config.items)], ""
        event = Event(event_id=f"{user}:{number}", user_id=user, item_id=item, recommendation_id=list_id)
        event.click.SetInParent()
        event.occurred_at.GetCurrentTime()
        return event

    def _ask_until_stopped(self) -> None:
        # By default a channel waits up to two minutes before it tries a server again that was away.
        with grpc.insecure_channel(self._server, options=[("grpc.max_reconnect_backoff_ms", 1000)]) as channel:
            stub = RecommenderServiceStub(channel)
            for number in _paced(self.config.requests_per_second, self._stopping):
                user = self.config.users[number // 2 % len(self.config.users)]
                self._ask(stub, user, recommend=number % 2 == 0)

    def _ask(self, stub: RecommenderServiceStub, user: str, *, recommend: bool) -> None:
        seconds = self.config.deadline_seconds
        failed, degraded = "", ""
        began = time.perf_counter()
        try:
            info: ResponseInfo
            if recommend:
                listed = stub.Recommend(RecommendRequest(user_id=user, list=ListSpec(count=5)), timeout=seconds)
                info = listed.info
                self._listed.extend((user, item.item_id, info.recommendation_id) for item in listed.items[:2])
            else:
                info = stub.Score(ScoreRequest(user_id=user, item_ids=self.config.items[:20]), timeout=seconds).info
            if info.degradations:
                reason = info.degradations[0].reason
                degraded = info.degradations[0].DESCRIPTOR.enum_types_by_name["Reason"].values_by_number[reason].name
        except grpc.RpcError as error:
            failed = error.code().name
        with self._lock:
            self._asked += 1
            if not failed:
                self._seconds.append(time.perf_counter() - began)
            self._failed.update([failed] if failed else [])
            self._degraded.update([degraded] if degraded else [])
            if failed or degraded:
                self.whole_since = None
            elif self.whole_since is None:
                self.whole_since = time.monotonic()


def _send(producer: EventProducer, events: Sequence[Event]) -> bool:
    """Whether the producer took them."""
    try:
        for event in events:
            producer.send(event)
    except KafkaError:
        return False
    return True


def _acknowledged(producer: EventProducer) -> bool:
    """Whether the broker has taken all that the producer was given."""
    try:
        return not producer.flush().failed
    except DeliveryError:
        return False


def _paced(per_second: float, end: threading.Event) -> Iterator[int]:
    """0, 1, 2, ... at the pace, until the event is set; what could not be kept up with is left out, never made up for."""
    due = time.monotonic()
    for number in itertools.count():
        if end.wait(max(due - time.monotonic(), 0.0)):
            return
        yield number
        due = max(due + 1.0 / per_second, time.monotonic())
