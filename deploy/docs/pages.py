"""List of the generated pages and their paths."""

from pathlib import Path

from deploy.contracts import asyncapi
from deploy.docs import acls, alerts, commands, decisions, messages, settings, tasks

__all__ = ["DOCS", "pages"]

DOCS = Path(__file__).parents[2] / "docs"

_NOTE = "\n*Written by `make generated` from the sources; a test fails when it is not current.*\n"


def pages() -> dict[Path, str]:
    """Content by path of each page, the AsyncAPI document among them."""
    made = {
        "settings": settings.page,
        "commands": commands.page,
        "messages": messages.page,
        "tasks": tasks.page,
        "alerts": alerts.page,
        "acls": acls.page,
        "decisions": decisions.page,
    }
    return {DOCS / "reference" / f"{name}.md": page() + _NOTE for name, page in made.items()} | {asyncapi.PATH: asyncapi.text()}
