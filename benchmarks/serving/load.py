"""Client that puts a server under load, in a process of its own, and what it saw.

Under an offered rate each request has its time to be sent, whether those before it are answered or not, and its latency counts
from that time (no coordinated omission; Tene, "How NOT to measure latency", 2013). The gaps are exponential, as those of many
users are. Messages stay bytes, and calls are made from plain threads, whose sleeps are far finer than an event loop's
millisecond, so that the client's own share of a latency is small.
"""

import gc
import itertools
import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from types import TracebackType
from typing import Any

import grpc
import numpy as np

__all__ = ["SCORE", "LoadClient", "Seen", "quantile"]

SCORE = "/headwater.v1.RecommenderService/Score"


@dataclass(kw_only=True, slots=True)
class Seen:
    """What the client saw in one run; times in seconds."""

    seconds: float = 0.0
    """From the first request on to the end of the last."""
    latencies: dict[str, list[float]] = field(default_factory=dict)
    """By gRPC status, in the order of the answers."""
    lateness: list[float] = field(default_factory=list)
    """How long after its time each request was sent: the client's own share of a latency."""
    answers: list[bytes] = field(default_factory=list)

    @property
    def answered(self) -> list[float]:
        """Latencies of the requests that were answered."""
        return self.latencies.get("OK", [])

    def statuses(self) -> dict[str, int]:
        """How many requests ended with each status."""
        return {status: len(held) for status, held in sorted(self.latencies.items())}


def quantile(values: Sequence[float], q: float) -> float:
    """NaN for no values.

    >>> quantile([3.0, 1.0, 2.0], 0.5)
    2.0
    """
    return float(np.quantile(values, q)) if values else float("nan")


class LoadClient:
    """Runs loads one at a time in a process that is spawned, not forked; a context manager."""

    def __enter__(self) -> "LoadClient":
        self._process = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.shutdown()

    def offer(
        self,
        address: str,
        requests: Sequence[bytes],
        *,
        rps: float,
        seconds: float,
        method: str = SCORE,
        timeout: float = 5.0,
        connections: int = 1,
    ) -> Seen:
        """The requests in turn, `rps` a second on average for so many seconds, each with a deadline; connections take turns."""
        load = partial(_offer, requests=requests, rps=rps, seconds=seconds)
        return self._process.submit(_observe, address, method, timeout, load, connections).result()

    def keep(
        self,
        address: str,
        requests: Sequence[bytes],
        *,
        in_flight: int,
        seconds: float,
        method: str = SCORE,
        timeout: float = 5.0,
        connections: int = 1,
    ) -> Seen:
        """The requests in turn, with always `in_flight` of them under way, for so many seconds; connections take turns."""
        load = partial(_keep, requests=requests, in_flight=in_flight, seconds=seconds)
        return self._process.submit(_observe, address, method, timeout, load, connections).result()


class _Calls:
    """Calls one method without waiting, and notes what comes of each call."""

    def __init__(self, ways: Sequence[Any], timeout: float) -> None:
        self._ways, self._timeout = itertools.cycle(ways), timeout
        self._under_way = 0
        self._changed = threading.Condition()
        self.seen = Seen()

    def send(self, request: bytes, *, due: float) -> None:
        with self._changed:
            self._under_way += 1
        self.seen.lateness.append(time.perf_counter() - due)
        next(self._ways).future(request, timeout=self._timeout).add_done_callback(partial(self._note, due))

    def wait_below(self, count: int) -> None:
        """Returns once fewer than `count` calls are under way."""
        with self._changed:
            self._changed.wait_for(lambda: self._under_way < count)

    def _note(self, due: float, call: Any) -> None:
        took, status = time.perf_counter() - due, call.code().name
        with self._changed:
            if status == "OK":
                self.seen.answers.append(call.result())
            self.seen.latencies.setdefault(status, []).append(took)
            self._under_way -= 1
            self._changed.notify()


def _observe(address: str, method: str, timeout: float, load: Callable[[_Calls], None], connections: int) -> Seen:
    with ExitStack() as held:
        # Without a pool of their own, channels to one address share one connection.
        options = [("grpc.use_local_subchannel_pool", 1)]
        channels = [held.enter_context(grpc.insecure_channel(address, options)) for _ in range(connections)]
        for channel in channels:
            grpc.channel_ready_future(channel).result(timeout=10.0)
        ways = [channel.unary_unary(method, request_serializer=None, response_deserializer=None) for channel in channels]
        calls = _Calls(ways, timeout)
        # The client's own pauses would count as the server's.
        gc.collect()
        gc.disable()
        began = time.perf_counter()
        load(calls)
        calls.wait_below(1)
        calls.seen.seconds = time.perf_counter() - began
        gc.enable()
    return calls.seen


def _offer(calls: _Calls, *, requests: Sequence[bytes], rps: float, seconds: float) -> None:
    gaps, turns = random.Random(0), itertools.cycle(requests)
    began, at = time.perf_counter(), gaps.expovariate(rps)
    while at < seconds:
        if (ahead := began + at - time.perf_counter()) > 0.0:
            time.sleep(ahead)
        calls.send(next(turns), due=began + at)
        at += gaps.expovariate(rps)


def _keep(calls: _Calls, *, requests: Sequence[bytes], in_flight: int, seconds: float) -> None:
    turns, end = itertools.cycle(requests), time.perf_counter() + seconds
    while (now := time.perf_counter()) < end:
        calls.send(next(turns), due=now)
        calls.wait_below(in_flight)
