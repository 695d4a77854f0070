"""Each image holds one process and what that needs, runs as nobody, tells its health, and carries nothing that builds."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.deploy.docker.dockerfile import PATH, PROCESSES, environment, final, lineage, stages
from tests.deploy.settings import variables

ROOT = PATH.parents[2]


@pytest.mark.parametrize("process", PROCESSES)
def test_an_image_runs_its_process_as_nobody_and_tells_its_health(process: str) -> None:
    """The command is the process's module, the user is a number other than root's, and the check asks /healthz."""
    assert json.loads(final(process, "CMD")) == ["python", "-m", PROCESSES[process]]
    assert importlib.util.find_spec(PROCESSES[process]) is not None
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", final(process, "USER"))
    check = final(process, "HEALTHCHECK")
    assert f"127.0.0.1:{environment(process)['HEADWATER_METRICS_PORT']}/healthz" in check
    assert environment(process)["HEADWATER_METRICS_PORT"] in final(process, "EXPOSE")


@pytest.mark.parametrize("process", [*PROCESSES, "console", "tools"])
def test_an_image_installs_nothing(process: str) -> None:
    """Final stages copy what other stages built; no installer and no compiler runs in them."""
    commands = [rest for stage in lineage(process) for key, rest in stage.instructions if key in ("RUN", "ADD")]
    assert not [command for command in commands if re.search(r"\b(apt|apt-get|pip|curl|wget|gcc|make)\b", command)]


@pytest.mark.parametrize("process", PROCESSES)
def test_what_an_image_sets_is_read(process: str) -> None:
    """Each HEADWATER_* of the image is a setting that some process reads."""
    assert {name for name in environment(process) if name.startswith("HEADWATER_")} <= variables()


def test_stages_copy_what_there_is() -> None:
    """Sources exist and are let through to the builder, and a copy from another stage names one."""
    known, let_through = stages(), (PATH.parent / "Dockerfile.dockerignore").read_text().split()
    for stage in known.values():
        for rest in [rest for key, rest in stage.instructions if key == "COPY"]:
            if from_ := re.match(r"--from=(\S+)", rest):
                assert from_[1] in known
                continue
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists()
                assert f"!{source}" in let_through


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as the Dockerfile builds it."""
    directory = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(directory), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    [built] = directory.glob("*.whl")
    return built


def test_the_wheel_holds_all_that_the_sources_hold(wheel: Path) -> None:
    """Every module, every file beside the modules, and the command."""
    archive = zipfile.ZipFile(wheel)
    packages = ("protos", "feature_repo", "training", "streams", "serving", "deploy")
    listed = subprocess.run(["git", "ls-files", *packages], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(listed.stdout.split()) - set(archive.namelist()) == set()
    [entry_points] = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
    assert "headwater = deploy.cli:main" in archive.read(entry_points).decode()


@pytest.mark.parametrize("target", [*PROCESSES, "console", "tools"])
def test_a_process_needs_no_package_that_its_image_lacks(target: str, wheel: Path, tmp_path: Path) -> None:
    """With the wheel, what the extras of its environment bring, and nothing else on the path, the process can be loaded."""
    zipfile.ZipFile(wheel).extractall(tmp_path)
    for name in _closure("headwater", _installed_extras(target)) - {"headwater"}:
        for top in {file.parts[0] for file in distribution(name).files or () if file.parts[0] not in ("..", "__pycache__")}:
            link = tmp_path / top
            if not link.exists():
                link.symlink_to(Path(str(distribution(name).locate_file(top))))
    module = {**PROCESSES, "console": "deploy.console"}.get(target, "deploy.cli")
    main = f"{module}.__main__" if target in ("server", "console") else module
    # -S leaves out the packages of this interpreter; the path holds the ones of the image alone.
    program = [sys.executable, "-S", "-c", f"import {main}; print({main}.__file__)"]
    path = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(program, cwd=tmp_path, env=path, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith(str(tmp_path))


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
