"""`headwater score`, `recommend` and `page`: a request to the running server, its response as a table."""

import contextlib
import math
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.markup import escape
from rich.table import Column, Table

from deploy.cli.connection import ClientSettings, CliError, DataDir, Server, console, server_address

if TYPE_CHECKING:
    from headwater.client import Client
    from headwater.v1.recommender_pb2 import Condition, ItemScores, RankedItem, ResponseInfo

__all__ = ["call", "page", "print_info", "recommend", "register", "score", "weight_of"]

_Response = TypeVar("_Response")
_DEADLINE_SECONDS = 5.0

User = Annotated[str, typer.Argument(help="User id; one that is not known gets a flagged answer.")]
Context = Annotated[str, typer.Option(help="What the user is looking at or for, as text.")]


def register(app: typer.Typer) -> None:
    """Adds the commands to the application."""
    app.command()(score)
    app.command()(recommend)
    app.command()(page)


def score(
    user: User,
    items: Annotated[list[str], typer.Argument(help="Item ids.")],
    task: Annotated[list[str] | None, typer.Option(help="Task to answer, repeatable; else all.")] = None,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Score items that you name for a user: one prediction a task."""
    from headwater.v1.recommender_pb2 import ScoreRequest

    request = ScoreRequest(user_id=user, item_ids=items, tasks=task or [])
    response = call(server_address(server, data_dir), lambda client: client.score(request))
    columns = _columns(response.items, len(response.tasks))
    table = Table("item", *(response.tasks[column] for column in columns))
    for item in response.items:
        table.add_row(escape(item.item_id), *_cells(item.values, columns), style="dim" if item.unknown_item else None)
    console.print(table)
    print_info(response.info)


def recommend(
    user: User,
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="Items wanted.")] = 10,
    item_type: Annotated[list[str] | None, typer.Option(help="Type to draw from, repeatable; else all.")] = None,
    weight: Annotated[list[str] | None, typer.Option(help="TASK=WEIGHT in the ranking, repeatable.")] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Item id to leave out, repeatable.")] = None,
    include_seen: Annotated[bool, typer.Option(help="Leave in what the user has acted on.")] = False,
    where: Annotated[
        list[str] | None,
        typer.Option(help="category=shoes,hats or attributes.price<=50 (=, !=, >=, <=), repeatable; all must hold."),
    ] = None,
    diversity: Annotated[float, typer.Option(min=0.0, max=1.0, help="How much to avoid items alike.")] = 0.0,
    cap: Annotated[list[str] | None, typer.Option(help="FIELD=N: no value of a field more than N times, repeatable.")] = None,
    pin: Annotated[list[str] | None, typer.Option(help="ITEM=PLACE from 1, repeatable.")] = None,
    context: Context = "",
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Recommend items to a user, the best first."""
    from headwater.v1.recommender_pb2 import Cap, Filter, ListSpec, Pin, RecommendRequest, Rules

    rules = Rules(
        caps=[Cap(field=field, at_most=most) for field, most in map(_counted, cap or [])],
        pins=[Pin(item_id=item_id, position=place - 1) for item_id, place in map(_counted, pin or [])],
    )
    request = RecommendRequest(
        user_id=user,
        list=ListSpec(
            count=count,
            item_types=item_type or [],
            task_weights=dict(map(weight_of, weight or [])),
            include_seen=include_seen,
            filter=Filter(conditions=map(_condition, where or [])),
            diversity=diversity,
            rules=rules,
        ),
        exclude_item_ids=exclude or [],
        context_text=context,
    )
    response = call(server_address(server, data_dir), lambda client: client.recommend(request))
    columns = _columns(response.items, len(response.tasks))
    table = Table("", "item", _title(), *(response.tasks[column] for column in columns), "rank score")
    for place, item in enumerate(response.items, start=1):
        cells = _cells(item.values, columns)
        table.add_row(str(place), escape(item.item_id), escape(item.title), *cells, f"{item.rank_score:.3f}")
    console.print(table if response.items else "No item can be recommended.")
    print_info(response.info)


def page(
    user: User,
    slate: Annotated[list[str], typer.Argument(help="TYPE=COUNT, such as product=6 article=3 ad=1: lists in this order.")],
    context: Context = "",
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Fill a whole page in one call: a list of each type of item, none of which repeats an item of another."""
    from headwater.v1.recommender_pb2 import ListSpec, RecommendSlatesRequest, Slate

    wanted = [_slate(text) for text in slate]
    slates = [Slate(name=kind, list=ListSpec(count=count, item_types=[kind])) for kind, count in wanted]
    request = RecommendSlatesRequest(user_id=user, slates=slates, context_text=context)
    response = call(server_address(server, data_dir), lambda client: client.recommend_slates(request))
    for ranked in response.slates:
        columns = _columns(ranked.items, len(response.tasks))
        shown = [response.tasks[column] for column in columns]
        table = Table("item", _title(), *shown, title=ranked.name, title_justify="left")
        for item in ranked.items:
            table.add_row(escape(item.item_id), escape(item.title), *_cells(item.values, columns))
        console.print(table)
    print_info(response.info)


def _slate(text: str) -> tuple[str, int]:
    kind, _, count = text.partition("=")
    if not kind or not count.isdigit() or int(count) < 1:
        raise typer.BadParameter(f"{text}: write TYPE=COUNT, such as product=6")
    return kind, int(count)


def weight_of(text: str) -> tuple[str, float]:
    """The task and the weight of TASK=WEIGHT; raises BadParameter."""
    name, _, value = text.partition("=")
    try:
        return name, float(value)
    except ValueError:
        raise typer.BadParameter(f"--weight {text}: write TASK=NUMBER, such as click=2") from None


def _condition(text: str) -> "Condition":
    from headwater.v1.recommender_pb2 import Condition

    for sign in (">=", "<=", "!=", "="):
        field, found, value = text.partition(sign)
        if not found:
            continue
        if sign == "=":
            return Condition(field=field, any_of=value.split(","))
        if sign == "!=":
            return Condition(field=field, none_of=value.split(","))
        with contextlib.suppress(ValueError):
            return Condition(field=field, at_least=float(value)) if sign == ">=" else Condition(field=field, at_most=float(value))
    raise typer.BadParameter(f"--where {text}: write FIELD=VALUE,VALUE or FIELD!=VALUE, or with a number FIELD>=N or FIELD<=N")


def _counted(text: str) -> tuple[str, int]:
    name, _, number = text.rpartition("=")
    if not (name and number.isdigit() and int(number) > 0):
        raise typer.BadParameter(f"{text}: write NAME=NUMBER, with a number from 1")
    return name, int(number)


def call(address: str, question: "Callable[[Client], _Response]") -> _Response:
    """What the server at `address` answers; raises CliError for any status but OK."""
    import grpc

    from headwater.client import Client

    try:
        with Client(address, ClientSettings().options(_DEADLINE_SECONDS)) as client:
            return question(client)
    except grpc.RpcError as error:
        code, detail = error.code().name, error.details()
        if code == "UNAVAILABLE":
            raise CliError(
                f"no server answers at {address}; check the address and HEADWATER_CLIENT_TLS_CA, or start a stack with "
                f"`headwater up` ({detail})"
            ) from error
        hint = "; set HEADWATER_CLIENT_TOKEN" if code == "UNAUTHENTICATED" else ""
        raise CliError(f"the server at {address} answered {code}: {detail}{hint}") from error


def _title() -> Column:
    """A column of titles that are never cut: Chinese has no spaces to break a line at."""
    return Column("title", overflow="fold")


def _columns(items: "Iterable[ItemScores | RankedItem]", tasks: int) -> list[int]:
    """The tasks that apply to at least one of the items, by their position in the response."""
    values = [item.values for item in items]
    return [column for column in range(tasks) if any(not math.isnan(each[column]) for each in values)]


def _cells(values: Sequence[float], columns: list[int]) -> list[str]:
    return ["-" if math.isnan(values[column]) else _figure(values[column]) for column in columns]


def _figure(value: float) -> str:
    """Three digits at least; of seconds by the hundred, none behind the point."""
    return f"{value:.3f}" if abs(value) < 100 else f"{value:,.0f}"


def print_info(info: "ResponseInfo") -> None:
    """Prints what an answer says of itself, the ways in which it is less than whole included."""
    from headwater.v1.recommender_pb2 import Degradation

    features = "no features of the user"
    if info.HasField("features_as_of"):
        features = f"features as of {datetime.fromtimestamp(info.features_as_of.seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
    model = f"model {info.model_version}" if info.model_version else "no model"
    console.print(f"{model}, {features}\nrecommendation {info.recommendation_id}")
    for short in info.short_lists:
        console.print(
            f"[yellow]short{f' {escape(short.slate)}' if short.slate else ''}:[/] {escape(short.detail)}", soft_wrap=True
        )
    for flag in info.degradations:
        console.print(f"[yellow]degraded:[/] {Degradation.Reason.Name(flag.reason)}: {escape(flag.detail)}", soft_wrap=True)
