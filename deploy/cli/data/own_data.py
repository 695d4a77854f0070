"""How `replay` and `up` come to a project of the user's own data: by its place, else by headwater.toml where one is run."""

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from deploy.cli.connection import CliError, console
from deploy.observe.progress import progress

if TYPE_CHECKING:
    from deploy.dataset.project import Project
    from deploy.dataset.sources import SourcesRead

__all__ = ["project_here", "read_project"]


def project_here(place: Path | None = None, *, tasks: Path | None = None) -> "Project | None":
    """The project at `place`, else the one of this directory, else None; `tasks` go before its own.

    Its settings become variables of this process, for itself and its children, where the shell has not set them.
    """
    import msgspec

    from deploy.dataset.project import find_project, load_project

    found = place or find_project()
    if found is None:
        return None
    project = load_project(found)
    for name, value in project.settings.items():
        os.environ.setdefault(name, str(value))
    return project if tasks is None else msgspec.structs.replace(project, tasks=tasks)


def read_project(project: "Project") -> "SourcesRead":
    """All that its files hold; rows that cannot be used are counted on the console and passed over, as the stream does.

    Raises:
        CliError: not one row can be used.
    """
    from deploy.dataset.sources import read_sources

    with progress("reading the project's files", console) as told:
        read = read_sources(project, now=time.time(), progress=told.rows)
    for name, rejects in read.rejects.items():
        if count := sum(rejects.counts.values()):
            passed = f"{escape(name)}: {count:,} of {rejects.rows:,} rows passed over"
            console.print(f"[yellow]{passed};[/] `headwater check` says why", soft_wrap=True)
    if not read.events:
        raise CliError("the project's files hold no event that can be used; `headwater check` says why")
    return read
