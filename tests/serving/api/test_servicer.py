"""The gRPC face over real parts: answers, flags and statuses, through a real channel."""

from collections.abc import Sequence
from dataclasses import replace

import grpc
import numpy as np
import pytest
import structlog
from google.protobuf.duration_pb2 import Duration
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from structlog.testing import capture_logs

from feature_repo.rows import UserRow
from feature_repo.store import RowStore
from feature_repo.tasks import parse_tasks
from feature_repo.vocabulary import Vocabulary
from headwater.client import by_task
from headwater.v1 import recommender_pb2 as pb
from headwater.v1.events_pb2 import Event
from headwater.v1.recommender_pb2_grpc import RecommenderServiceStub
from runtime.tracing import Traces
from serving.events import impressions_of
from serving.metrics import ServerMetrics
from tests.serving.stubs import reasons, served
from tests.serving.worlds import NOW, VOCABULARY, World, user_row
from training.model import Recommender

Reason = pb.Degradation.Reason


def with_filter(condition: pb.Condition) -> pb.RecommendRequest:
    return pb.RecommendRequest(user_id="ann", list=pb.ListSpec(count=1, filter=pb.Filter(conditions=[condition])))


def with_rules(*, pins: Sequence[pb.Pin] = (), caps: Sequence[pb.Cap] = ()) -> pb.RecommendRequest:
    return pb.RecommendRequest(user_id="ann", list=pb.ListSpec(count=1, rules=pb.Rules(pins=pins, caps=caps)))


def explored(*, among: int = 0, diversity: float = 0.0, rules: pb.Rules | None = None) -> pb.RecommendRequest:
    exploration = pb.Exploration(temperature=1.0, candidate_count=among)
    spec = pb.ListSpec(count=5, exploration=exploration, diversity=diversity, rules=rules)
    return pb.RecommendRequest(user_id="ann", list=spec)


def leaving_out(task: str) -> pb.RecommendRequest:
    leave_out = pb.Interactions(any_of=[pb.Interaction(task=task)])
    return pb.RecommendRequest(user_id="ann", list=pb.ListSpec(count=1, leave_out=leave_out))


def slates(*names: str, pin: str = "") -> pb.RecommendSlatesRequest:
    rules = pb.Rules(pins=[pb.Pin(item_id=pin)] if pin else [])
    return pb.RecommendSlatesRequest(
        user_id="ann", slates=[pb.Slate(name=name, list=pb.ListSpec(count=1, rules=rules)) for name in names]
    )


async def test_a_short_list_says_where_items_went(world: World, stub: RecommenderServiceStub) -> None:
    """Each of the 40 items counts once: another type, the filter, an exclusion, what the user did; unknown values are named."""
    row = user_row()
    world.rows.write_users([row])
    published_within = Duration(seconds=970)  # i31 and later
    spec = pb.ListSpec(count=20, item_types=["song"], filter=pb.Filter(published_within=published_within))
    request = pb.RecommendRequest(user_id="ann", list=spec, exclude_item_ids=["i35", "i1"])
    whole = await stub.Recommend(pb.RecommendRequest(user_id="ann", list=pb.ListSpec(count=5)))
    assert not whole.info.short_lists
    [short] = (await stub.Recommend(request)).info.short_lists
    assert (short.wanted, short.returned, short.catalogue_items) == (20, 4, 40)
    assert (short.of_other_types, short.filtered, short.excluded, short.acted_on) == (20, 15, 1, 0)
    assert short.detail == (
        "4 of 20 items: of 40 in the catalogue, 20 of other types, 15 did not pass the filter, 1 were excluded by the request"
    )
    none = with_filter(pb.Condition(field="category", any_of=["garden"]))
    response = await stub.Recommend(none)
    [short] = response.info.short_lists
    assert (len(response.items), short.filtered) == (0, 40)
    assert "40 did not pass the filter (no item has category garden, or any other)" in short.detail
    for number in range(40):
        row.engage(f"i{number}", NOW - 100.0 - number, [1.0, np.nan, np.nan])
    world.rows.write_users([replace(row, offset=row.offset + 1, updated_at=NOW - 1.0)])
    page = pb.RecommendSlatesRequest(user_id="ann", slates=[pb.Slate(name="top", list=pb.ListSpec(count=1))])
    [short] = (await stub.RecommendSlates(page)).info.short_lists
    assert (short.slate, short.acted_on) == ("top", 40)
    assert short.detail.endswith("40 were left out because the user has acted on them")


async def test_whole_answer_carries_no_flag(world: World, stub: RecommenderServiceStub, model: Recommender) -> None:
    """Known user, known items, a model: scores in the order asked, and what the model learned shows in them."""
    world.rows.write_users([user_row()])
    world.publish(model)
    await world.watcher.refresh()
    response = await stub.Score(pb.ScoreRequest(user_id="ann", item_ids=["i8", "i6", "i1"]))
    assert [item.item_id for item in response.items] == ["i8", "i6", "i1"]
    assert not response.info.degradations
    assert response.info.model_version == "v00000001"
    assert response.info.recommendation_id
    assert response.info.features_as_of.ToNanoseconds() == int((NOW - 60.0) * 1e9)
    liked, disliked, song = response.items
    assert list(response.tasks) == ["click", "dwell", "stars"]
    assert 0.0 <= disliked.values[0] < liked.values[0] <= 1.0
    assert disliked.values[2] < liked.values[2]
    assert set(by_task(response.tasks, song.values)) == {"click", "stars"}  # reading time is about articles


async def test_every_shortcoming_is_flagged_and_still_answered(stub: RecommenderServiceStub) -> None:
    """Unknown user, unknown item, no model: finite values of the tasks asked for, in their order, and the three reasons."""
    request = pb.ScoreRequest(user_id="nobody", item_ids=["i0", "nope"], tasks=["stars", "click"])
    response = await stub.Score(request)
    assert reasons(response.info) == {"REASON_UNKNOWN_USER", "REASON_UNKNOWN_ITEM", "REASON_NO_MODEL"}
    assert [item.unknown_item for item in response.items] == [False, True]
    assert list(response.tasks) == ["stars", "click"]
    assert all(len(item.values) == 2 and np.isfinite(item.values).all() for item in response.items)
    assert response.items[1].values[1] == pytest.approx(0.5)
    assert not response.info.HasField("features_as_of")
    assert all(one.detail for one in response.info.degradations)


async def test_empty_catalogue_gives_an_empty_flagged_list(world: World, stub: RecommenderServiceStub) -> None:
    """With item types asked for, too: the types that there will be are not known."""
    for item_id in list(world.table.ids):
        world.table.delete(item_id)
    response = await stub.Recommend(pb.RecommendRequest(user_id="ann", list=pb.ListSpec(count=3, item_types=["song"])))
    assert not response.items
    assert "REASON_EMPTY_CATALOGUE" in reasons(response.info)


async def test_list_keeps_to_the_request(world: World, stub: RecommenderServiceStub, model: Recommender) -> None:
    """Type, exclusions and what was seen are honoured; the order is that of the rank scores; impressions are told of it."""
    world.rows.write_users([user_row()])
    world.publish(model)
    await world.watcher.refresh()
    request = pb.RecommendRequest(user_id="ann", list=pb.ListSpec(count=20, item_types=["song"]), exclude_item_ids=["i1"])
    response = await stub.Recommend(request)
    ids = [item.item_id for item in response.items]
    assert {"i1", "i3", "i11"}.isdisjoint(ids)
    assert len(ids) == len(set(ids)) == 17
    assert all(item.type == "song" and item.title for item in response.items)
    ranks = [item.rank_score for item in response.items]
    assert ranks == sorted(ranks, reverse=True)
    assert [item.item_id for item in world.shown[0].slates[0].items] == ids
    request.list.include_seen = True
    assert {"i3", "i11"} <= {item.item_id for item in (await stub.Recommend(request)).items}


async def test_the_response_shows_the_tasks_that_are_asked_for(world: World, stub: RecommenderServiceStub) -> None:
    """In their order, one value each; the ranking and the impressions keep all of them. A single list is one slate."""
    spec = pb.ListSpec(count=5)
    everything = await stub.Recommend(pb.RecommendRequest(user_id="ann", list=spec, preview=True))
    chosen = await stub.Recommend(pb.RecommendRequest(user_id="ann", list=spec, tasks=["stars", "click"]))
    assert (list(everything.tasks), list(chosen.tasks)) == (["click", "dwell", "stars"], ["stars", "click"])
    for whole, part in zip(everything.items, chosen.items, strict=True):
        assert (part.item_id, list(part.values)) == (whole.item_id, [whole.values[2], whole.values[0]])
    [event, *_] = impressions_of(world.shown[0], VOCABULARY.fingerprint)
    assert len(event.impression.served.predictions) == 3
    slates = [pb.Slate(name="only", list=spec)]
    page = await stub.RecommendSlates(pb.RecommendSlatesRequest(user_id="ann", slates=slates, tasks=["stars", "click"]))
    assert page.tasks == chosen.tasks
    assert page.slates[0].items == chosen.items


async def test_durations_bound_what_is_drawn(world: World, stub: RecommenderServiceStub) -> None:
    """i3 was acted on a minute ago: left out by two minutes, kept by half a minute; a duration of nothing is refused."""
    world.rows.write_users([user_row(liked=("i3",))])

    async def shows(**within: int) -> bool:
        leave_out = pb.Interactions(any_of=[pb.Interaction(task="stars", within=Duration(**within))])
        spec = pb.ListSpec(count=20, item_types=["song"], leave_out=leave_out)
        response = await stub.Recommend(pb.RecommendRequest(user_id="ann", list=spec))
        return "i3" in {item.item_id for item in response.items}

    assert not await shows(seconds=120)
    assert await shows(seconds=29, nanos=10**9 - 1)
    with pytest.raises(grpc.aio.AioRpcError, match=r"list.leave_out.any_of\[0\].within: got -1 s; give a positive duration"):
        await shows(seconds=-1)
    new = pb.Filter(published_within=Duration(seconds=964))
    response = await stub.Recommend(pb.RecommendRequest(user_id="ann", list=pb.ListSpec(count=20, filter=new)))
    assert {item.item_id for item in response.items} == {f"i{number}" for number in range(36, 40)}


async def test_weights_and_words_change_the_order(stub: RecommenderServiceStub, world: World, model: Recommender) -> None:
    """A negative weight puts last what was first; context words bring their own items to the top."""
    world.publish(model)
    await world.watcher.refresh()
    liked = await stub.Recommend(pb.RecommendRequest(user_id="ann", list=pb.ListSpec(count=20, task_weights={"stars": 1.0})))
    hated = await stub.Recommend(pb.RecommendRequest(user_id="ann", list=pb.ListSpec(count=20, task_weights={"stars": -1.0})))
    assert [item.item_id for item in liked.items] == [item.item_id for item in hated.items][::-1]
    words = await stub.Recommend(pb.RecommendRequest(user_id="ann", list=pb.ListSpec(count=3), context_text="axis 6"))
    assert all(int(item.item_id[1:]) % 8 == 6 for item in words.items)


async def test_rules_shape_the_list(stub: RecommenderServiceStub) -> None:
    """Pins stand where they were put, seen or not; a cap leaves room for others; a boost lifts; a lost pin is flagged."""
    rules = pb.Rules(
        pins=[pb.Pin(item_id="i2", position=1), pb.Pin(item_id="gone", position=0)],
        caps=[pb.Cap(field="type", at_most=2)],
        boosts=[pb.Boost(condition=pb.Condition(field="type", any_of=["song"]), score_delta=5.0)],
    )
    response = await stub.Recommend(pb.RecommendRequest(user_id="ann", list=pb.ListSpec(count=10, rules=rules)))
    assert [item.type for item in response.items] == ["song", "article", "song", "article"]
    assert [item.pinned for item in response.items] == [False, True, False, False]
    assert response.items[1].item_id == "i2"
    assert response.items[0].rank_score > 5.0
    assert any("gone" in one.detail for one in response.info.degradations)


async def test_diversity_spreads_the_list(stub: RecommenderServiceStub) -> None:
    """Forty items on eight axes: eight unlike ones are found, which score alone does not."""
    plain = await stub.Recommend(pb.RecommendRequest(user_id="ann", list=pb.ListSpec(count=8)))
    spread = await stub.Recommend(pb.RecommendRequest(user_id="ann", list=pb.ListSpec(count=8, diversity=0.9)))
    assert len({int(item.item_id[1:]) % 8 for item in plain.items}) < 8
    assert len({int(item.item_id[1:]) % 8 for item in spread.items}) == 8


async def test_slates_of_one_page_share_no_item(world: World, stub: RecommenderServiceStub) -> None:
    """Each list keeps to its own types, weights and rules; what one shows or pins no other shows; impressions tell them apart."""
    songs = pb.Slate(name="songs", list=pb.ListSpec(count=18, item_types=["song"], task_weights={"stars": 1.0}))
    mixed = pb.Slate(name="mixed", list=pb.ListSpec(count=20, rules=pb.Rules(pins=[pb.Pin(item_id="i1", position=0)])))
    response = await stub.RecommendSlates(pb.RecommendSlatesRequest(user_id="ann", slates=[songs, mixed]))
    assert [slate.name for slate in response.slates] == ["songs", "mixed"]
    first, second = ([item.item_id for item in slate.items] for slate in response.slates)
    assert (len(first), len(second)) == (18, 20)
    assert not set(first) & set(second)
    assert second[0] == "i1"
    assert {item.type for item in response.slates[0].items} == {"song"}
    events = list(impressions_of(world.shown[0], VOCABULARY.fingerprint))
    assert len({event.event_id for event in events}) == 38
    assert [(event.impression.slate, event.impression.position) for event in events[17:19]] == [("songs", 17), ("mixed", 0)]


async def test_a_preview_makes_no_impressions(world: World, stub: RecommenderServiceStub) -> None:
    """The same list, of which nothing is learned; the same of several slates."""
    preview = await stub.Recommend(pb.RecommendRequest(user_id="ann", list=pb.ListSpec(count=3), preview=True))
    await stub.RecommendSlates(
        pb.RecommendSlatesRequest(user_id="ann", slates=[pb.Slate(name="a", list=pb.ListSpec(count=1))], preview=True)
    )
    assert world.shown == []
    shown = await stub.Recommend(pb.RecommendRequest(user_id="ann", list=pb.ListSpec(count=3)))
    assert [item.item_id for item in shown.items] == [item.item_id for item in preview.items]
    assert len(world.shown) == 1


async def test_item_is_explained_task_by_task(world: World, stub: RecommenderServiceStub, model: Recommender) -> None:
    """What moved each prediction adds up; past items are named with what they did, as text; the prediction is that of Score."""
    world.rows.write_users([user_row(liked=("i3", "i11"))])
    world.publish(model)
    await world.watcher.refresh()
    response = await stub.Explain(pb.ExplainRequest(user_id="ann", item_id="i19"))
    scored = await stub.Score(pb.ScoreRequest(user_id="ann", item_ids=["i19"]))
    assert [task.task for task in response.tasks] == ["click", "stars"]  # i19 is a song: reading time is about articles
    for task in response.tasks:
        assert task.prediction == pytest.approx(by_task(scored.tasks, scored.items[0].values)[task.task], rel=1e-4)
        assert sum(reason.contribution for reason in task.reasons) == pytest.approx(task.prediction - task.baseline, abs=0.02)
        sizes = [abs(reason.contribution) for reason in task.reasons]
        assert sizes == sorted(sizes, reverse=True)
        assert {past.item_id for past in task.past_items} == {"i3", "i11"}
        assert all(past.title in past.summary and past.acted_at.seconds for past in task.past_items)
        assert len(task.features) == 10
    assert not response.info.degradations


async def test_without_a_model_past_items_are_told_of_and_the_rest_is_flagged(world: World, stub: RecommenderServiceStub) -> None:
    """Running means have no gradients; leaving a past item out still tells what it did."""
    world.rows.write_users([user_row(liked=("i3",))])
    response = await stub.Explain(pb.ExplainRequest(user_id="ann", item_id="i19", tasks=["stars"]))
    [task] = response.tasks
    assert not task.reasons
    assert [past.item_id for past in task.past_items] == ["i3"]
    assert task.past_items[0].contribution > 0.0  # it was rated 5
    assert task.past_items[0].summary == "having acted on 'Item 3' raises it by " + f"{task.past_items[0].contribution:.2f}"
    assert reasons(response.info) == {"REASON_NO_MODEL"}


async def test_exploration_is_logged_with_what_it_was_drawn_from(world: World, stub: RecommenderServiceStub) -> None:
    """Off by default; by request each drawn item has a chance, and the first impression has the candidates."""
    plain = await stub.Recommend(pb.RecommendRequest(user_id="ann", list=pb.ListSpec(count=3)))
    assert not any(item.HasField("propensity") for item in plain.items)
    rules = pb.Rules(pins=[pb.Pin(item_id="i1", position=0)])
    exploration = pb.Exploration(temperature=0.5, candidate_count=10)
    explored = await stub.Recommend(
        pb.RecommendRequest(user_id="ann", list=pb.ListSpec(count=4, rules=rules, exploration=exploration))
    )
    assert explored.items[0].item_id == "i1"
    assert [item.HasField("propensity") for item in explored.items] == [False, True, True, True]
    assert all(0.0 < item.propensity < 1.0 for item in explored.items[1:])
    pinned, drawn, *others = impressions_of(world.shown[1], VOCABULARY.fingerprint)
    assert drawn.impression.propensity == explored.items[1].propensity
    considered = drawn.impression.considered
    assert {item.item_id for item in explored.items[1:]} <= set(considered.item_ids)
    assert len(considered.item_ids) == len(considered.added) == len(considered.predictions) / len(VOCABULARY.tasks) == 10
    assert not any(other.impression.HasField("considered") for other in (pinned, *others))


@pytest.mark.parametrize(
    ("method", "request_", "words"),
    [
        ("Score", pb.ScoreRequest(item_ids=["i0"]), "user_id: empty"),
        ("Score", pb.ScoreRequest(user_id="ann"), "item_ids: got 0, from 1 to 100"),
        ("Score", pb.ScoreRequest(user_id="ann", item_ids=["i0"] * 101), "item_ids: got 101"),
        ("Score", pb.ScoreRequest(user_id="ann", item_ids=["i0", ""]), r"item_ids\[1\]: empty"),
        ("Score", pb.ScoreRequest(user_id="a" * 257, item_ids=["i0"]), "user_id: .* has 257 characters, 256 are allowed"),
        ("Score", pb.ScoreRequest(user_id="ann", item_ids=["i" * 257]), r"item_ids\[0\]: i+... has 257 characters"),
        (
            "Recommend",
            pb.RecommendRequest(user_id="ann", list=pb.ListSpec(count=1), context_text="a" * 4001),
            "context_text: .* has 4001 characters",
        ),
        ("Score", pb.ScoreRequest(user_id="ann", item_ids=["i0"], tasks=["buy"]), "buy is not declared; there are: click"),
        ("Recommend", pb.RecommendRequest(user_id="ann"), "list.count: got 0"),
        ("Recommend", pb.RecommendRequest(user_id="ann", list=pb.ListSpec(count=21)), "count: got 21, from 1 to 20"),
        ("Recommend", pb.RecommendRequest(user_id="ann", list=pb.ListSpec(count=1, item_types=["sonnet"])), "is of type sonnet"),
        (
            "Recommend",
            pb.RecommendRequest(user_id="ann", list=pb.ListSpec(count=1, task_weights={"buy": 1.0})),
            "buy is not declared",
        ),
        (
            "Recommend",
            pb.RecommendRequest(user_id="ann", list=pb.ListSpec(count=1, task_weights={"click": float("nan")})),
            "finite",
        ),
        ("Recommend", pb.RecommendRequest(user_id="ann", list=pb.ListSpec(count=1, task_weights={"click": 0.0})), "other than 0"),
        (
            "Recommend",
            pb.RecommendRequest(user_id="ann", list=pb.ListSpec(count=1, diversity=1.5)),
            "list.diversity: got 1.5; give a number from 0 to 1",
        ),
        (
            "Recommend",
            with_filter(pb.Condition(field="colour", any_of=["red"])),
            r"conditions\[0\].field: 'colour' is not known; there are: categ",
        ),
        ("Recommend", with_filter(pb.Condition(field="type")), "no condition on type; give any_of"),
        ("Recommend", with_rules(pins=[pb.Pin(item_id="i1", position=1)]), "a list of 1 has positions 0 to 0"),
        ("Recommend", with_rules(caps=[pb.Cap(field="type")]), r"list.rules.caps\[0\].at_most: 0 items per type; give 1 or more"),
        (
            "Recommend",
            explored(diversity=0.5),
            "list.exploration.temperature: exploration cannot be combined with diversity or caps",
        ),
        ("Recommend", explored(rules=pb.Rules(caps=[pb.Cap(field="type", at_most=1)])), "exploration cannot be combined"),
        ("Recommend", explored(among=3), "got 3, fewer than the 5 items wanted"),
        ("Recommend", leaving_out("buy"), r"list.leave_out.any_of\[0\].task: buy is not declared; there are: click, dwell"),
        ("RecommendSlates", pb.RecommendSlatesRequest(user_id="ann"), "slates: got 0, from 1 to 16"),
        ("RecommendSlates", slates("a", "a"), "give each its own"),
        ("RecommendSlates", slates("a", ""), "give each its own"),
        ("RecommendSlates", slates("a", "b", pin="i1"), "i1 is pinned in two slates"),
        ("Explain", pb.ExplainRequest(user_id="ann", item_id="nope"), "item_id: nope is not in the catalogue"),
        ("Explain", pb.ExplainRequest(user_id="ann", item_id="i0", tasks=["buy"]), "buy is not declared"),
        ("RecordEvents", pb.RecordEventsRequest(), "events: got 0, from 1 to 10"),
    ],
)
async def test_request_that_cannot_be_is_refused_in_words(
    stub: RecommenderServiceStub, metrics: ServerMetrics, method: str, request_: object, words: str
) -> None:
    """INVALID_ARGUMENT, which field, and what would do; counted under its status."""
    with pytest.raises(grpc.aio.AioRpcError, match=words) as refused:
        await getattr(stub, method)(request_)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    labels = {"grpc_method": method, "grpc_code": "INVALID_ARGUMENT"}
    assert metrics.registry.get_sample_value("grpc_server_handled_total", labels) == 1.0


async def test_events_without_a_log_are_unavailable_unless_all_are_unsound(stub: RecommenderServiceStub) -> None:
    """The caller learns to try again, and of an unsound event that trying again is no use."""
    sound = Event(event_id="e", user_id="u", item_id="i")
    sound.occurred_at.FromSeconds(int(NOW))
    sound.click.SetInParent()
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.RecordEvents(pb.RecordEventsRequest(events=[sound]))
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    response = await stub.RecordEvents(pb.RecordEventsRequest(events=[Event(event_id="e", user_id="u")]))
    assert response.accepted == 0
    assert response.rejected[0].detail == "item_id is missing"
    assert response.rejected[0].code == pb.RejectedEvent.CODE_INVALID


async def test_the_log_of_a_call_names_request_and_answer(world: World, stub: RecommenderServiceStub) -> None:
    """What the store's row was refused for is told with the caller's name of the request and the id that the answer got."""
    likes = Vocabulary(parse_tasks('[tasks.like]\nkind = "binary"\nevent = "like"\n'))
    RowStore(world.store_settings, likes).write_users([UserRow.empty("ann", likes)])
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        request = pb.RecommendRequest(user_id="ann", list=pb.ListSpec(count=1))
        response = await stub.Recommend(request, metadata=(("x-request-id", "of the caller"),))
    [line] = [line for line in lines if line["event"] == "user_row_not_read"]
    assert (line["method"], line["request_id"]) == ("Recommend", "of the caller")
    assert line["recommendation_id"] == response.info.recommendation_id


async def test_a_call_leaves_its_stages_in_its_callers_trace(world: World, metrics: ServerMetrics) -> None:
    """The span stands below the caller's, names the recommendation, and has the stages below it; a refusal says its status."""
    memory, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with served(world, metrics, Traces(provider)) as client:
        response = await client.Recommend(
            pb.RecommendRequest(user_id="ann", list=pb.ListSpec(count=2)), metadata=[("traceparent", caller)]
        )
        with pytest.raises(grpc.aio.AioRpcError):
            await client.Score(pb.ScoreRequest(user_id=""))
    *stages, call, refused = memory.get_finished_spans()
    assert call.name == "Recommend"
    assert call.parent is not None
    assert (f"{call.parent.trace_id:032x}", f"{call.parent.span_id:016x}") == tuple(caller.split("-")[1:3])
    assert call.attributes is not None
    assert call.attributes["headwater.recommendation_id"] == response.info.recommendation_id
    assert {"feature_read", "queue", "return"} <= {span.name for span in stages}
    assert refused.attributes == {"rpc.grpc.status": "INVALID_ARGUMENT"}
