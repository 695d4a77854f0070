"""What the console refuses: other names, other sites' forms, events when read-only; and what it says of what is unreachable."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from httpx import ASGITransport, AsyncClient, Response

from deploy.console.app import console_app
from deploy.console.health import SystemHealth
from deploy.console.queries import Queries
from deploy.console.rows import Rows
from feature_repo.settings import StoreSettings
from feature_repo.store import RowStore
from feature_repo.tasks import parse_tasks
from feature_repo.vocabulary import Vocabulary
from headwater.v1.recommender_pb2_grpc import RecommenderServiceStub
from runtime.settings import KafkaSettings
from serving.api.auth import Access
from serving.api.tokens import TokenFile, new_token
from tests.broker import free_port
from training.storage.snapshots import SnapshotStore

VOCABULARY = Vocabulary(parse_tasks('[tasks.click]\nkind = "binary"\nevent = "click"'))
DEED = {"user_id": "u", "item_id": "i", "kind": "click"}


@asynccontextmanager
async def running(directory: Path, *, read_only: bool = False, access: Access | None = None) -> AsyncIterator[AsyncClient]:
    """A client of a console whose server, store, log and metrics are all away."""
    away = f"127.0.0.1:{free_port()}"
    async with grpc.aio.insecure_channel(away) as channel:
        rows = Rows(lambda: RowStore(StoreSettings(directory=directory), VOCABULARY), VOCABULARY)
        app = console_app(
            vocabulary=VOCABULARY,
            queries=Queries(RecommenderServiceStub(channel), item_types=["song"]),
            rows=rows,
            health=SystemHealth({"server": f"http://{away}/metrics"}, SnapshotStore(directory / "snapshots", clock=lambda: 0.0)),
            kafka=KafkaSettings(bootstrap_servers=away),
            read_only=read_only,
            hostnames=("console",),
            access=access,
        )
        async with AsyncClient(transport=ASGITransport(app), base_url="http://console") as client:
            yield client
        rows.close()


async def test_a_read_only_console_takes_no_events(tmp_path: Path) -> None:
    """There is no address for them, and the page is told, so that it shows no buttons."""
    async with running(tmp_path, read_only=True) as client:
        setup = (await client.get("/api/setup")).json()
        assert (setup["read_only"], setup["actions"]) == (True, [])
        assert (await client.post("/api/events", json=DEED)).status_code in (404, 405)


async def test_only_holders_of_a_token_with_the_scope_admin_look(tmp_path: Path) -> None:
    """The page itself is open, for it asks for the token; what it shows is not, and nobody learns more than what to do."""
    tables = []
    tokens = {}
    for name, scopes in (("ann", '["score", "admin"]'), ("web", '["score"]')):
        tokens[name], hashed = new_token()
        tables.append(f'[clients.{name}]\nsha256 = "{hashed}"\nscopes = {scopes}\nexpires = 2100-01-01T00:00:00Z\n')
    (tmp_path / "tokens.toml").write_text("".join(tables))
    (tmp_path / "tokens.toml").chmod(0o600)
    refused: list[str] = []
    file = TokenFile(tmp_path / "tokens.toml", monotonic=lambda: 0.0)
    access = Access(file, refused=refused.append, clock=lambda: 0.0, monotonic=lambda: 0.0)
    async with running(tmp_path, read_only=True, access=access) as client:

        async def asked(path: str, token: str) -> Response:
            return await client.get(path, headers={"authorization": f"Bearer {token}"} if token else {})

        assert (await client.get("/")).status_code == 200
        for path in ("/api/setup", "/api/features?user=u", "/api/dead-letters"):
            assert (await asked(path, "")).status_code == 401
            assert (await asked(path, "guessed")).status_code == 401
            answer = await asked(path, tokens["web"])
            assert (answer.status_code, "needs the scope admin" in answer.json()["error"]) == (403, True)
        assert (await asked("/api/setup", tokens["ann"])).status_code == 200


async def test_what_can_be_done_follows_from_the_tasks(tmp_path: Path) -> None:
    """Elsewhere the page is told which buttons to show."""
    async with running(tmp_path) as client:
        assert [action["kind"] for action in (await client.get("/api/setup")).json()["actions"]] == ["click", "hide"]


async def test_other_names_and_other_sites_forms_are_refused(tmp_path: Path) -> None:
    """A name that was made to point here reads nothing; a form, which sends no JSON, does nothing."""
    async with running(tmp_path) as client:
        assert (await client.get("/api/setup", headers={"host": "evil.example"})).status_code == 400
        assert (await client.post("/api/events", data=DEED)).status_code == 415
        other = await client.post("/api/events", json=DEED, headers={"origin": "http://evil.example"})
        assert (other.status_code, "evil.example" in other.json()["error"]) == (403, True)
        wrong = await client.post("/api/events", json={"user_id": "u"}, headers={"origin": "http://console"})
        assert wrong.status_code == 400
        assert "item_id" in wrong.json()["error"]


async def test_the_page_is_kept_to_itself(tmp_path: Path) -> None:
    """No script, frame or form of another origin."""
    async with running(tmp_path) as client:
        page = await client.get("/")
    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("/api/lists?user=u", "UNAVAILABLE"),
        ("/api/features?user=u", "online store"),
        ("/api/users", "bootstrap"),
    ],
)
async def test_what_is_away_is_named(tmp_path: Path, path: str, complaint: str) -> None:
    """Status 503 and which part does not answer, for the page to show."""
    async with running(tmp_path) as client:
        answer = await client.get(path)
    assert answer.status_code == 503
    assert complaint in answer.json()["error"]


async def test_silent_processes_are_named_and_the_rest_is_shown(tmp_path: Path) -> None:
    """A process whose /metrics does not answer takes nothing else away."""
    async with running(tmp_path) as client:
        system = (await client.get("/api/system")).json()
    assert system["silent"] == ["server"]
    assert system["learning"] == {"version": None, "published_at": None, "points": []}


async def test_a_request_without_a_user_says_so(tmp_path: Path) -> None:
    """Status 400, with what to name."""
    async with running(tmp_path) as client:
        answer = await client.get("/api/lists")
    assert (answer.status_code, answer.json()["error"]) == (400, "say which user: ?user=...")
