"""Who is let in: by token, scope, time and rate; and that no refusal gives a secret away."""

import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from structlog.testing import capture_logs

from headwater.client import AsyncClient, ClientOptions
from headwater.v1 import recommender_pb2 as pb
from headwater.v1.events_pb2 import Event
from runtime.settings import KafkaSettings
from serving.api.auth import Access
from serving.api.servicer import Servicer
from serving.api.tokens import Caller, TokenFile, TokensError, new_token, parse_clients
from serving.events import EventLog, EventRecorder
from serving.metrics import ServerMetrics
from tests.serving.worlds import NOW, World

ASK = pb.ScoreRequest(user_id="ann", item_ids=["i0"])


@dataclass
class Guarded:
    """A server whose clock the test moves, and its clients' tokens by name."""

    path: Path
    address: str = ""
    now: float = NOW
    monotonic: float = 0.0
    tokens: dict[str, str] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)

    def add(self, name: str, *scopes: str, days: float = 1.0, rate: str = "") -> None:
        self.tokens[name], digest = new_token()
        expires = datetime.fromtimestamp(NOW + 86_400.0 * days, UTC)
        scoped = ", ".join(f'"{scope}"' for scope in scopes)
        table = f'[clients.{name}]\nsha256 = "{digest}"\nscopes = [{scoped}]\nexpires = {expires.isoformat()}\n{rate}\n'
        with self.path.open("a") as file:
            file.write(table)
        self.path.chmod(0o600)

    def client(self, name: str) -> AsyncClient:
        return AsyncClient(self.address, ClientOptions(token=self.tokens.get(name, name), deadline_seconds=5.0))


@pytest.fixture
async def guarded(world: World, tmp_path: Path) -> AsyncIterator[Guarded]:
    """Clients for scores, for events, and one whose time is over."""
    made = Guarded(path=tmp_path / "tokens.toml")
    made.add("web", "score")
    made.add("collector", "ingest")
    made.add("importer", "impressions")
    made.add("privacy", "erase")
    made.add("old", "score", days=-1.0)
    made.add("slow", "score", rate="requests_per_second = 2")
    access = Access(
        TokenFile(made.path, monotonic=lambda: made.monotonic),
        refused=made.refused.append,
        clock=lambda: made.now,
        monotonic=lambda: made.monotonic,
    )
    server = grpc.aio.server(interceptors=[access])
    recorder = EventRecorder(EventLog(KafkaSettings(bootstrap_servers="127.0.0.1:1")))
    servicer = Servicer(
        world.pipeline,
        world.explainer,
        recorder,
        ServerMetrics(),
        limits=world.limits,
        admission=world.admission,
        default_deadline_seconds=5.0,
    )
    servicer.add_to(server)
    states = health.aio.HealthServicer()  # type: ignore[attr-defined]  # the stubs lack it
    health_pb2_grpc.add_HealthServicer_to_server(states, server)
    await states.set("headwater.v1.RecommenderService", health_pb2.HealthCheckResponse.SERVING)
    made.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    yield made
    await server.stop(None)


async def refusal(guarded: Guarded, name: str) -> tuple[grpc.StatusCode, str]:
    async with guarded.client(name) as client:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await client.score(ASK)
    return refused.value.code(), str(refused.value.details())


async def test_token_with_the_scope_is_let_in(guarded: Guarded) -> None:
    """As if there were no tokens."""
    async with guarded.client("web") as client:
        assert (await client.score(ASK)).items
        assert (await client.recommend(pb.RecommendRequest(user_id="ann", list=pb.ListSpec(count=1)))).items
    assert not guarded.refused


@pytest.mark.parametrize(
    ("name", "code", "words", "reason"),
    [
        ("", grpc.StatusCode.UNAUTHENTICATED, "send the metadata authorization", "missing"),
        ("hw_guessed", grpc.StatusCode.UNAUTHENTICATED, "not known here", "unknown"),
        ("old", grpc.StatusCode.UNAUTHENTICATED, "the token of old expired on 2027-01-14", "expired"),
        ("collector", grpc.StatusCode.PERMISSION_DENIED, "needs the scope score; the token of collector has: ingest", "scope"),
    ],
)
async def test_others_are_refused_in_words_and_counted(
    guarded: Guarded, name: str, code: grpc.StatusCode, words: str, reason: str
) -> None:
    """What is wrong and whom to ask, but nothing that a guesser could use; neither answer nor log holds the token."""
    with capture_logs() as logs:
        found, detail = await refusal(guarded, name)
    assert found is code
    assert words in detail
    assert guarded.refused == [reason]
    if token := guarded.tokens.get(name, name):
        assert token not in detail + str(logs)


async def test_token_ends_while_the_server_runs(guarded: Guarded) -> None:
    """Its time is looked at with every call."""
    async with guarded.client("web") as client:
        await client.score(ASK)
        guarded.now += 2 * 86_400.0
        with pytest.raises(grpc.aio.AioRpcError, match="expired"):
            await client.score(ASK)


async def test_rate_is_kept_and_recovers(guarded: Guarded) -> None:
    """Two at once, then half a second for each; another client is not held up."""
    async with guarded.client("slow") as client, guarded.client("web") as other:
        for _ in range(2):
            await client.recommend(pb.RecommendRequest(user_id="ann", list=pb.ListSpec(count=1)))
        with pytest.raises(grpc.aio.AioRpcError, match="slow may make 2 requests a second") as refused:
            await client.recommend(pb.RecommendRequest(user_id="ann", list=pb.ListSpec(count=1)))
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        await other.score(ASK)
        guarded.monotonic += 0.5
        await client.recommend(pb.RecommendRequest(user_id="ann", list=pb.ListSpec(count=1)))
    assert set(guarded.refused) == {"rate"}


async def test_health_needs_no_token(guarded: Guarded) -> None:
    """Orchestrators have none."""
    async with grpc.aio.insecure_channel(guarded.address) as channel:
        found = await health_pb2_grpc.HealthStub(channel).Check(
            health_pb2.HealthCheckRequest(service="headwater.v1.RecommenderService")
        )
    assert found.status == health_pb2.HealthCheckResponse.SERVING


async def test_changed_file_is_taken_up_and_a_broken_one_is_not(guarded: Guarded) -> None:
    """A new client is let in within a second; a file that cannot be read leaves all as it was, and says so in the log."""
    guarded.add("new", "score")
    guarded.monotonic += 2.0
    async with guarded.client("new") as client:
        await client.score(ASK)
        guarded.path.write_text("[clients.broken")
        os.utime(guarded.path, (1, 1))
        guarded.monotonic += 2.0
        with capture_logs() as logs:
            await client.score(ASK)
    assert [entry["event"] for entry in logs] == ["tokens_not_read"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[clients", "Make a client's table with `headwater token`"),
        ('[clients.a]\nsha256 = "ab"\nscopes = []\nexpires = 2027-01-01T00:00:00Z', "sha256 must be 64 hexadecimal digits"),
        (f'[clients.a]\nsha256 = "{"0" * 64}"\nscopes = ["all"]\nexpires = 2027-01-01T00:00:00Z', "Invalid enum value 'all'"),
        (f'[clients.a]\nsha256 = "{"0" * 64}"\nscopes = []\nexpires = 2027-01-01T00:00:00', "expires needs a time zone"),
        (
            f'[clients.a]\nsha256 = "{"0" * 64}"\nscopes = []\nexpires = 2027-01-01T00:00:00Z\nrequests_per_second = 0.0',
            "must be above 0",
        ),
        (f'[clients.a]\nsha256 = "{"0" * 64}"\nscopes = []\nexpires = 2027-01-01T00:00:00Z\nscope = 1', "unknown field `scope`"),
    ],
)
def test_file_that_cannot_be_is_refused_in_words(text: str, words: str) -> None:
    """Which client, which key, what instead."""
    with pytest.raises(TokensError, match=words):
        parse_clients(text, source="tokens.toml")


def test_two_clients_cannot_share_a_token() -> None:
    """Else one's rate and name would be the other's."""
    table = f'sha256 = "{"0" * 64}"\nscopes = []\nexpires = 2027-01-01T00:00:00Z\n'
    with pytest.raises(TokensError, match=r"clients\.b has the token of clients\.a"):
        parse_clients(f"[clients.a]\n{table}[clients.b]\n{table}", source="tokens.toml")


def test_file_stores_no_token() -> None:
    """A hash is what the file and the process hold."""
    token, digest = new_token()
    client = Caller(sha256=digest, scopes=frozenset(), expires=datetime.now(UTC))
    assert token not in repr(client)
    assert len(token) > 40


@pytest.mark.parametrize("mode", [0o644, 0o602, 0o666])
def test_a_file_that_every_user_may_read_or_write_is_refused(tmp_path: Path, mode: int) -> None:
    """Whoever writes it makes tokens; a group may, as Kubernetes gives files to one."""
    path = tmp_path / "tokens.toml"
    path.write_text("[clients]\n")
    path.chmod(mode)
    with pytest.raises(TokensError, match=f"mode {mode:o}.: chmod 640"):
        TokenFile(path, monotonic=lambda: 0.0)
    path.chmod(0o640)
    assert TokenFile(path, monotonic=lambda: 0.0).find("hw_none") is None


@pytest.mark.parametrize(
    ("name", "body", "scope"),
    [
        ("collector", "impression", "impressions"),
        ("collector", "forget", "erase"),
        ("importer", "click", "ingest"),
        ("importer", "forget", "erase"),
        ("privacy", "impression", "impressions"),
    ],
)
async def test_an_event_needs_the_scope_of_its_kind(guarded: Guarded, name: str, body: str, scope: str) -> None:
    """Who collects clicks neither says what was shown nor erases users; the answer names the scope, event by event."""
    event = Event(event_id="e", user_id="u", item_id="" if body == "forget" else "i")
    event.occurred_at.FromSeconds(int(time.time()))
    getattr(event, body).SetInParent()
    async with guarded.client(name) as client:
        response = await client.record_events([event])
    assert [one.detail.partition(";")[0] for one in response.rejected] == [f"it needs the scope {scope}"]
