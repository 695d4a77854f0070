"""Each image holds one process and what that needs, runs as nobody, tells its health, and carries nothing that builds."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.deploy.docker.dockerfile import PATH, PROCESSES, environment, final, lineage, stages
from tests.deploy.docker.images import unpack
from tests.deploy.settings import variables
from tests.wheels import ROOT, Wheels


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


def test_the_wheels_hold_all_that_the_sources_hold(wheels: Wheels) -> None:
    """Every module and every file beside the modules, in one of the two, and the command."""
    archive = zipfile.ZipFile(wheels.application)
    packages = ("protos/headwater", "clients/python/src", "runtime", "feature_repo", "training", "streams", "serving", "deploy")
    listed = subprocess.run(["git", "ls-files", *packages], cwd=ROOT, capture_output=True, text=True, check=True)
    sources = {name.removeprefix("protos/").removeprefix("clients/python/src/") for name in listed.stdout.split()}
    held = [set(one.namelist()) for one in (archive, zipfile.ZipFile(wheels.client))]
    assert sources - held[0] - held[1] == set()
    assert held[0] & held[1] == set(), "two distributions must not own one file"
    [entry_points] = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
    assert "headwater = deploy.cli:main" in archive.read(entry_points).decode()


@pytest.mark.parametrize("target", [*PROCESSES, "console", "tools"])
def test_a_process_needs_no_package_that_its_image_lacks(target: str, wheels: Wheels, tmp_path: Path) -> None:
    """With the wheels, what the extras of its environment bring, and nothing else, process and command can be loaded."""
    unpack(target, wheels, tmp_path)
    module = {**PROCESSES, "console": "deploy.console"}.get(target, "deploy.cli")
    main = f"{module}.__main__" if target in ("server", "console") else module
    # -S leaves out the packages of this interpreter; the path holds the ones of the image alone.
    program = [sys.executable, "-S", "-c", f"import {main}, deploy.cli; print({main}.__file__)"]
    path = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(program, cwd=tmp_path, env=path, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith(str(tmp_path))
