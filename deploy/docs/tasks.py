"""Page of the tasks file: the keys of a task, from the class that holds them, and the file that comes along."""

import ast
import inspect
from dataclasses import MISSING, fields
from pathlib import Path
from typing import get_args

import feature_repo.tasks
from feature_repo.tasks import Task

__all__ = ["page"]

_SHIPPED = Path(__file__).parents[1] / "local" / "tasks.toml"


_PAGE = """# The tasks file

What to predict is declared in TOML, one table a task; `HEADWATER_TASKS_FILE` names the file.

{words}

| key | takes | default | meaning |
| --- | --- | --- | --- |
{rows}

The file that `headwater up` takes until you give your own:

```toml
{shipped}
```

A changed file changes what is counted, so rows of other tasks are refused: give the changed tasks a store of their own and
replay the events into it.
"""


def page() -> str:
    """docs/reference/tasks.md."""
    descriptions = _descriptions()
    rows = [
        f"| `{field.name}` | {_takes(field.type)} | {_default(field.default)} | {descriptions[field.name]} |"
        for field in fields(Task)
        if field.name != "name"
    ]
    return _PAGE.format(words=inspect.getdoc(Task), rows="\n".join(rows), shipped=_SHIPPED.read_text().strip())


def _descriptions() -> dict[str, str]:
    """The docstrings below the fields."""
    [declared] = [node for node in ast.parse(inspect.getsource(feature_repo.tasks)).body if getattr(node, "name", "") == "Task"]
    assert isinstance(declared, ast.ClassDef)
    descriptions: dict[str, str] = {}
    for field, below in zip(declared.body, declared.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(below, ast.Expr):
            descriptions[field.target.id] = " ".join(str(ast.literal_eval(below.value)).split())
    return descriptions


def _takes(kind: object) -> str:
    if options := [one for one in get_args(kind) if isinstance(one, str)]:
        return ", ".join(f"`{one}`" for one in options)
    named = str(getattr(kind, "__name__", kind)).removesuffix(" | None")
    return {"float": "number", "int": "integer", "str": "text", "tuple": "list of texts"}[named]


def _default(value: object) -> str:
    if value is MISSING:
        return ""
    return "none" if value in (None, ()) else f"`{value}`"
