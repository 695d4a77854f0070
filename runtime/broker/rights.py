"""The least rights of each process and command on the broker, as Kafka's ACLs name them."""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from headwater.v1.topics import (
    ALL_TOPICS,
    CATALOGUE,
    DEAD_LETTERS,
    ERASURES,
    EVENTS,
    EXAMPLES,
    ITEM_ACTIONS,
    ITEM_ACTIVITY,
    ITEM_CONTENT,
    Topic,
)

__all__ = [
    "CATALOGUE_GROUPS",
    "COMMANDS",
    "FEATURES_ITEMS_GROUP",
    "FEATURES_USERS_GROUP",
    "LEARNER_GROUP",
    "PROCESSES",
    "PRODUCER",
    "Right",
    "grants",
    "narrowed",
    "with_prefixed",
]

FEATURES_USERS_GROUP = "headwater-features-users"
FEATURES_ITEMS_GROUP = "headwater-features-items"
LEARNER_GROUP = "headwater-learner"
CATALOGUE_GROUPS = "headwater-catalogue-"
"""Prefix of the catalogue workers' groups; the version of the encoder follows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Right:
    """One operation on one resource."""

    operation: str
    """As Kafka's protocol spells it, such as READ."""
    kind: Literal["topic", "group"]
    name: str
    prefix: str = ""
    """What the names of the resources begin with for which it is granted, where that is more than one."""
    optional: bool = False
    """Whether the process also runs without it, and checks less."""

    def __str__(self) -> str:
        return f"{self.operation} on {self.kind} {self.name}"


def grants(rights: Iterable[Right], *, principal: str, bootstrap_servers: str) -> list[str]:
    """The commands of Kafka that grant `rights`: one for all resources that take the same words."""
    resources: dict[str, dict[str, None]] = {}
    for right in rights:
        words = "".join(word.capitalize() for word in right.operation.split("_"))
        pattern = " --resource-pattern-type prefixed" if right.prefix else ""
        resources.setdefault(f"{words}{pattern}", {})[f"--{right.kind} {right.prefix or right.name}"] = None
    start = f"kafka-acls.sh --bootstrap-server {bootstrap_servers} --add --allow-principal {shlex.quote(principal)}"
    return [f"{start} --operation {words} {' '.join(names)}" for words, names in resources.items()]


def narrowed(rights: Iterable[Right], *names: str) -> list[Right]:
    """Those on the resources of these names."""
    return [
        replace(right, name=name)
        for right in rights
        for name in names
        if name == right.name or (right.prefix and name.startswith(right.prefix))
    ]


def with_prefixed(rights: Iterable[Right], name: str) -> list[Right]:
    """The same, for the one resource that a process uses of all those that a prefix covers."""
    return [replace(right, name=name) if right.prefix else right for right in rights]


def _topics(operation: str, *topics: Topic, optional: bool = False) -> tuple[Right, ...]:
    return tuple(Right(operation=operation, kind="topic", name=topic.name, optional=optional) for topic in topics)


def _groups(operation: str, *names: str) -> tuple[Right, ...]:
    prefixes = {CATALOGUE_GROUPS: CATALOGUE_GROUPS}
    return tuple(Right(operation=operation, kind="group", name=name, prefix=prefixes.get(name, "")) for name in names)


def _process(*, reads: Iterable[Topic], writes: Iterable[Topic] = (), groups: Iterable[str] = ()) -> tuple[Right, ...]:
    """What it reads and writes; and reading how those topics are configured, by which a wrong one is refused at the start."""
    reads, writes = tuple(reads), tuple(writes)
    return (
        *_topics("READ", *reads),
        *_topics("WRITE", *writes),
        *_groups("READ", *groups),
        *_topics("DESCRIBE_CONFIGS", *dict.fromkeys((*reads, *writes)), optional=True),
    )


PROCESSES = {
    "features": _process(
        reads=(EVENTS, ITEM_ACTIONS, ITEM_CONTENT, ITEM_ACTIVITY),
        writes=(ITEM_ACTIONS, ITEM_ACTIVITY, EXAMPLES, DEAD_LETTERS, ERASURES),
        groups=(FEATURES_USERS_GROUP, FEATURES_ITEMS_GROUP),
    ),
    "catalogue": _process(reads=(CATALOGUE,), writes=(ITEM_CONTENT, ITEM_ACTIONS, DEAD_LETTERS), groups=(CATALOGUE_GROUPS,)),
    "learner": _process(reads=(EXAMPLES, ITEM_CONTENT, ITEM_ACTIVITY), writes=(DEAD_LETTERS,), groups=(LEARNER_GROUP,)),
    "server": _process(reads=(ITEM_CONTENT, ITEM_ACTIVITY), writes=(EVENTS,)),
    "console": _topics("READ", EVENTS),
}
"""By process."""

PRODUCER = _topics("WRITE", EVENTS, CATALOGUE)
"""Of a service that sends events, catalogue changes, or both."""

_ALL_GROUPS = (FEATURES_USERS_GROUP, FEATURES_ITEMS_GROUP, LEARNER_GROUP, CATALOGUE_GROUPS)
_GROUP_TOPICS = (EVENTS, ITEM_ACTIONS, EXAMPLES, CATALOGUE)
_LIST_TOPICS = (*_topics("DESCRIBE", *ALL_TOPICS), *_topics("DESCRIBE_CONFIGS", *ALL_TOPICS))

COMMANDS = {
    "topics": _LIST_TOPICS,
    "topics --create": (*_topics("CREATE", *ALL_TOPICS), *_LIST_TOPICS),
    "offsets list": (*_topics("DESCRIBE", *_GROUP_TOPICS), *_groups("DESCRIBE", *_ALL_GROUPS)),
    "offsets move": (*_topics("READ", *_GROUP_TOPICS), *_groups("READ", *_ALL_GROUPS), *_groups("DELETE", *_ALL_GROUPS)),
    "produce": PRODUCER,
    "forget": (*_topics("WRITE", EVENTS), *_topics("READ", ERASURES)),
    "dead-letters list": _topics("READ", DEAD_LETTERS),
    "dead-letters show": _topics("READ", DEAD_LETTERS),
    "dead-letters redrive": (*_topics("READ", DEAD_LETTERS), *_topics("WRITE", DEAD_LETTERS, EVENTS, CATALOGUE)),
    "evaluate": _topics("READ", EVENTS),
    "replay-scores": _topics("READ", EVENTS, ITEM_CONTENT),
}
"""By command of `headwater` that asks the broker."""
