"""What a model's own files say of encoding with it, by the conventions of sentence-transformers.

`modules.json` names the pooling, `config_sentence_transformers.json` the prompts, `sentence_bert_config.json` the longest text.
They are read here, and not by that library, because importing it would delay the start of every process by seconds.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from runtime.errors import UserError

__all__ = ["Conventions", "ConventionsError", "Pooling", "Prompt", "read_conventions"]

Pooling = Literal["mean", "cls", "last"]
Prompt = Literal["document", "query"]

_POOLINGS: dict[str, Pooling] = {"mean_tokens": "mean", "cls_token": "cls", "lasttoken": "last", "mean": "mean", "cls": "cls"}
_NAMES: dict[Prompt, tuple[str, ...]] = {"document": ("document", "passage", "corpus"), "query": ("query",)}
_KNOWN_MODULES = frozenset({"Transformer", "Pooling", "Normalize"})


class ConventionsError(UserError, ValueError):
    """A model that asks for a step which the encoder does not have."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Conventions:
    """What is declared; None or nothing where a file is absent or silent."""

    pooling: Pooling | None = None
    max_length: int | None = None
    prompts: Mapping[str, str] = field(default_factory=dict)
    default_prompt: str = ""

    def prefix(self, prompt: Prompt) -> str:
        """What goes before each text of this role."""
        return next((self.prompts[name] for name in _NAMES[prompt] if name in self.prompts), self.default_prompt)


def read_conventions(directory: Path) -> Conventions:
    """What the files in `directory` declare.

    Raises:
        ConventionsError: `modules.json` names a module, or its pooling a mode, that the encoder does not have.
    """
    modules = _read(directory / "modules.json", [])
    kinds = [str(module.get("type", "")).rpartition(".")[2] for module in modules]
    if unknown := sorted(set(kinds) - _KNOWN_MODULES):
        raise ConventionsError(f"modules.json asks for {', '.join(unknown)}; there are {', '.join(sorted(_KNOWN_MODULES))}")
    pooling: Pooling | None = None
    if "Pooling" in kinds:
        pooling = _pooling(_read(directory / modules[kinds.index("Pooling")]["path"] / "config.json", {}))
    declared = _read(directory / "config_sentence_transformers.json", {})
    prompts = {name: text for name, text in (declared.get("prompts") or {}).items() if isinstance(text, str)}
    return Conventions(
        pooling=pooling,
        max_length=_read(directory / "sentence_bert_config.json", {}).get("max_seq_length"),
        prompts=prompts,
        default_prompt=prompts.get(declared.get("default_prompt_name") or "", ""),
    )


def _pooling(config: dict[str, Any]) -> Pooling:
    """Of the file's one flag that is on, or of the name in files since version 5.2."""
    modes = [name.removeprefix("pooling_mode_") for name, on in config.items() if name.startswith("pooling_mode_") and on is True]
    modes = modes or [str(config.get("pooling_mode"))]
    if len(modes) != 1 or modes[0] not in _POOLINGS:
        raise ConventionsError(f"its pooling is {' and '.join(modes)}; there are mean, cls and last, one at a time")
    if config.get("include_prompt") is False:
        raise ConventionsError("its pooling leaves out the tokens of the prompt (include_prompt), which the encoder does not do")
    return _POOLINGS[modes[0]]


def _read(path: Path, absent: Any) -> Any:
    return json.loads(path.read_bytes()) if path.is_file() else absent
