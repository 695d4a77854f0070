"""Filling a running stack with a project's items and recorded events, paced and shown."""

import math
import time
from collections.abc import Callable

from rich.console import Console

from deploy.dataset.messages import wire_event
from deploy.dataset.sources import SourcesRead
from deploy.local.state import StackState
from deploy.observe.flow import Flow
from deploy.observe.progress import ProgressLine, progress
from deploy.observe.scrape import scrape
from headwater.v1.catalogue_pb2 import CatalogueChange
from runtime.broker.event_producer import event_producer
from runtime.errors import UserError
from runtime.settings import KafkaSettings
from streams.learning.settings import LearnerSettings

__all__ = ["LoadError", "load"]

_CATALOGUE_STALLED_SECONDS = 120.0
_MODEL_STALLED_SECONDS = 15.0  # the learner publishes at most every 10 s, and the server looks every second


class LoadError(UserError):
    """The stack does not take in what the project holds; the message says where to look."""


def load(read: SourcesRead, state: StackState, *, check: Callable[[], None], console: Console) -> None:
    """Publishes the items, waits until the server knows them, publishes the events in order, and waits for what they teach.

    Args:
        check: raises when a part of the stack has died.

    Raises:
        LoadError: for two minutes no further item arrived at the server.
    """
    with event_producer(KafkaSettings(bootstrap_servers=state.bootstrap_servers)) as producer:
        for item in read.items:
            producer.send_change(CatalogueChange(upsert=item))
        producer.flush(raise_on_failure=True)
        with progress(f"{len(read.items):,} items: their texts are encoded", console) as line:
            _await_items(state, len(read.items), check, line)
        flow = Flow(
            console=console, send=producer.send, check=check, metrics_ports=state.metrics_ports, expected=len(read.events)
        )
        flow.publish(map(wire_event, read.events))
        producer.flush(raise_on_failure=True)
    version = _await_model(flow, state.metrics_ports["server"])
    taught = f"scored by model {version:.0f}" if version else "no model yet: it takes 512 examples"
    console.print(f"{len(read.events):,} events published, {flow.learned:,} examples learned; {taught}", soft_wrap=True)


def _await_items(state: StackState, wanted: int, check: Callable[[], None], line: ProgressLine) -> None:
    known, since = -1.0, time.monotonic()
    while True:
        check()
        found = scrape(state.metrics_ports["server"]).total("headwater_catalogue_items")
        if found >= wanted:
            return
        line.tell(f"{found:,.0f} known to the server")
        if found != known:
            known, since = found, time.monotonic()
        elif time.monotonic() - since > _CATALOGUE_STALLED_SECONDS:
            raise LoadError(f"the server knows {known:.0f} of {wanted} items and hears of no more; look at the log of catalogue")
        time.sleep(0.2)


def _await_model(flow: Flow, server_port: int) -> float:
    """Number of the model that scores, once it knows every example; else once neither learner nor model has moved for a while."""
    batch = LearnerSettings().batch_size
    seen, since, due = (-1, -1.0), time.monotonic(), math.inf
    with progress("learning from the last of them", flow.console) as line:
        while True:
            flow.look()
            version = scrape(server_port).total("headwater_model_version")
            line.tell(f"{flow.learned:,} examples learned")
            if flow.learned_all(batch):
                due = min(due, version + 1)
            if (flow.learned, version) != seen:
                seen, since = (flow.learned, version), time.monotonic()
            if version >= due or time.monotonic() - since > _MODEL_STALLED_SECONDS:
                return version
            time.sleep(0.2)
