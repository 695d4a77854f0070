"""Apache Kafka with users and rights: who may do what there, granted and revoked one right at a time."""

import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
)
from pydantic import SecretStr

from deploy.drills.kafka import ApacheKafka
from runtime.broker.rights import Right, grants
from runtime.settings import KafkaSettings

__all__ = ["Secured", "guarded_cluster", "lines_of_page"]

_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"
_AUTHORIZER = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
_PAGE = Path(__file__).parents[2] / "docs" / "reference" / "acls.md"


class Secured:
    """A cluster whose clients log in by PLAIN; a user's password is the name backwards."""

    def __init__(self, cluster: ApacheKafka) -> None:
        self.cluster = cluster

    def connection(self, user: str) -> KafkaSettings:
        return KafkaSettings(
            bootstrap_servers=self.cluster.bootstrap_servers,
            security_protocol="SASL_PLAINTEXT",
            sasl_mechanism="PLAIN",
            sasl_username=user,
            sasl_password=SecretStr(user[::-1]),
        )

    def grant(self, user: str, rights: Iterable[Right]) -> None:
        self.run(grants(rights, principal=f"User:{user}", bootstrap_servers="KAFKA:9092"))

    def run(self, lines: Iterable[str]) -> None:
        """Does what lines of kafka-acls.sh say."""
        acls = [acl for line in lines for acl in _acls(line)]
        assert len(self.cluster.ask(lambda admin: admin.create_acls(acls))["succeeded"]) == len(acls)

    def revoke(self, user: str, right: Right) -> None:
        """Takes one right back, and nothing that it implies for others."""
        filters = [
            ACLFilter(
                acl.principal,
                acl.host,
                acl.operation,
                acl.permission_type,
                ResourcePatternFilter(
                    acl.resource_pattern.resource_type, acl.resource_pattern.resource_name, acl.resource_pattern.pattern_type
                ),
            )
            for line in grants([right], principal=f"User:{user}", bootstrap_servers="KAFKA:9092")
            for acl in _acls(line)
        ]
        [(_, removed, _)] = self.cluster.ask(lambda admin: admin.delete_acls(filters))
        assert len(removed) == 1, f"{user} did not have {right}"

    @contextmanager
    def without(self, user: str, right: Right) -> Iterator[None]:
        """The user lacks one right until the block ends."""
        self.revoke(user, right)
        try:
            yield
        finally:
            self.grant(user, [right])


@contextmanager
def guarded_cluster(directory: Path, users: Iterable[str]) -> Iterator[Secured]:
    """One node that knows these users, and allows them nothing."""
    known = " ".join(f'user_{user}="{user[::-1]}"' for user in users)
    settings = {
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.clients.plain.sasl.jaas.config": f"{_PLAIN} {known};",
        "authorizer.class.name": _AUTHORIZER,
    }
    with ApacheKafka(directory, protocol="SASL_PLAINTEXT", settings=settings) as cluster:
        yield Secured(cluster)


def lines_of_page() -> list[str]:
    """The commands of docs/reference/acls.md."""
    return [line for line in _PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("kafka-acls.sh ")]


def _acls(line: str) -> list[ACL]:
    """What a line of kafka-acls.sh grants."""
    words = shlex.split(line)
    options = list(pairwise(words))
    given = {name: value for name, value in options if name.startswith("--")}
    pattern = ACLResourcePatternType[given.get("--resource-pattern-type", "literal").upper()]
    operation = next(one for one in ACLOperation if one.name.replace("_", "").lower() == given["--operation"].lower())
    kinds = {"--topic": ResourceType.TOPIC, "--group": ResourceType.GROUP}
    return [
        ACL(
            given["--allow-principal"],
            "*",
            operation,
            ACLPermissionType.ALLOW,
            ResourcePattern(kinds[name], value, pattern),
        )
        for name, value in options
        if name in kinds
    ]
