"""What `headwater check` says of files: rows that cannot be used and why, what the rest holds, which ids do not match."""

import math
import os
import time
from collections import Counter
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from deploy.cli.connection import console

if TYPE_CHECKING:
    from deploy.dataset.project import Project
    from deploy.dataset.rejects import Rejects
    from deploy.dataset.sources import SourcesRead

__all__ = ["print_contents", "print_files"]

_KINDS_SHOWN = 8
_CATEGORIES_SHOWN = 8
_MANY = 0.1
_MOST = 0.5
_ENCODER = "HEADWATER_ENCODER"
_EARLY = 315_532_800.0  # 1980


def print_files(read: "SourcesRead") -> None:
    if not read.rejects:
        return
    table = Table("file", "rows", "rejected")
    for name, rejects in read.rejects.items():
        count = sum(rejects.counts.values())
        table.add_row(escape(name), f"{rejects.rows:,}", f"[red]{count:,}[/]" if count else "0")
    console.print(table)
    for name, rejects in read.rejects.items():
        for kind, count in rejects.counts.most_common(_KINDS_SHOWN):
            console.print(f"[red]{escape(name)}: {_rows(count)}:[/] {escape(kind)}", soft_wrap=True)
            _print_examples(rejects, kind)
        for kind, count in rejects.noted.most_common(_KINDS_SHOWN):
            console.print(f"[yellow]{escape(name)}: used without it, {_rows(count)}:[/] {escape(kind)}", soft_wrap=True)
            _print_examples(rejects, kind)
        for note in rejects.notes:
            console.print(f"[yellow]{escape(name)}:[/] {escape(note)}", soft_wrap=True)
        if rejects.repeats:
            console.print(
                f"[yellow]{escape(name)}: rows that repeat an earlier one, its time too: {rejects.repeats:,};[/] each counts:"
                " take them out if they are mistakes, or name a column of event ids",
                soft_wrap=True,
            )


def _print_examples(rejects: "Rejects", kind: str) -> None:
    for example in rejects.examples[kind]:
        console.print(f"  {escape(example)}", style="dim", soft_wrap=True)


def print_contents(read: "SourcesRead", project: "Project") -> None:
    from deploy.dataset.sources import OLD_SECONDS
    from feature_repo.decoded_event import IMPRESSION

    events = read.events
    users = len({event.user_id for event in events})
    known = {item.item_id for item in read.items}
    acted = [event.item_id for event in events if event.kind != IMPRESSION]
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in read.kinds.most_common())
    console.print(
        f"{kinds}; {users:,} users, {len(set(acted)):,} items acted on, {len(known):,} in the catalogue", soft_wrap=True
    )
    made = sum(event.kind == IMPRESSION for event in events) - read.kinds[IMPRESSION]
    if made:
        console.print(f"{made:,} impressions are implied or sampled, as headwater.toml says")
    if read.timed:
        span = [time.strftime("%Y-%m-%d", time.gmtime(math.ceil(event.at))) for event in (events[0], events[-1])]
        old = time.time() - events[-1].at > OLD_SECONDS
        console.print(f"from {span[0]} to {span[1]}{'; `headwater up` moves all times, to end now' if old else ''}")
        early = sum(event.at < _EARLY for event in events)
        if early > _MANY * len(events):
            console.print(
                f"[yellow]{early:,} events lie before 1980:[/] dates written as numbers need a form in headwater.toml, such as "
                'time_formats = \\["%Y%m%d"], or \\["serial"] for a spreadsheet\'s days',
                soft_wrap=True,
            )
    _print_matches(read, project, known, acted)
    catalogued = project.simulate is not None or (project.catalogue is not None and bool(project.catalogue.file))
    if not catalogued:
        console.print(
            "[yellow]No catalogue:[/] nothing says what the items are called, and new ones cannot be told apart; "
            "`headwater init` takes a file of them as --catalogue",
            soft_wrap=True,
        )
        return
    _print_categories(read)
    titled = sum(bool(item.title or item.text) for item in read.items)
    if titled < len(read.items):
        console.print(
            f"[yellow]{len(read.items) - titled:,} of {len(read.items):,} items have neither title nor text:[/] name the columns "
            "in headwater.toml, [catalogue.columns]".replace("[catalogue.columns]", "\\[catalogue.columns]"),
            soft_wrap=True,
        )

    _print_script(read, project)


def _print_matches(read: "SourcesRead", project: "Project", known: set[str], acted: list[str]) -> None:
    """How many actions are on items that the catalogue has, and what differs between the ids where many are not."""
    missing = [item for item in acted if item not in known]
    if project.normalize_ids:
        ways = ", ".join(project.normalize_ids)
        console.print(f"Ids are normalized by {ways}: those that differ by no more are one (normalize_ids)", soft_wrap=True)
    if not missing:
        return
    console.print(
        f"[yellow]{len(missing):,} of {len(acted):,} actions ({len(missing) / len(acted):.0%}) are on items that the catalogue "
        "lacks:[/] they have no text and cannot be recommended",
        soft_wrap=True,
    )
    if len(missing) <= _MANY * len(acted) or not known:
        return
    from deploy.dataset.values.ids import same_by

    strange = set(missing)
    found, pairs = same_by(strange, known)
    one, other = next(iter(pairs.items()), (min(strange), min(known)))
    if pairs:
        listed = ", ".join(f'"{way}"' for way in found)
        console.print(
            f"  {len(pairs):,} of {len(strange):,} such ids differ only by {' and '.join(found)}, such as {one!r} in the history "
            f"and {other!r} in the catalogue: write normalize_ids = [{listed}] at the top of headwater.toml",
            soft_wrap=True,
            markup=False,
        )
    else:
        console.print(f"  an id of the history is {one!r}, one of the catalogue {other!r}", soft_wrap=True, markup=False)


def _print_categories(read: "SourcesRead") -> None:
    counts = Counter(category for item in read.items for category in item.categories)
    if counts:
        shown = ", ".join(name for name, _ in counts.most_common(_CATEGORIES_SHOWN))
        more = ", ..." if len(counts) > _CATEGORIES_SHOWN else ""
        console.print(f"{len(counts):,} categories: {shown}{more}", soft_wrap=True, markup=False)


def _print_script(read: "SourcesRead", project: "Project") -> None:
    """Warns where the built-in encoder is to read what is not written in its letters."""
    if _ENCODER in project.settings or os.environ.get(_ENCODER):
        return
    foreign = sum(not any(letter.isascii() for letter in item.title if letter.isalpha()) for item in read.items if item.title)
    if foreign > len(read.items) * _MANY:
        console.print(
            f"[yellow]{foreign:,} of {len(read.items):,} titles are not in Latin letters:[/] the built-in encoder reads English"
            f" and makes little of them; name a multilingual one as {_ENCODER} in headwater.toml (docs/guides/encoders.md)",
            soft_wrap=True,
        )


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"
