"""The code in the documents runs: Python and shell against a real stack, what no stack is needed for without one."""

import gzip
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.dataset.project import load_project
from deploy.dataset.sources import read_sources
from deploy.local.stack import Stack, StackConfig
from deploy.local.state import StackState
from deploy.observe.scrape import scrape
from feature_repo.decode import decode_event
from feature_repo.decoded_event import DecodedEvent
from headwater.internal.v1.streams_pb2 import Erasure
from headwater.v1.catalogue_pb2 import CatalogueChange
from headwater.v1.topics import ERASURES
from runtime.broker.event_producer import event_producer
from runtime.settings import KafkaSettings
from tests.streams.processes import PARTITIONS, read_topic

pytestmark = pytest.mark.timeout(300)

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
ITEMS = 8


def blocks(page: str, language: str) -> list[str]:
    """The page's blocks of code in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", (DOCS / page).read_text(), flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackState]:
    """A running stack with a small catalogue."""
    directory = tmp_path_factory.mktemp("documents")
    tasks = ROOT / "deploy" / "local" / "tasks.toml"
    config = StackConfig(data_dir=directory, tasks_file=tasks, partitions=PARTITIONS)
    lines: list[str] = []
    with Stack(config, report=lines.append, echo=lambda name, line: lines.append(line)) as stack:
        state = stack.start()
        with event_producer(KafkaSettings(bootstrap_servers=state.bootstrap_servers)) as producer:
            for number in range(ITEMS):
                item = {"item_id": f"bread-{number}", "type": "product", "title": f"Bread of kind {number}"}
                producer.send_change(CatalogueChange(upsert=item))
        eventually(lambda: scrape(state.metrics_ports["server"]).total("headwater_catalogue_items") == ITEMS)
        yield state


@pytest.fixture
def environment(state: StackState) -> dict[str, str]:
    """What the documents tell their readers to set."""
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "HEADWATER_KAFKA_BOOTSTRAP_SERVERS": state.bootstrap_servers,
        "HEADWATER_SERVER": state.server,
        "HEADWATER_DATA_DIR": str(Path(state.store_dir).parent),
    }


def shell(lines: str, environment: dict[str, str], directory: Path) -> str:
    """Runs lines of shell as a reader would in a clone, with `headwater` where an installation puts it; what they printed."""
    command = directory / ".venv" / "bin" / "headwater"
    command.parent.mkdir(parents=True, exist_ok=True)
    command.write_text(f"#!{sys.executable}\nfrom deploy.cli import main\nmain()\n")
    command.chmod(0o755)
    path = {**environment, "PATH": f"{command.parent}:{environment['PATH']}"}
    return run(["sh", "-e", "-c", lines], path, directory)


def eventually(look: Callable[[], bool]) -> None:
    """Returns once it is true."""
    deadline = time.monotonic() + 120.0
    while not look():
        assert time.monotonic() < deadline, "not within two minutes"
        time.sleep(0.1)


def run(command: list[str], environment: dict[str, str], directory: Path) -> str:
    """Runs a command that must succeed; what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, env=environment, cwd=directory, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_producers_guide(state: StackState, environment: dict[str, str], tmp_path: Path) -> None:
    """Every block of Python runs, in order, and what it sends is folded; the last one forgets the user."""
    kafka = KafkaSettings(bootstrap_servers=state.bootstrap_servers)
    printed = run([sys.executable, "-c", "\n".join(blocks("guides/producers.md", "python"))], environment, tmp_path)
    assert "acknowledged=2, failed=0" in printed
    eventually(lambda: scrape(state.metrics_ports["features"]).total("headwater_users_forgotten_total") == 1)
    [receipt] = [Erasure.FromString(record.value or b"") for record in read_topic(kafka, ERASURES.name)]
    assert (receipt.user_id, receipt.events) == ("ann", 3)
    assert scrape(state.metrics_ports["features"]).total("headwater_events_dead_lettered_total") == 0


def test_what_kcat_is_given_is_sound(environment: dict[str, str], tmp_path: Path) -> None:
    """Each line is the key, then an event of that user. A stand-in takes the lines: kcat cannot talk to the embedded broker."""
    stand_in = tmp_path / "kcat"
    stand_in.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\ncat > {tmp_path}/lines\n')
    stand_in.chmod(0o755)
    [command] = blocks("guides/producers.md", "kcat")
    run(["sh", "-c", command], {**environment, "PATH": f"{tmp_path}:{os.environ['PATH']}"}, tmp_path)
    lines = (tmp_path / "lines").read_bytes().splitlines()
    decoded = [decode_event(value, key=key, now=time.time()) for key, _, value in (line.partition(b"|") for line in lines)]
    assert [one.kind if isinstance(one, DecodedEvent) else one for one in decoded] == ["click", "like"]
    assert "-K | -X partitioner=murmur2_random" in (tmp_path / "arguments").read_text()


def test_the_quick_start_on_a_running_system(environment: dict[str, str], tmp_path: Path) -> None:
    """An item and a click are sent, and the answer counts both."""
    [lines] = [block for block in blocks("quick-start.md", "sh") if "produce --catalogue" in block]
    sent, asked = lines.split(".venv/bin/headwater recommend", 1)
    shell(sent, environment, tmp_path)
    eventually(lambda: "Rye bread" in shell(f".venv/bin/headwater recommend{asked}", environment, tmp_path))
    assert "NO_MODEL" in shell(".venv/bin/headwater recommend ann --include-seen", environment, tmp_path)


@pytest.mark.parametrize("page", ["quick-start.md", "../README.md"])
def test_own_files_by_the_lines_of_the_page(page: str, tmp_path: Path) -> None:
    """init, check and replay as they stand there; `up` is what the examples run."""
    clicks = "".join(f"u{n % 30},p{n * n % 47},2024-03-{1 + n // 40:02d}T10:{n % 60:02d}:00Z\n" for n in range(600))
    (tmp_path / "clicks.csv").write_text(f"user_id,item_id,timestamp\n{clicks}")
    (tmp_path / "products.csv").write_text("id,name\n" + "".join(f"p{n},Lamp number {n}\n" for n in range(47)))
    [lines] = [block for block in blocks(page, "sh") if "init shop" in block]
    walk, _, last = lines.strip().rpartition("\n")
    assert last.startswith("../.venv/bin/headwater up")
    printed = shell(walk, {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80"}, tmp_path)
    assert "replay` learns from it and judges itself" in printed
    assert "user bias" in printed


def test_the_walk_through_own_data(tmp_path: Path) -> None:
    """The commands of the guide, on small tables of the shape that it shows."""
    owned = [(user, game) for user in range(50) for game in range(20) if (game * user) % 3 == 0]
    tables = {
        "game_purchase": ["User_ID\tGame_ID\tPurchase", *(f"{user}\t{game}\t1.0" for user, game in owned)],
        "game_play": ["User_ID\tGame_ID\tHours", *(f"{user}\t{game}\t{1 + game}.5" for user, game in owned[::2])],
        "item_info": ["Game_ID\tGame Name", *(f"{game}\tThe road to {game} dragons" for game in range(20))],
    }
    for name, rows in tables.items():
        (tmp_path / f"{name}.dat.gz").write_bytes(gzip.compress("\n".join([*rows, ""]).encode()))
    asked, init, check, replay, up, *_ = blocks("guides/your-data.md", "sh")
    assert (asked, up) == ("headwater init games\n", "headwater up\n")
    printed = shell(init + check + replay, {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80"}, tmp_path)
    assert "50 users, 20 items acted on, 20 in the catalogue" in printed


def test_each_column_of_the_three_shapes_becomes_what_the_guide_says(tmp_path: Path) -> None:
    """On files of those shapes that are made here; their commands and tables are the guide's."""
    page = "guides/your-data.md"
    items = [f"N{55_000 + n}" for n in range(20)]
    log, mind, wide = (
        ["customer,sku,date,time,event,price"],
        [],
        ["user_id,video_id,time_ms,is_click,is_like,play_time_ms,is_weekend"],
    )
    for n in range(60):
        what, price = ("ORDER", '"1.272,50 €"') if n % 4 == 0 else ("VIEW", "")
        log.append(f"c{n % 9},s{n % 7},{1 + n // 9:02d}.09.2026,20:{n:02d},{what},{price}")
        shown = " ".join(f"{items[(n + k) % 20]}-{int(k == n % 3)}" for k in range(3))
        mind.append(f"{n + 1}\tU{n % 9}\t11/{9 + n // 6}/2019 8:{n:02d}:22 AM\t{' '.join(items[: n % 4])}\t{shown}")
        wide.append(
            f"u{n % 9},v{n % 7},{1_788_250_000_000 + 60_000 * n},{n % 2},{int(n % 5 == 0)},{4200 * (n % 2)},{int(n % 7 > 4)}"
        )
    news = (
        f"{item}\tsports\tgolf{n % 3}\tA cup for {n}\tWhat became of it {n}\thttps://x/y\t[]\t[]" for n, item in enumerate(items)
    )
    for name, rows in {"shop.csv": log, "behaviors.tsv": mind, "news.tsv": news, "wide.csv": wide}.items():
        (tmp_path / name).write_text("\n".join([*rows, ""]), encoding="utf-8")
    *_, shop, lists, videos = blocks(page, "sh")
    shell(shop + lists + videos, {**os.environ, "PYTHONPATH": str(ROOT)}, tmp_path)
    tables = re.findall(r"^\| column \| becomes .*?\n\n", (DOCS / page).read_text(), flags=re.MULTILINE | re.DOTALL)
    for name, table in zip(("shop", "news", "videos"), tables, strict=True):
        project = load_project(tmp_path / name)
        [history] = project.history
        became = {f"columns.{field}": column for field, column in history.columns.items()}
        became |= {f"outcomes.{event}": column for event, column in history.outcomes.items()}
        cells = [line.split("|")[1:3] for line in table.strip().splitlines()[2:]]
        told = {field.strip(" `"): column.strip(" `") for column, field in cells if field.strip()}
        assert told == became
        read = read_sources(project, now=time.time())
        assert [dict(rejects.counts) for rejects in read.rejects.values() if rejects.counts] == []
    assert load_project(tmp_path / "shop").history[0].names == {"VIEW": "click", "ORDER": "purchase"}
