"""Each trade under examples/ runs by its one command and answers a page with its lists; trades differ by configuration alone."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from deploy.dataset.project import load_project
from deploy.local.state import DataDirectory, StackState
from feature_repo.tasks import load_tasks
from headwater.client import by_task
from headwater.v1.recommender_pb2 import ListSpec, RecommendSlatesRequest, Slate
from headwater.v1.recommender_pb2_grpc import RecommenderServiceStub
from tests.broker import free_port
from training.simulation.synthetic_catalogue import load_synthetic_catalogue

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
TRADES = ("shop", "social", "news", "music", "video")
_SIZES = {"users = 200": "users = 15", "items = 600": "items = 40", "days = 14.0": "days = 3.0"}
_START_SECONDS = 240.0


@contextmanager
def running(trade: str, directory: Path) -> Iterator[StackState]:
    """`headwater up` on a small copy of the example."""
    small = directory / trade
    shutil.copytree(EXAMPLES / trade, small)
    text = (small / "headwater.toml").read_text(encoding="utf-8")
    for size, smaller in _SIZES.items():
        assert size in text
        text = text.replace(size, smaller)
    (small / "headwater.toml").write_text(text, encoding="utf-8")
    data_dir, output = directory / "data", directory / "output"
    # By the launcher, so that a test run that is killed leaves no stack behind.
    launch = [sys.executable, "-m", "deploy.local.launcher", str(os.getpid()), sys.executable, "-c"]
    program = [*launch, "from deploy.cli import main; main()"]
    command = [*program, "up", str(small), "--data-dir", str(data_dir), "--port", str(free_port())]
    with output.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True)
    try:
        deadline = time.monotonic() + _START_SECONDS
        while "Headwater is up" not in output.read_text(encoding="utf-8"):
            assert process.poll() is None, output.read_text(encoding="utf-8")
            assert time.monotonic() < deadline, output.read_text(encoding="utf-8")
            time.sleep(0.1)
        state = DataDirectory(data_dir).running()
        assert state is not None
        yield state
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60.0)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("trade", TRADES)
def test_it_runs_by_its_one_command_and_answers_a_page(trade: str, tmp_path: Path) -> None:
    """A list of each type of item, each item with its title and with the scores of the tasks that are about its type."""
    tasks = load_tasks(EXAMPLES / trade / "tasks.toml")
    kinds = list(load_synthetic_catalogue(EXAMPLES / trade / "synthetic.toml").types)
    with running(trade, tmp_path) as state, grpc.insecure_channel(state.server) as channel:
        slates = [Slate(name=kind, list=ListSpec(count=2, item_types=[kind], include_seen=True)) for kind in kinds]
        page = RecommendSlatesRequest(user_id="user-1", slates=slates)
        answer = RecommenderServiceStub(channel).RecommendSlates(page, timeout=10.0)
    assert [slate.name for slate in answer.slates] == kinds
    for kind, slate in zip(kinds, answer.slates, strict=True):
        about = {task.name for task in tasks if not task.item_types or kind in task.item_types}
        assert slate.items
        assert all(item.type == kind and item.title and set(by_task(answer.tasks, item.values)) == about for item in slate.items)


def test_the_page_that_the_readme_asks_for(tmp_path: Path) -> None:
    """Word for word, and from a directory of the reader's own: products, reviews and ads, each in its list."""
    [line] = re.findall(r"^headwater (page .*)$", (EXAMPLES / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    with running("shop", tmp_path) as state:
        program = [sys.executable, "-c", "from deploy.cli import main; main()", *line.split(), "--server", state.server]
        done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert [word for word in ("product", "review", "ad") if f"\n{word} " in f"\n{done.stdout}"] == ["product", "review", "ad"]


def test_trades_differ_by_configuration_alone() -> None:
    """The same three files in each folder, and no code with them."""
    assert {path.name for path in EXAMPLES.iterdir() if path.is_dir()} == set(TRADES)
    for trade in TRADES:
        assert {path.name for path in (EXAMPLES / trade).iterdir()} == {"headwater.toml", "tasks.toml", "synthetic.toml"}
    assert not list(EXAMPLES.rglob("*.py"))


@pytest.mark.parametrize("trade", TRADES)
def test_every_task_is_fed_by_its_world(trade: str) -> None:
    """What a task is labelled by happens in the world, to the types that the task is about."""
    project = load_project(EXAMPLES / trade)
    assert project.simulate is not None
    synthetic = load_synthetic_catalogue(project.simulate.catalogue)
    for task in load_tasks(project.tasks):
        for kind in task.item_types or synthetic.types:
            found = synthetic.types[kind]
            assert task.event in (found.opened, *(action.event for action in found.actions)), f"{trade}: {task.name} of {kind}"


def test_one_trade_is_in_chinese() -> None:
    """With titles of our own in Chinese characters, and a word on the encoder that reads them."""
    synthetic = load_synthetic_catalogue(EXAMPLES / "social" / "synthetic.toml")
    assert synthetic.chinese == 1.0
    titles = [title for kind in synthetic.types.values() for title in kind.titles_zh]
    assert all(any("\u4e00" <= letter <= "\u9fff" for letter in title) for title in titles)
    assert "HEADWATER_ENCODER" in (EXAMPLES / "social" / "headwater.toml").read_text(encoding="utf-8")
