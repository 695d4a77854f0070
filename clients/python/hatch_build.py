"""Build hook that packs the generated messages, which the repository keeps outside this directory."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

__all__ = ["MessagesHook"]


class MessagesHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds protos/headwater/v1 as headwater/v1; an unpacked source distribution has it under src already."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before each build; an editable installation reads the messages where they lie."""
        messages = Path(self.root).parents[1] / "protos" / "headwater" / "v1"
        if version != "editable" and messages.is_dir():
            build_data["force_include"][str(messages)] = f"{'src/' * (self.target_name == 'sdist')}headwater/v1"
