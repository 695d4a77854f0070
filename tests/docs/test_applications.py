"""The guide for application developers: its four languages ask a server, its questions to grpcurl fit the methods."""

import asyncio
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from google.protobuf.json_format import Parse
from google.protobuf.message import Message

from headwater.v1 import recommender_pb2 as pb
from runtime.settings import KafkaSettings
from runtime.topics import ensure_topics
from serving.api.servicer import Servicer
from serving.events import EventLog, EventRecorder
from serving.metrics import ServerMetrics
from tests.broker import running_broker
from tests.serving.worlds import World, user_row

ROOT = Path(__file__).parents[2]
_JARS = ("grpc-", "protobuf", "guava", "failureaccess", "netty", "perfmark", "gson", "opencensus", "geronimo-annotation")
GUIDE = (ROOT / "docs" / "guides" / "applications.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", GUIDE, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[str]:
    """The address of a server with a catalogue, a known user and a real broker."""
    world = World(directory=tmp_path)
    world.rows.write_users([user_row()])
    with running_broker() as kafka:
        await asyncio.to_thread(ensure_topics, kafka, partitions=2)
        log = EventLog(KafkaSettings(bootstrap_servers=kafka.bootstrap_servers))
        log.start()
        recorder = EventRecorder(log)
        servicer = Servicer(
            world.pipeline,
            world.explainer,
            recorder,
            ServerMetrics(),
            limits=world.limits,
            admission=world.admission,
            default_deadline_seconds=5.0,
        )
        serving = grpc.aio.server()
        servicer.add_to(serving)
        port = serving.add_insecure_port("127.0.0.1:0")
        await serving.start()
        yield f"127.0.0.1:{port}"
        await serving.stop(None)
        await log.stop()
    world.close()


async def test_python_of_the_guide_runs(server: str, tmp_path: Path) -> None:
    """A list, a filter, scores and a recorded click, as a reader would paste it."""
    program = tmp_path / "guide.py"
    program.write_text(blocks("python")[0])
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HEADWATER_SERVER": server}
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, str(program)], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Item " in done.stdout
    assert "degraded: REASON_NO_MODEL" in done.stdout


async def test_python_of_the_front_page_runs(server: str, tmp_path: Path) -> None:
    """Pasted into a file as it stands, but for the address and the type of item, which there are those of the shop."""
    [program] = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), flags=re.MULTILINE | re.DOTALL)
    assert "127.0.0.1:50051" in program
    assert 'item_types=["product"]' in program
    (tmp_path / "ask.py").write_text(program.replace("127.0.0.1:50051", server).replace('"product"', '"song"'))
    command = [sys.executable, str(tmp_path / "ask.py")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = await asyncio.to_thread(
        subprocess.run, command, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    shown = [line for line in done.stdout.splitlines() if line.startswith("Item ") and "'click': " in line]
    assert 1 <= len(shown) <= 5


@pytest.mark.timeout(300)
async def test_typescript_of_the_guide_runs(server: str, tmp_path: Path) -> None:
    """Installed, compiled with types checked, and run by the lines that stand above it; each item is printed with its scores."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed; on Debian and Ubuntu: apt-get install npm")
    [lines] = [block for block in blocks("sh") if block.startswith("npm install")]
    install, rest = lines.split("\n", 1)
    (tmp_path / "ask.ts").write_text(blocks("typescript")[0])
    environment = {**os.environ, "HEADWATER_PROTOS": str(ROOT), "HEADWATER_SERVER": server}

    async def shell(line: str) -> "subprocess.CompletedProcess[str]":
        command = ["sh", "-e", "-c", line]
        return await asyncio.to_thread(
            subprocess.run, command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200, check=False
        )

    got = await shell(f"{install} --no-audit --no-fund")
    if any(reason in got.stderr for reason in ("EAI_AGAIN", "ENOTFOUND", "ECONNREFUSED", "ETIMEDOUT")):
        pytest.skip("npm reaches no registry from here")
    assert got.returncode == 0, got.stderr
    done = await shell(rest)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Item " in done.stdout
    assert "click" in done.stdout


@pytest.mark.timeout(300)
async def test_java_of_the_guide_runs(server: str, tmp_path: Path) -> None:
    """The code made by the line of the guide, compiled with Debian's gRPC, which is older than what the guide's readers have."""
    plugin = _installed("grpc_java_plugin", "protoc", "javac", packages="libgrpc-java protobuf-compiler-grpc-java-plugin")
    clone, shop = _clone(tmp_path)
    (tmp_path / "protoc-gen-grpc-java").symlink_to(plugin)  # as elsewhere the plugin is called
    (shop / "Shop.java").write_text(blocks("java")[0])
    [make] = [block for block in blocks("sh") if "--java_out" in block]
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "HEADWATER_SERVER": server}
    await _run(make, clone, environment)
    jars = _jars()
    await _run(f"javac -nowarn -cp {jars} -d classes $(find . -name '*.java')", shop, environment)
    assert "Item " in await _run(f"java -cp {jars}:classes Shop", shop, environment)


@pytest.mark.timeout(300)
async def test_go_of_the_guide_runs(server: str, tmp_path: Path) -> None:
    """The code made by the line of the guide; Debian's gRPC is of before NewClient, which stands for Dial there."""
    _installed("protoc-gen-go-grpc", "protoc-gen-go", "protoc", "go", packages="golang-google-grpc-dev protoc-gen-go-grpc")
    clone, _ = _clone(tmp_path)
    shop = tmp_path / "go" / "src" / "example.com" / "shop"
    shop.mkdir(parents=True)
    [make] = [block for block in blocks("sh") if "--go_out" in block]
    environment = {**os.environ, "GO111MODULE": "off", "GOPATH": f"{tmp_path / 'go'}:/usr/share/gocode", "GOFLAGS": ""}
    environment |= {"HEADWATER_SERVER": server, "HOME": str(tmp_path)}
    await _run(make.replace("out=../shop", f"out={shop}"), clone, environment)
    program = blocks("go")[0].replace("grpc.NewClient(", "grpc.Dial(")
    program = program.replace("grpc.WithTransportCredentials(insecure.NewCredentials())", "grpc.WithInsecure()")
    (shop / "main.go").write_text(program.replace('\t"google.golang.org/grpc/credentials/insecure"\n', ""))
    assert "Item " in await _run("go run .", shop, environment)


def _installed(*commands: str, packages: str) -> str:
    """Where the first one is; skips the test where any is missing."""
    found = [shutil.which(command) for command in commands]
    if found[0] is None or None in found:
        pytest.skip(f"{', '.join(commands)}: not all installed; on Debian and Ubuntu: apt-get install {packages}")
    return found[0]


def _jars() -> str:
    """The class path of gRPC as Debian has it."""
    return ":".join(str(jar) for jar in Path("/usr/share/java").glob("*.jar") if jar.name.startswith(_JARS))


def _clone(directory: Path) -> tuple[Path, Path]:
    """A clone's messages, and next to it the folder of the application, as the guide has them."""
    shutil.copytree(ROOT / "protos", directory / "headwater" / "protos")
    (directory / "shop").mkdir()
    return directory / "headwater", directory / "shop"


async def _run(line: str, directory: Path, environment: dict[str, str]) -> str:
    command = ["sh", "-e", "-c", line]
    done = await asyncio.to_thread(
        subprocess.run, command, cwd=directory, env=environment, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_options_of_the_guide_are_those_of_the_client() -> None:
    """Token and certificates go where the page puts them."""
    scope: dict[str, object] = {}
    exec(blocks("python")[1], scope)  # the second block reads no file
    assert "hw_" not in repr(scope["options"])


@pytest.mark.parametrize("command", [block for block in blocks("sh") if block.startswith("grpcurl")])
def test_grpcurl_sends_what_the_method_takes(command: str) -> None:
    """Each question is JSON of the request of the method that it names."""
    words = shlex.split(command)
    service, _, method = words[-1].partition("/")
    assert service == pb.DESCRIPTOR.services_by_name["RecommenderService"].full_name
    request: Message = getattr(pb, f"{method}Request")()
    Parse(words[words.index("-d") + 1], request)
    assert request.ByteSize() > 0
