"""Listening with TLS: certificates are asked for, checked, and renewed while the server runs."""

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import grpc
import pytest

from headwater.client import AsyncClient, ClientOptions, Tls
from headwater.v1 import recommender_pb2 as pb
from runtime.settings import KafkaSettings
from serving.api.listener import TlsError, TlsFiles, listen
from serving.api.servicer import Servicer
from serving.events import EventLog, EventRecorder
from serving.metrics import ServerMetrics
from tests.certificates import Authority, Certificate
from tests.serving.worlds import World

Listening = Callable[[TlsFiles], Awaitable[str]]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
async def listening(world: World) -> AsyncIterator[Listening]:
    """Starts servers with given files, and ends them."""
    servers: list[grpc.aio.Server] = []

    async def start(tls: TlsFiles) -> str:
        server = grpc.aio.server()
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
        port = listen(server, "127.0.0.1:0", tls)
        await server.start()
        servers.append(server)
        return f"127.0.0.1:{port}"

    yield start
    for server in servers:
        await server.stop(None)


async def status(address: str, tls: Tls | None) -> grpc.StatusCode:
    """What one Score ends with."""
    options = ClientOptions(deadline_seconds=3.0, tls=tls)
    async with AsyncClient(address, options) as client:
        try:
            await client.score(pb.ScoreRequest(user_id="ann", item_ids=["i0"]))
        except grpc.aio.AioRpcError as error:
            return error.code()
    return grpc.StatusCode.OK


def own(tls: Certificate, ca: Path) -> Tls:
    return Tls(ca=ca, certificate=tls.certificate, key=tls.key)


async def test_server_is_known_by_its_authority(authority: Authority, listening: Listening, tmp_path: Path) -> None:
    """With the right one a call goes through; with another, or in the clear, none does."""
    made = authority.sign("server")
    address = await listening(TlsFiles(certificate=made.certificate, key=made.key))
    assert await status(address, Tls(ca=authority.certificate)) is grpc.StatusCode.OK
    stranger = Authority(tmp_path, "stranger")
    assert await status(address, Tls(ca=stranger.certificate)) is not grpc.StatusCode.OK
    assert await status(address, None) is not grpc.StatusCode.OK


async def test_mutual_tls_asks_the_client_too(authority: Authority, listening: Listening, tmp_path: Path) -> None:
    """No certificate, one of another authority and one that has ended are all refused."""
    made = authority.sign("server")
    address = await listening(TlsFiles(certificate=made.certificate, key=made.key, client_ca=authority.certificate))
    ca = authority.certificate
    assert await status(address, own(authority.sign("client"), ca)) is grpc.StatusCode.OK
    assert await status(address, Tls(ca=ca)) is not grpc.StatusCode.OK
    assert await status(address, own(Authority(tmp_path, "stranger").sign("forged"), ca)) is not grpc.StatusCode.OK
    assert await status(address, own(authority.sign("ended", days=-1), ca)) is not grpc.StatusCode.OK


async def test_renewed_certificate_needs_no_restart(authority: Authority, listening: Listening, tmp_path: Path) -> None:
    """The next connection sees the new one; a file that is half written leaves the old one in force."""
    first = authority.sign("server")
    address = await listening(TlsFiles(certificate=first.certificate, key=first.key))
    renewing = Authority(tmp_path, "renewing")
    second = renewing.sign("second")
    first.certificate.unlink()
    assert await status(address, Tls(ca=authority.certificate)) is grpc.StatusCode.OK
    shutil.copy(second.key, first.key)
    shutil.copy(second.certificate, first.certificate)
    os.utime(first.certificate, (1, 1))
    assert await status(address, Tls(ca=renewing.certificate)) is grpc.StatusCode.OK


async def test_missing_file_is_named(listening: Listening, tmp_path: Path) -> None:
    """With the settings that name it."""
    with pytest.raises(TlsError, match=r"none\.key: cannot be read .* HEADWATER_SERVER_TLS_"):
        await listening(TlsFiles(certificate=tmp_path / "none.pem", key=tmp_path / "none.key"))
