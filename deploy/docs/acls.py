"""The page of rights on the broker: what each process and command needs, as commands of Kafka that grant it."""

from collections.abc import Iterable

from runtime.broker.rights import COMMANDS, PROCESSES, PRODUCER, Right, grants

__all__ = ["page"]

_PAGE = """# Rights on Kafka

The least rights of each process and command, for a cluster with an authorizer (`authorizer.class.name`). A process that lacks
one names the principal, the resource and the operation in its log and exits, or answers 503 with them at `/healthz`; a command
exits with status 1. Put your own names for `User:...` and the address. The principal is the user's name, with OAUTHBEARER the
claim `sub` of the token, with TLS alone the subject of the client's certificate.

With the rights under *recommended* a process reads how its topics are configured, and refuses to start on one that would lose
records, such as one that must be compacted and is not. Without them it logs that it did not look.

## Processes
{processes}
## Services that send events

{producer}
## Commands

A command needs these rights of whoever runs it: in the console's container that is the console.
{commands}"""


def page() -> str:
    """docs/reference/acls.md."""
    return _PAGE.format(
        processes="".join(f"\n### {name}\n\n{_block(rights, name)}" for name, rights in PROCESSES.items()),
        producer=_block(PRODUCER, "shop"),
        commands="".join(f"\n### headwater {name}\n\n{_block(rights, 'operator')}" for name, rights in COMMANDS.items()),
    )


def _block(rights: Iterable[Right], name: str) -> str:
    rights = tuple(rights)
    needed = _lines([one for one in rights if not one.optional], name)
    recommended = _lines([one for one in rights if one.optional], name)
    return "```sh\n" + needed + (f"# recommended\n{recommended}" if recommended else "") + "```\n"


def _lines(rights: Iterable[Right], name: str) -> str:
    return "".join(f"{line}\n" for line in grants(rights, principal=f"User:{name}", bootstrap_servers="KAFKA:9092"))
