"""Asks the broker which rights this process has, and names those that it lacks."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from kafka.admin import KafkaAdminClient
from kafka.admin._acls import ACLOperation
from kafka.errors import GroupAuthorizationFailedError, KafkaError, RetriableError, TopicAuthorizationFailedError
from kafka.protocol.admin import DescribeGroupsRequest

from runtime.broker.errors import AccessError
from runtime.broker.login import diagnose
from runtime.broker.principal import principal
from runtime.broker.rights import Right, grants
from runtime.settings import KafkaSettings

__all__ = ["AdminClient", "access_error", "check_access", "connected", "missing_rights"]

_COORDINATOR_SECONDS = 10.0
_PAUSE_SECONDS = 0.1
_HIDDEN = ["CREATE", "DESCRIBE_CONFIGS"]
"""May be allowed on a topic that the broker does not show: all other operations would let it be seen."""


class AdminClient(KafkaAdminClient):  # type: ignore[misc]  # kafka-python has no types
    """kafka-python's own, except that it tells the rights on a group that does not exist yet.

    From version 6 of the request on, brokers answer such a group with an error and no rights.
    """

    def _describe_groups_request(self, group_ids: Sequence[str]) -> Any:
        return DescribeGroupsRequest(groups=list(group_ids), include_authorized_operations=True, max_version=5)

    def _process_acl_operations(self, described: dict[str, Any]) -> dict[str, Any]:
        bits = described.get("authorized_operations")  # the embedded broker sets some that Kafka does not know
        if bits is not None:
            described["authorized_operations"] = [one.name for one in ACLOperation if one.value in bits]
        return described


@contextmanager
def connected(kafka: KafkaSettings) -> Iterator[AdminClient]:
    """An admin client until the block ends; raises BrokerError within seconds where the broker cannot be used."""
    if (problem := diagnose(kafka)) is not None:
        raise problem
    admin = AdminClient(**kafka.client_options())
    try:
        yield admin
    finally:
        admin.close()


def check_access(kafka: KafkaSettings, rights: Iterable[Right]) -> None:
    """Returns where the broker allows them all, or does not tell; those that are optional are not asked for.

    Raises:
        AccessError: some are missing.
        BrokerError: the broker cannot be used at all.
        KafkaError: it stopped answering.
    """
    with connected(kafka) as admin:
        if missing := missing_rights(admin, [one for one in rights if not one.optional]):
            raise access_error(kafka, missing)


def access_error(kafka: KafkaSettings, missing: Sequence[Right]) -> AccessError:
    """The error that names whom the broker refuses what, and how to grant it."""
    whom = principal(kafka)
    commands = grants(missing, principal=whom, bootstrap_servers=kafka.bootstrap_servers)
    return AccessError(
        f"{whom} lacks {', '.join(map(str, missing))} at {kafka.bootstrap_servers}: grant it with {' ; '.join(commands)} "
        "(docs/reference/acls.md lists what each process and command needs)"
    )


def missing_rights(admin: AdminClient, rights: Iterable[Right]) -> list[Right]:
    """Those of `rights` that the broker does not allow; what it does not tell counts as allowed. Raises KafkaError."""
    wanted = list(dict.fromkeys(rights))
    allowed = _on_topics(admin, {one.name for one in wanted if one.kind == "topic"})
    allowed |= {("group", name): _on_group(admin, name) for name in sorted({one.name for one in wanted if one.kind == "group"})}
    return [one for one in wanted if (on := allowed[one.kind, one.name]) is not None and one.operation not in on]


def _on_topics(admin: AdminClient, names: set[str]) -> dict[tuple[str, str], list[str] | None]:
    described = {entry["name"]: entry for entry in admin.describe_topics(sorted(names))} if names else {}
    refused = TopicAuthorizationFailedError.errno
    return {
        ("topic", name): _HIDDEN if entry["error_code"] == refused else entry.get("authorized_operations")
        for name, entry in described.items()
    }


def _on_group(admin: AdminClient, name: str) -> list[str] | None:
    """Waits for a moment where no coordinator is known: the first question for one makes the broker create its topic."""
    deadline = time.monotonic() + _COORDINATOR_SECONDS
    while True:
        try:
            described = admin.describe_groups([name])[name]
        except GroupAuthorizationFailedError:
            return []
        except RetriableError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE_SECONDS)
            continue
        if described["error"] is None:
            operations: list[str] | None = described.get("authorized_operations")
            return operations
        if GroupAuthorizationFailedError.__name__ in described["error"]:
            return []
        if time.monotonic() > deadline:
            raise KafkaError(described["error"])
        time.sleep(_PAUSE_SECONDS)
