"""The two wheels of the repository, and what an installation of them brings, without a network."""

import subprocess
import sys
import tomllib
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

__all__ = ["ROOT", "Wheels", "build_wheels", "closure", "link", "new_environment"]

ROOT = Path(__file__).parents[1]
_OURS = {"headwater": ROOT, "headwater-client": ROOT / "clients" / "python"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Wheels:
    """Paths of both."""

    application: Path
    client: Path


def build_wheels(directory: Path) -> Wheels:
    """Builds both as the Dockerfile does, with the hatchling of this environment."""
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(directory)]
    done = subprocess.run([*build, *map(str, _OURS.values())], capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    [application], [client] = directory.glob("headwater-*.whl"), directory.glob("headwater_client-*.whl")
    return Wheels(application=application, client=client)


def new_environment(directory: Path, *wheels: Path) -> Path:
    """A virtual environment with these wheels and nothing else; its site-packages."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(directory)], check=True, timeout=60)
    install = [sys.executable, "-m", "pip", "--python", str(directory / "bin" / "python"), "install", "--no-deps", "--no-index"]
    done = subprocess.run([*install, *map(str, wheels)], capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    [packages] = (directory / "lib").glob("python*/site-packages")
    return packages


def closure(name: str, extras: frozenset[str]) -> set[str]:
    """Names of all distributions that an installation of `name` with these extras brings, our own aside."""
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
    return found - _OURS.keys()


def link(names: set[str], directory: Path) -> None:
    """Puts these distributions of this environment into the directory, for a path that leaves out all others."""
    for name in names:
        for top in {file.parts[0] for file in distribution(name).files or () if file.parts[0] not in ("..", "__pycache__")}:
            place = directory / top
            if not place.exists():
                place.symlink_to(Path(str(distribution(name).locate_file(top))))


def _requires(name: str) -> list[str]:
    """Requirements of a distribution; of ours as the sources declare them, whenever it was installed."""
    if name not in _OURS:
        return distribution(name).requires or []
    project = tomllib.loads((_OURS[name] / "pyproject.toml").read_text())["project"]
    optional = [
        f'{requirement}; extra == "{extra}"' for extra, named in project["optional-dependencies"].items() for requirement in named
    ]
    return [*project["dependencies"], *optional]
