"""Effective settings of a process in a deployment, and what is wrong with them."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from tests.deploy.settings import PROCESSES

__all__ = ["effective", "unfit"]


def effective(process: str, environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> list[BaseSettings]:
    """The settings that the process would start with; raises ValidationError for values that it would refuse."""
    with monkeypatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        return [settings() for settings in PROCESSES[process]]


def unfit(settings: list[BaseSettings]) -> Iterator[str]:
    """Settings that cannot be right in a container of its own: they mean this machine, or a directory wherever it starts.

    So a setting that is added with such a default must be set by every deployment, or this names it.
    """
    for one in settings:
        for name, value in one.model_dump().items():
            text = str(value)
            relative = isinstance(value, Path) and not value.is_absolute()
            # A location is text where it may be a URL.
            relative |= name.endswith("_dir") and "://" not in text and not text.startswith("/")
            local = "127.0.0.1" in text or "localhost" in text
            hub = name == "encoder" and not text.startswith("/")  # it would be fetched at each start
            if relative or local or hub:
                yield f"{type(one).__name__}.{name} = {text}"
