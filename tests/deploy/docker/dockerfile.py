"""Reading the Dockerfile: its stages, what each is built from, and what it says."""

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["PATH", "PROCESSES", "Stage", "environment", "final", "lineage", "stages"]

PATH = Path(__file__).parents[3] / "deploy" / "docker" / "Dockerfile"

PROCESSES = {
    "server": "serving",
    "features": "streams.workers.features",
    "catalogue": "streams.workers.catalogue",
    "learner": "streams.workers.learner",
}
"""Target and module of each process."""


@dataclass(kw_only=True, slots=True)
class Stage:
    """One FROM and what follows it."""

    name: str
    parent: str
    instructions: list[tuple[str, str]] = field(default_factory=list)
    """Keyword and the rest, lines joined."""


def stages() -> dict[str, Stage]:
    """All stages by name."""
    text = re.sub(r"^\s*#.*\n", "", PATH.read_text(), flags=re.MULTILINE)
    found: dict[str, Stage] = {}
    current: Stage | None = None
    for line in re.sub(r"\\\n", " ", text).splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            parent, _, name = rest.partition(" AS ")
            current = found[name] = Stage(name=name, parent=parent)
        elif word and current is not None:
            current.instructions.append((word, " ".join(rest.split())))
    return found


def lineage(target: str) -> list[Stage]:
    """The stages that make up a target's image, the base first; what it copies from is not among them."""
    known, chain = stages(), [stages()[target]]
    while chain[0].parent in known:
        chain.insert(0, known[chain[0].parent])
    return chain


def environment(target: str) -> dict[str, str]:
    """What the image sets in the environment."""
    words = [word for stage in lineage(target) for key, rest in stage.instructions if key == "ENV" for word in shlex.split(rest)]
    return dict(word.split("=", 1) for word in words)


def final(target: str, keyword: str) -> str:
    """The last instruction of a kind that holds for the target; raises IndexError where there is none."""
    return [rest for stage in lineage(target) for key, rest in stage.instructions if key == keyword][-1]
