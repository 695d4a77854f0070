"""`headwater dead-letters`: the records that could not be used, why, and sending them back."""

import string
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

import typer
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import DecodeError, Message
from rich.padding import Padding
from rich.text import Text

from deploy.cli.connection import BootstrapServers, CliError, DataDir, console, kafka_settings
from headwater.internal.v1.streams_pb2 import DeadLetter, ItemAction
from headwater.v1.catalogue_pb2 import CatalogueChange
from headwater.v1.events_pb2 import Event
from headwater.v1.topics import CATALOGUE, EVENTS, ITEM_ACTIONS
from runtime.broker.rights import COMMANDS
from streams.dead_letters import Letter, judge, read_letters, redrive

__all__ = ["register"]

_MEANING = {
    "unparseable": "The bytes are neither JSON nor protobuf of what the topic holds. Look at the producer's encoder.",
    "constraint": "It can be read but breaks a rule of the contract (protos/headwater/v1/*.proto). Correct it and send it again.",
    "future": "It says that it happened later than clocks allow. Once that time has come it can be sent back as it is.",
    "too_large": "It is larger than its topic allows. Send less text, or no features that the server did not send.",
    "unreadable": "Its batch does not decompress, or to more than HEADWATER_KAFKA_MAX_BATCH_BYTES: none of its records was used.",
}
_MESSAGES: dict[str, Callable[[], Message]] = {EVENTS.name: Event, CATALOGUE.name: CatalogueChange, ITEM_ACTIONS.name: ItemAction}
_SHOWN_BYTES = 512
_group = typer.Typer(help="List, explain and send back the records that could not be used.", no_args_is_help=True)

Reason = Annotated[str | None, typer.Option(help=f"Only letters of this reason: {', '.join(_MEANING)}.")]
Topic = Annotated[str | None, typer.Option(help="Only letters that came from this topic.")]
Key = Annotated[str | None, typer.Option(help="Only letters with this record key, such as a user id.")]


def register(app: typer.Typer) -> None:
    """Adds the group of commands to the application."""
    app.add_typer(_group, name="dead-letters")


@_group.command("list")
def list_(
    reason: Reason = None,
    topic: Topic = None,
    key: Key = None,
    limit: Annotated[int, typer.Option(min=1, help="Rows at most, the newest ones.")] = 20,
    bootstrap_servers: BootstrapServers = None,
    data_dir: DataDir = None,
) -> None:
    """List dead letters, the newest last, and how many there are of each reason."""
    settings = kafka_settings(bootstrap_servers, data_dir, COMMANDS["dead-letters list"])
    letters = _filtered(read_letters(settings), reason, topic, key)
    for letter in letters[-limit:]:
        content = letter.content
        detail = content.detail if len(content.detail) <= 120 else f"{content.detail[:120]}..."
        back = ", sent back" if letter.redriven else ""
        when, what = f"{_when(content.rejected_at)} UTC", f"{content.reason}{back}: key {_text(content.key)}, {_origin(content)}"
        console.print(f"{letter.name:<6} {when}  {what}", markup=False)
        console.print(Padding(Text(detail), (0, 0, 0, 7)))
    counts = Counter(letter.content.reason for letter in letters)
    line = ", ".join(f"{count:,} {name}" for name, count in counts.most_common()) or "none"
    shown = f"; the newest {limit} are shown" if len(letters) > limit else ""
    console.print(f"{len(letters):,} dead letters ({line}), {sum(one.redriven for one in letters):,} of them sent back{shown}")


@_group.command()
def show(
    letter: Annotated[str, typer.Argument(help="As `headwater dead-letters list` names it, such as 0:12.")],
    bootstrap_servers: BootstrapServers = None,
    data_dir: DataDir = None,
) -> None:
    """Show one dead letter: what was wrong, what to do, and the record as it came."""
    [found] = _named([letter], read_letters(kafka_settings(bootstrap_servers, data_dir, COMMANDS["dead-letters show"])))
    content = found.content
    objection = judge(content, time.time())
    if found.redriven:
        now = "it was sent back; if it was refused again there is a newer letter"
    elif not found.whole:
        now = "it cannot be sent back: only a part of it was kept"
    elif objection is not None:
        now = f"it would be refused again ({objection.reason}): {objection.detail}"
    else:
        now = f"it can be sent back: headwater dead-letters redrive {found.name}"
    lines = {
        "letter": found.name,
        "from": _origin(content),
        "rejected": f"{_when(content.rejected_at)} UTC",
        "reason": content.reason,
        "meaning": _MEANING.get(content.reason, "This version does not know the reason; a newer one wrote it."),
        "detail": content.detail,
        "now": now,
        "key": _text(content.key),
        "value": f"{content.value_bytes or len(content.value):,} bytes, {_rendered(content)}",
    }
    for name, text in lines.items():
        console.print(f"{name:<9}{text}", markup=False, soft_wrap=True)


@_group.command("redrive")
def redrive_(
    letters: Annotated[list[str] | None, typer.Argument(help="Names from the list, such as 0:12 1:3; or give --all.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All letters that the filters leave.")] = False,
    reason: Reason = None,
    topic: Topic = None,
    key: Key = None,
    bootstrap_servers: BootstrapServers = None,
    data_dir: DataDir = None,
) -> None:
    """Send records back to the topics they came from, bytes and key as they were.

    Use it after an upgrade that reads what an older version could not, or when a time that lay ahead has come. A record that
    would be refused again stays where it is.
    """
    if bool(letters) == every:
        raise CliError("say which letters to send back: their names, or --all with filters where wanted")
    settings = kafka_settings(bootstrap_servers, data_dir, COMMANDS["dead-letters redrive"])
    found = _filtered(read_letters(settings), reason, topic, key)
    done = redrive(settings, _named(letters, found) if letters else found, clock=time.time)
    console.print(f"{done.sent:,} sent back")
    for count, why in (
        (done.refused, "would be refused again and stay; see `headwater dead-letters show`"),
        (done.cut, "were too large to be kept whole and cannot be sent back"),
        (done.before, "had been sent back before"),
    ):
        if count:
            console.print(f"{count:,} {why}")


def _filtered(letters: list[Letter], reason: str | None, topic: str | None, key: str | None) -> list[Letter]:
    if reason is not None and reason not in _MEANING:
        raise CliError(f"there is no reason {reason!r}; there are {', '.join(_MEANING)}")
    return [
        letter
        for letter in letters
        if reason in (None, letter.content.reason)
        and topic in (None, letter.content.topic)
        and (key is None or key.encode() == letter.content.key)
    ]


def _named(names: list[str], letters: list[Letter]) -> list[Letter]:
    known = {letter.name: letter for letter in letters}
    missing = [name for name in names if name not in known]
    if missing:
        raise CliError(f"there is no dead letter {', '.join(missing)}; `headwater dead-letters list` names those that are there")
    return [known[name] for name in dict.fromkeys(names)]


def _origin(letter: DeadLetter) -> str:
    return f"{letter.topic} {letter.partition}@{letter.offset}"


def _when(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"


def _text(raw: bytes) -> str:
    """Bytes as text where they are that, control characters shown as escapes: this goes to a terminal."""
    text = raw.decode("utf-8", errors="backslashreplace")
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def _rendered(letter: DeadLetter) -> str:
    value = letter.value
    if value.lstrip()[:1] == b"{" and all(chr(byte) in string.printable or byte > 127 for byte in value):
        return f"JSON:\n{_text(value)[:65536]}"
    message = _MESSAGES.get(letter.topic)
    if message is not None and value:
        try:
            text = MessageToJson(_parsed(message(), value), ensure_ascii=True)
        except (DecodeError, ValueError):
            text = ""  # it is shown as bytes then
        if text not in ("", "{}"):
            return f"protobuf, which reads as:\n{text}"
    return f"here the first {_SHOWN_BYTES} at most, as bytes:\n{value[:_SHOWN_BYTES].hex(' ')}"


def _parsed(message: Message, value: bytes) -> Message:
    message.ParseFromString(value)
    return message
