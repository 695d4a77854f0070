"""What an image holds of Python: the wheels, the packages that their extras bring, and nothing else of this environment."""

import re
import zipfile
from pathlib import Path

from tests.deploy.docker.dockerfile import lineage, stages
from tests.wheels import Wheels, closure, link

__all__ = ["unpack"]


def unpack(target: str, wheels: Wheels, directory: Path) -> None:
    """Makes the directory the packages of a target's image: put it on the path, and leave this interpreter's own out by -S."""
    for wheel in (wheels.application, wheels.client):
        zipfile.ZipFile(wheel).extractall(directory)
    link(closure("headwater", _installed_extras(target)), directory)


def _installed_extras(target: str) -> frozenset[str]:
    copies = [rest for stage in lineage(target) for key, rest in stage.instructions if key == "COPY" and "/opt/headwater" in rest]
    [source] = re.findall(r"--from=(\S+)", copies[0])
    [installs] = [rest for key, rest in stages()[source].instructions if key == "RUN"]
    [extras] = re.findall(r"\[([a-z0-9,]+)\]", installs)
    return frozenset(extras.split(","))
