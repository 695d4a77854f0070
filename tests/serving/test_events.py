"""Impressions behind the answers: what they carry, and what happens when the log cannot take them."""

import asyncio
import gc
import warnings

import numpy as np
import pytest

from feature_repo.decode import check_event
from feature_repo.decoded_event import DecodedEvent
from runtime.settings import KafkaSettings
from serving.api.requests import RecommendQuery, SlateQuery
from serving.api.responses import Recommendation
from serving.events import EventLog, ImpressionWriter, impressions_of
from tests.broker import running_broker
from tests.gateway import Gateway
from tests.serving.worlds import NOW, VOCABULARY, World, user_row
from training.model import Recommender


@pytest.fixture
async def shown(world: World, model: Recommender) -> Recommendation:
    """A list that a known user got."""
    world.rows.write_users([user_row()])
    world.publish(model)
    await world.watcher.refresh()
    return await world.pipeline.recommend(RecommendQuery(user_id="ann", slates=(SlateQuery(count=4),), seconds=5.0))


async def test_impressions_carry_what_was_scored(shown: Recommendation) -> None:
    """Each passes the workers' checks and holds the features, history and version of the answer; ids repeat with it."""
    events = list(impressions_of(shown, VOCABULARY.fingerprint))
    assert [event.item_id for event in events] == [item.item_id for item in shown.slates[0].items]
    assert [event.impression.position for event in events] == [0, 1, 2, 3]
    assert [event.event_id for event in events] == [f"{shown.info.recommendation_id}:{at}" for at in range(4)]
    for event, item in zip(events, shown.slates[0].items, strict=True):
        decoded = check_event(event, NOW)
        assert isinstance(decoded, DecodedEvent)
        assert decoded.at == pytest.approx(NOW)
        assert decoded.served is not None
        np.testing.assert_array_equal(decoded.served.features, item.x_F)
        assert list(decoded.served.history_item_ids) == ["i3", "i11"]
        assert len(decoded.served.history_values) == 2 * (1 + len(VOCABULARY.tasks))
        assert event.impression.served.model_version == "v00000001"
        np.testing.assert_array_equal(np.array(event.impression.served.predictions, dtype=np.float32), item.values_T)


async def test_impressions_that_cannot_be_kept_are_counted(shown: Recommendation) -> None:
    """Neither a full queue nor an unreachable log holds anything up, and every item lost is counted."""
    lost: list[int] = []
    log = EventLog(KafkaSettings(bootstrap_servers="127.0.0.1:1"))
    writer = ImpressionWriter(log, VOCABULARY.fingerprint, capacity=1, dropped=lost.append)
    writer.offer(shown)
    writer.offer(shown)
    assert lost == [4]
    writer.start()
    await writer.stop(1.0)
    assert lost == [4, 4]


@pytest.mark.parametrize("responses", [0, 1])
async def test_a_log_that_ends_while_it_connects_leaves_nothing_open(responses: int) -> None:
    """A server that is stopped at once, before the broker has answered, closes the connection that was coming about."""
    with running_broker() as kafka:
        gateway = Gateway(kafka, responses)
        async with gateway.opened() as held:
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                log = EventLog(held)
                log.start()
                await asyncio.wait_for(gateway.held.wait(), 30.0)
                await log.stop()
                del log
                await asyncio.wait_for(gateway.closed.wait(), 30.0)
                gc.collect()
    assert [str(one.message) for one in said if one.category is ResourceWarning] == []
