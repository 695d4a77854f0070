"""The command line does what it says against a real broker, and its errors say what to do."""

import gzip
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaConsumer, TopicPartition
from typer.testing import CliRunner

from deploy.cli import app
from deploy.cli.requests import ask
from headwater.v1.events_pb2 import Event
from headwater.v1.recommender_pb2 import RankedItem, RankedSlate, RecommendResponse, RecommendSlatesResponse
from headwater.v1.topics import EVENTS
from runtime.settings import KafkaSettings
from tests.broker import running_broker

ROOT = Path(__file__).parents[3]
_CLICK = '{"user_id": "u1", "item_id": "i1", "click": {}}\n'


def headwater(*arguments: str, cwd: Path, stdin: str = "", code: str = "") -> "subprocess.CompletedProcess[str]":
    """Runs the command as a user would; `code` is run before it in the same interpreter."""
    program = f"{code}\nfrom deploy.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "COLUMNS": "100", "PYTHONPATH": str(ROOT)},
        check=False,
    )


@pytest.fixture(scope="module")
def kafka() -> Iterator[KafkaSettings]:
    """A broker of this module's own, with Headwater's topics made by the command itself."""
    with running_broker() as settings:
        made = headwater("topics", "--create", "--bootstrap-servers", settings.bootstrap_servers, cwd=ROOT)
        assert made.returncode == 0, made.stderr
        yield settings


def events(kafka: KafkaSettings) -> list[Event]:
    """All events in the log."""
    consumer = KafkaConsumer(consumer_timeout_ms=1500, **kafka.client_options())
    try:
        partitions = [TopicPartition(EVENTS.name, number) for number in sorted(consumer.partitions_for_topic(EVENTS.name))]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        return [Event.FromString(record.value) for record in consumer]
    finally:
        consumer.close()


def test_produced_lines_land_on_the_log_and_bad_ones_are_named(kafka: KafkaSettings, tmp_path: Path) -> None:
    """Good lines are sent with id and time filled in; a bad one is named by its number and the exit status is 1."""
    lines = _CLICK + '{"user_id": "u1", "click": {}, "no_such": 1}\n\n' + _CLICK.replace("u1", "u2")
    done = headwater("produce", "--bootstrap-servers", kafka.bootstrap_servers, cwd=tmp_path, stdin=lines)
    assert done.returncode == 1
    assert "2 events acknowledged" in done.stdout
    assert "line 2 was not sent" in done.stderr
    assert "no_such" in done.stderr
    arrived = events(kafka)
    assert sorted(event.user_id for event in arrived) == ["u1", "u2"]
    assert all(event.event_id and event.HasField("occurred_at") for event in arrived)


def test_produce_reads_what_init_reads(kafka: KafkaSettings, tmp_path: Path) -> None:
    """Lines in Latin-1 with a bad one, a gzip file, UTF-16, a byte order mark, and a table with an event column."""
    before = len(events(kafka))
    line = '{"user_id": "J\u00fcrgen", "item_id": "i1", "click": {}}\n'
    files = {
        "latin1.jsonl": (line * 2 + "no JSON\n").encode("latin-1"),
        "gzipped.jsonl": gzip.compress(line.encode()),
        "utf16.jsonl": (line * 2).encode("utf-16"),
        "bom.jsonl": (line * 2).encode("utf-8-sig"),
        "table.csv": "user;item;when;what\nJ\u00fcrgen;i1;01.09.2026 20:07;view\nJ\u00fcrgen;;01.09.2026 20:07;buy\n".encode(
            "utf-16"
        ),
    }
    said = {}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        done = headwater("produce", name, "--bootstrap-servers", kafka.bootstrap_servers, cwd=tmp_path)
        assert "Traceback" not in done.stderr
        said[name] = (done.returncode, done.stderr)
    assert [code for code, _ in said.values()] == [1, 0, 0, 0, 1]
    assert "line 3 was not sent: no JSON object" in said["latin1.jsonl"][1]
    assert "row 2 (line 3) was not sent: column 'item' is missing or empty" in said["table.csv"][1]
    arrived = events(kafka)[before:]
    assert [event.user_id for event in arrived].count("J\u00fcrgen") == 8


def test_topics_are_listed_with_what_they_hold(kafka: KafkaSettings, tmp_path: Path) -> None:
    """Catalogue changes from a file show up as records of their topic."""
    file = tmp_path / "films.jsonl"
    file.write_text('{"upsert": {"item_id": "i1", "type": "film", "title": "Alien"}}\n{"delete": {"item_id": "i2"}}\n')
    done = headwater("produce", str(file), "--catalogue", "--bootstrap-servers", kafka.bootstrap_servers, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    listed = headwater("topics", "--bootstrap-servers", kafka.bootstrap_servers, cwd=tmp_path)
    [row] = [line for line in listed.stdout.splitlines() if "headwater.catalogue.v1" in line]
    assert row.split() == ["headwater.catalogue.v1", "4", "2", "1", "?", "compact", "by", "key"]


@pytest.mark.parametrize(
    "arguments", [("topics",), ("produce",), ("score", "u", "i"), ("recommend", "u"), ("features", "u"), ("model", "list")]
)
def test_without_a_stack_each_command_says_how_to_start_one(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """One line that names `headwater up`, no traceback, exit status 1."""
    done = headwater(*arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: no stack runs on")
    assert "headwater up" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_unreachable_server_is_named(tmp_path: Path) -> None:
    """A wrong address is quoted back with what to do."""
    done = headwater("score", "u", "i", "--server", "127.0.0.1:1", cwd=tmp_path)
    assert done.returncode == 1
    assert "no server answers at 127.0.0.1:1" in done.stderr


def test_an_unreachable_broker_is_named(tmp_path: Path) -> None:
    """The same for Kafka."""
    done = headwater("produce", "--bootstrap-servers", "127.0.0.1:1", cwd=tmp_path, stdin=_CLICK)
    assert done.returncode == 1
    assert done.stderr.startswith("error: no Kafka broker listens at 127.0.0.1:1;")


def test_a_missing_file_is_named(kafka: KafkaSettings, tmp_path: Path) -> None:
    """No traceback for a mistyped name."""
    done = headwater("produce", "absent.jsonl", "--bootstrap-servers", kafka.bootstrap_servers, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "error: absent.jsonl cannot be read: No such file or directory\n")


def test_a_wrong_call_is_a_usage_error(tmp_path: Path) -> None:
    """Exit status 2, as for any command line."""
    assert headwater("score", "u", cwd=tmp_path).returncode == 2


def test_a_producer_host_is_told_which_extra_a_command_needs(tmp_path: Path) -> None:
    """Where gRPC is not installed, `score` says what to install; `produce` needs nothing of the kind."""
    without = "import sys\nfor name in ('grpc', 'torch', 'feast', 'faust', 'numpy', 'pandas'): sys.modules[name] = None"
    done = headwater("score", "u", "i", "--server", "127.0.0.1:1", cwd=tmp_path, code=without)
    assert done.returncode == 1
    assert "pip install CLONE/clients/python 'CLONE[serving]'" in done.stderr
    assert headwater("produce", "--help", cwd=tmp_path, code=without).returncode == 0


def test_a_producer_host_can_produce(kafka: KafkaSettings, tmp_path: Path) -> None:
    """Sending works with the base dependencies alone."""
    without = "import sys\nfor name in ('grpc', 'torch', 'feast', 'faust', 'numpy', 'pandas'): sys.modules[name] = None"
    done = headwater("produce", "--bootstrap-servers", kafka.bootstrap_servers, cwd=tmp_path, stdin=_CLICK, code=without)
    assert done.returncode == 0, done.stderr


def test_titles_with_brackets_come_out_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a catalogue says is text, and never taken for the markup of a terminal."""
    item = RankedItem(item_id="[1]", title="Live [Remastered] [/b]", values=[0.5])
    answer = RecommendResponse(tasks=["click"], items=[item])
    page = RecommendSlatesResponse(tasks=["click"], slates=[RankedSlate(name="song", items=[item])])
    for arguments, output in ((("recommend", "u"), answer), (("page", "u", "song=1"), page)):
        monkeypatch.setattr(ask, "call", lambda address, question, output=output: output)
        printed = CliRunner().invoke(app, [*arguments, "--server", "127.0.0.1:1"])
        assert printed.exit_code == 0, printed.exception
        assert "Live [Remastered] [/b]" in printed.output
        assert "[1]" in printed.output
