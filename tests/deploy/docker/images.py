"""Owns what an image holds of Python: the wheel, the packages that its extras bring, and nothing else of this environment."""

import re
import tomllib
import zipfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

from tests.deploy.docker.dockerfile import PATH, lineage, stages

__all__ = ["ROOT", "unpack"]

ROOT = PATH.parents[2]


def unpack(target: str, wheel: Path, directory: Path) -> None:
    """Makes the directory the packages of a target's image: put it on the path, and leave this interpreter's own out by -S."""
    zipfile.ZipFile(wheel).extractall(directory)
    for name in _closure("headwater", _installed_extras(target)) - {"headwater"}:
        for top in {file.parts[0] for file in distribution(name).files or () if file.parts[0] not in ("..", "__pycache__")}:
            link = directory / top
            if not link.exists():
                link.symlink_to(Path(str(distribution(name).locate_file(top))))


def _installed_extras(target: str) -> frozenset[str]:
    copies = [rest for stage in lineage(target) for key, rest in stage.instructions if key == "COPY" and "/opt/headwater" in rest]
    [source] = re.findall(r"--from=(\S+)", copies[0])
    [installs] = [rest for key, rest in stages()[source].instructions if key == "RUN"]
    [extras] = re.findall(r"\[([a-z0-9,]+)\]", installs)
    return frozenset(extras.split(","))


def _closure(name: str, extras: frozenset[str]) -> set[str]:
    """Names of all distributions that an installation of `name` with these extras brings."""
    found: set[str] = set()
    waiting, seen = [(name, extras)], set()
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        try:
            requires = _requires(one[0])
        except PackageNotFoundError:
            continue  # what only an image has, such as CUDA beside a torch from the usual index
        found.add(one[0])
        for requirement in map(Requirement, requires):
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in (*one[1], "")):
                waiting.append((requirement.name, frozenset(requirement.extras)))
    return found


def _requires(name: str) -> list[str]:
    """Requirements of a distribution; of ours as the sources declare them, whenever it was installed."""
    if name != "headwater":
        return distribution(name).requires or []
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = [
        f'{requirement}; extra == "{extra}"' for extra, named in project["optional-dependencies"].items() for requirement in named
    ]
    return [*project["dependencies"], *optional]
