"""Rights on Apache Kafka: a command works with those of docs/reference/acls.md; a refusal names the missing one."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from headwater.v1.topics import CATALOGUE, ERASURES, EVENTS, EXAMPLES
from runtime.broker.access_watch import AccessWatch
from runtime.broker.rights import (
    CATALOGUE_GROUPS,
    COMMANDS,
    LEARNER_GROUP,
    PROCESSES,
    PRODUCER,
    Right,
    narrowed,
    with_prefixed,
)
from runtime.topics import ensure_topics
from tests.feature_repo.worlds import TASKS
from tests.kafka.commands import headwater
from tests.kafka.secured import Secured, guarded_cluster, lines_of_page

pytestmark = pytest.mark.timeout(500)

PARTITIONS = 2
SECONDS = 10.0
"""How soon a process must name what it is refused."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A command with arguments, and on which resources it then needs its rights; all of them where none are named."""

    command: str
    arguments: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    ends_with: int = 0
    """Its status where nothing is refused: some find nothing to work on here."""

    @property
    def user(self) -> str:
        """The user that has this command's rights alone."""
        return f"who-{self.command.replace(' ', '-')}"

    @property
    def rights(self) -> list[Right]:
        found = [one for one in COMMANDS[self.command] if one.operation != "CREATE"]
        return narrowed(found, *self.resources) if self.resources else found


CASES = [
    Case(command="topics"),
    Case(command="topics --create", arguments=("--partitions", str(PARTITIONS))),
    Case(command="offsets list"),
    Case(command="offsets move", arguments=(LEARNER_GROUP, "--to", "start"), resources=(LEARNER_GROUP, EXAMPLES.name)),
    Case(command="produce", resources=(EVENTS.name,)),
    Case(command="produce", arguments=("--catalogue",), resources=(CATALOGUE.name,)),
    Case(command="forget", arguments=("nobody", "--yes", "--wait-seconds", "1"), ends_with=1),
    Case(command="dead-letters list"),
    Case(command="dead-letters show", arguments=("0:0",), ends_with=1),
    Case(command="dead-letters redrive", arguments=("--all",)),
    Case(command="evaluate", arguments=("click",), ends_with=1),
    Case(command="replay-scores", arguments=("nothing",), ends_with=1),
]


@pytest.fixture(scope="module")
def secured(kafka_is_here: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """A cluster with our topics, on which each user has exactly the rights of the page."""
    users = [*PROCESSES, "operator", "shop", *{case.user for case in CASES}]
    with guarded_cluster(tmp_path_factory.mktemp("kafka"), users) as secured:
        ensure_topics(secured.cluster.inside, partitions=PARTITIONS)
        secured.run(lines_of_page())
        for case in CASES:
            secured.grant(case.user, COMMANDS[case.command])
        yield secured


def test_the_page_grants_what_the_table_asks_for(secured: Secured) -> None:
    """To every process, and to whoever runs commands; nothing is found missing."""
    for process, rights in PROCESSES.items():
        assert _asked(secured, process, rights) is None
    for command, rights in COMMANDS.items():
        assert _asked(secured, "operator", [one for one in rights if one.operation != "CREATE"]) is None, command
    assert _asked(secured, "shop", PRODUCER) is None


@pytest.mark.parametrize("process", PROCESSES)
def test_each_right_is_missed_by_name(secured: Secured, process: str) -> None:
    """With principal, resource and operation, and the command that grants it; all others are still there."""
    watch = AccessWatch(secured.connection(process), rights := _rights_of(process))
    try:
        for right in (one for one in rights if not one.optional):
            with secured.without(process, right):
                said = _soon(watch.look, lambda said: said is not None)
                assert said is not None
                assert said.startswith(
                    f"User:{process} lacks {right} at {secured.cluster.bootstrap_servers}: grant it with kafka-acls.sh"
                )
                assert said.count(" on ") == 1
            assert _soon(watch.look, lambda said: said is None) is None
    finally:
        watch.stop()


def test_a_topic_is_not_created_without_the_right(secured: Secured) -> None:
    """The right on a topic that exists is not asked for: nothing would be created."""
    [case] = [case for case in CASES if case.command == "topics --create"]
    [right] = narrowed([one for one in COMMANDS[case.command] if one.operation == "CREATE"], ERASURES.name)
    secured.cluster.ask(lambda admin: admin.delete_topics([ERASURES.name]))
    _soon(lambda: ERASURES.name in secured.cluster.ask(lambda admin: admin.list_topics()), lambda there: not there)
    with secured.without(case.user, right):
        refused = headwater(secured.connection(case.user), "topics", "--create", *case.arguments)
    assert refused.status == 1
    assert f"User:{case.user} lacks {right} at " in refused.error
    assert headwater(secured.connection(case.user), "topics", "--create", *case.arguments).status == 0


@pytest.mark.parametrize("case", CASES, ids=lambda case: " ".join((case.command, *case.arguments[:1])))
def test_a_command_names_the_right_that_it_lacks(
    secured: Secured, case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And exits with 1; with all of its rights and no others it does its work."""
    (tmp_path / "tasks.toml").write_text(TASKS)
    (tmp_path / "lines").write_text("")
    for name, value in {"TASKS_FILE": tmp_path / "tasks.toml", "SNAPSHOT_DIR": tmp_path / "snapshots"}.items():
        monkeypatch.setenv(f"HEADWATER_{name}", str(value))
    files = (str(tmp_path / "lines"),) if case.command == "produce" else ()
    argv = (*case.command.split(), *files, *case.arguments)
    for right in case.rights:
        with secured.without(case.user, right):
            refused = headwater(secured.connection(case.user), *argv)
        assert refused.status == 1, refused
        assert f"User:{case.user} lacks {right} at " in refused.error
    done = headwater(secured.connection(case.user), *argv)
    assert "lacks" not in done.error
    assert done.status == case.ends_with, done


_T = TypeVar("_T")


def _soon(look: Callable[[], _T], wanted: Callable[[_T], object], seconds: float = SECONDS) -> _T:
    """What `look` returns once it is as wanted; fails with the last answer where that takes too long."""
    deadline = time.monotonic() + seconds
    while not wanted(found := look()):
        assert time.monotonic() < deadline, f"still {found!r}"
        time.sleep(0.05)
    return found


def _rights_of(process: str) -> list[Right]:
    return with_prefixed(PROCESSES[process], f"{CATALOGUE_GROUPS}encoder")


def _asked(secured: Secured, user: str, rights: Iterable[Right]) -> str | None:
    watch = AccessWatch(secured.connection(user), rights)
    try:
        return _soon(watch.look, lambda said: said is None)
    finally:
        watch.stop()
