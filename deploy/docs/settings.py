"""Page of settings: every field of every process's settings, with the variable that sets it."""

import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import AliasChoices, RedisDsn, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

import deploy.console
import feature_repo
import runtime
import serving
import streams
import training

__all__ = ["page", "variables"]

_READ_BY = {
    runtime: "every process",
    feature_repo: "every process",
    training: "stream workers and server",
    streams: "stream workers",
    serving: "server",
    deploy.console: "console",
}


def page() -> str:
    """docs/reference/settings.md."""
    lines = [
        "# Settings",
        "",
        "Each process reads its environment once, at its start, and logs what is in effect with secrets masked. A value that",
        "does not fit ends the process with the name of the variable and what it takes.",
    ]
    for kind, reader in _kinds():
        summary = " ".join((kind.__doc__ or "").split())
        lines += ["", f"## {kind.__name__.removesuffix('Settings')}: {reader}", "", summary, ""]
        lines += ["| variable | takes | default | meaning |", "| --- | --- | --- | --- |"]
        for name, field in kind.model_fields.items():
            names = " or ".join(f"`{one}`" for one in variables(kind, name, field))
            lines.append(f"| {names} | {_takes(field)} | {_default(field)} | {field.description or ''} |")
    return "\n".join(lines) + "\n"


def variables(kind: type[BaseSettings], name: str, field: FieldInfo) -> list[str]:
    """The environment variables that set a field, the strongest first."""
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        return [str(one) for one in alias.choices]
    return [str(alias)] if alias else [f"{kind.model_config.get('env_prefix', '')}{name}".upper()]


def _kinds() -> Iterator[tuple[type[BaseSettings], str]]:
    for package, reader in _READ_BY.items():
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if found.name.endswith(("settings", "tracing")):
                module = importlib.import_module(found.name)
                declared = (getattr(module, name) for name in module.__all__)
                yield from ((one, reader) for one in declared if isinstance(one, type) and issubclass(one, BaseSettings))


def _takes(field: FieldInfo) -> str:
    kind: Any = next((one for one in get_args(field.annotation) if not isinstance(one, str) and one is not type(None)), None)
    kind = kind or field.annotation  # what may also be None is what it is
    if words := [one for one in get_args(kind) if isinstance(one, str)]:
        return ", ".join(f"`{one}`" for one in words)
    bounds = [f"{sign} {getattr(rule, name)}" for rule in field.metadata for name, sign in _BOUNDS.items() if hasattr(rule, name)]
    return " ".join((_KINDS.get(kind, getattr(kind, "__name__", str(kind))), *bounds))


def _default(field: FieldInfo) -> str:
    if field.default in (None, "", PydanticUndefined):
        return ""
    return f"`{field.default}`"


_KINDS: dict[Any, str] = {
    str: "text",
    int: "integer",
    float: "number",
    bool: "true or false",
    SecretStr: "secret",
    Path: "path",
    RedisDsn: "URL",
}
_BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
