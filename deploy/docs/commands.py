"""Page of commands: what `headwater --help` says, of every command."""

from collections.abc import Iterator
from typing import Any

import typer.main

from deploy.cli import app

__all__ = ["page"]


def page() -> str:
    """docs/reference/commands.md."""
    lines = [
        "# Commands",
        "",
        "`headwater COMMAND --help` says the same in a terminal. Commands find the stack that runs on this machine by",
        "themselves; elsewhere, name the broker or the server by the option or its variable. An error is one line on standard",
        "error and exit status 1; a wrong call is 2.",
    ]
    for name, command in _commands("headwater", typer.main.get_command(app)):
        arguments = [one for one in command.params if one.param_type_name == "argument"]
        options = [one for one in command.params if one.param_type_name == "option" and "--help" not in one.opts]
        usage = [name, *(["[OPTIONS]"] if options else []), *(_metavar(one) for one in arguments)]
        lines += ["", f"## {name}", "", *_description(command), "", "```text", " ".join(usage), "```"]
        if arguments or options:
            lines += ["", "| argument or option | default | meaning |", "| --- | --- | --- |"]
            lines += [_row(_metavar(one), one) for one in arguments]
            lines += [_row(", ".join((*one.opts, *one.secondary_opts)), one) for one in options]
    return "\n".join(lines) + "\n"


def _commands(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    """All commands below a group. Typer brings its own copy of click, whose classes are not click's."""
    children = getattr(command, "commands", None)
    if children is None:
        yield name, command
        return
    for child, below in children.items():
        yield from _commands(f"{name} {child}", below)


def _metavar(argument: Any) -> str:
    name = argument.name.upper() + ("..." if argument.nargs != 1 else "")
    return name if argument.required else f"[{name}]"


def _description(command: Any) -> list[str]:
    """The help text, with the JSON in it as code."""
    lines = []
    for line in (command.help or "").strip().splitlines():
        before, brace, rest = line.strip().partition("{")
        inside, end, after = rest.rpartition("}")
        lines.append(f"{before}`{brace}{inside}{end}`{after}" if end else line.strip())
    return lines


def _row(name: str, parameter: Any) -> str:
    words = " ".join((parameter.help or "").split())
    if parameter.envvar:
        words += f" From `{parameter.envvar}`."
    default = "" if parameter.default in (None, False, "") or parameter.required else f"`{parameter.default}`"
    return f"| `{name}` | {default} | {words} |".replace("{", "&#123;")
