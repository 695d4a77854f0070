"""The embedded stack comes up whole, answers, is found by other commands, and leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import grpc
import pytest

from deploy.local.state import DataDirectory, StackState
from headwater.v1.recommender_pb2 import Degradation, ListSpec, RecommendRequest, RecordEventsRequest, ScoreRequest
from headwater.v1.recommender_pb2_grpc import RecommenderServiceStub
from tests.broker import free_port

pytestmark = pytest.mark.timeout(300)

_START_SECONDS = 120.0
_T = TypeVar("_T")


class Up:
    """`headwater up` in a process of its own."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.output = data_dir.with_suffix(f".{time.time_ns()}.out")
        with self.output.open("w") as output:
            # By the launcher, so that a test run that is killed leaves no stack behind.
            launch = [sys.executable, "-m", "deploy.local.launcher", str(os.getpid())]
            program = [*launch, sys.executable, "-c", "from deploy.cli import main; main()"]
            command = [*program, "up", "--data-dir", str(data_dir), "--port", str(free_port())]
            self.process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)

    def state(self) -> StackState:
        """Waits until the stack says that it is up."""
        found = eventually(DataDirectory(self.data_dir).running, _START_SECONDS, unless=self.process.poll)
        assert found is not None, self.output.read_text()
        return found

    def end(self) -> str:
        """Waits for the process to end on its own; returns what it printed."""
        self.process.wait(60.0)
        return self.output.read_text()


def eventually(look: Callable[[], _T], seconds: float, unless: Callable[[], object] = lambda: None) -> _T:
    """The first value that is true, or the last one looked at."""
    deadline = time.monotonic() + seconds
    while not (value := look()) and unless() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    return value


def headwater(*arguments: str, stdin: str = "") -> str:
    """What the command prints; it must succeed."""
    program = [sys.executable, "-c", "from deploy.cli import main; main()", *arguments]
    done = subprocess.run(program, input=stdin, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def running(pids: dict[str, int]) -> list[str]:
    """Names of the processes that still run."""
    return [name for name, pid in pids.items() if Path(f"/proc/{pid}").exists()]


@pytest.fixture(scope="class")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One stack for the tests that do not end it."""
    one = Up(tmp_path_factory.mktemp("stack") / "data")
    yield one
    one.process.send_signal(signal.SIGINT)
    one.process.wait(60.0)


class TestRunning:
    """What a running stack does."""

    def test_items_and_events_change_what_is_recommended(self, up: Up) -> None:
        """An item published through the command is recommended; a click of an unknown user makes the user known."""
        state = up.state()
        items = "".join(
            json.dumps({"upsert": {"item_id": f"i{n}", "type": "article", "title": title}}) + "\n"
            for n, title in enumerate(["Bread from rye", "Stars of the south", "Growing tomatoes"])
        )
        headwater("produce", "--catalogue", "--data-dir", str(up.data_dir), stdin=items)
        with grpc.insecure_channel(state.server) as channel:
            stub = RecommenderServiceStub(channel)

            def listed() -> set[str]:
                response = stub.Recommend(RecommendRequest(user_id="ann", list=ListSpec(count=3)), timeout=5.0)
                return {item.item_id for item in response.items}

            assert eventually(lambda: listed() == {"i0", "i1", "i2"}, 30.0), listed()

            def reasons() -> set[int]:
                response = stub.Score(ScoreRequest(user_id="ann", item_ids=["i0"]), timeout=5.0)
                return {flag.reason for flag in response.info.degradations}

            request = RecordEventsRequest()
            event = request.events.add(event_id="e1", user_id="ann", item_id="i0")
            event.click.SetInParent()
            event.occurred_at.GetCurrentTime()
            assert stub.RecordEvents(request, timeout=5.0).accepted == 1
            assert eventually(lambda: Degradation.REASON_UNKNOWN_USER not in reasons(), 10.0)

    def test_other_commands_find_the_stack(self, up: Up) -> None:
        """score, recommend, features, topics and model talk to it by its data directory alone."""
        state = up.state()
        here = ("--data-dir", str(up.data_dir))
        headwater("produce", *here, stdin='{"user_id": "bob", "item_id": "i9", "click": {}}\n')
        assert "UNKNOWN_ITEM" in headwater("score", "bob", "no-such-item", *here)
        assert eventually(lambda: "i9" in _features_or_error(here), 10.0)
        assert "headwater.events.v1" in headwater("topics", *here)
        assert "version" in headwater("model", "list", *here)
        assert state.pid == up.process.pid

    def test_a_second_stack_on_the_directory_is_told_who_has_it(self, up: Up) -> None:
        """The second one ends at once and names the first one's process."""
        up.state()
        second = Up(up.data_dir)
        assert f"in use by process {up.process.pid}" in second.end()
        assert second.process.returncode == 1


def test_it_ends_whole_starts_again_and_names_a_part_that_dies(tmp_path: Path) -> None:
    """Ctrl-C leaves no process; the same directory carries a new stack; a killed learner is named and ends that one too."""
    one = Up(tmp_path / "data")
    pids = one.state().pids
    assert sorted(running(pids)) == ["broker", "catalogue", "console", "features", "learner", "server"]
    one.process.send_signal(signal.SIGINT)
    one.end()
    assert one.process.returncode == 0
    assert running(pids) == []

    again = Up(tmp_path / "data")
    pids = again.state().pids
    os.kill(pids["learner"], signal.SIGKILL)
    output = again.end()
    assert again.process.returncode == 1
    assert f"learner (process {pids['learner']}) was killed by SIGKILL" in output
    assert "learner.log" in output
    assert running(pids) == []


def _features_or_error(here: tuple[str, ...]) -> str:
    program = [sys.executable, "-c", "from deploy.cli import main; main()", "features", "bob", *here]
    return subprocess.run(program, capture_output=True, text=True, timeout=60, check=False).stdout
