"""Every pinned package has a licence that an Apache-2.0 project may ship beside its own."""

import re
from importlib.metadata import distribution

import pytest

from tests.structure.rooms import ROOT

PINNED = [line.partition("==")[0] for line in (ROOT / "requirements.txt").read_text().split()]

# As packages write them. MPL 2.0 covers its own files alone. LGPL and GPL are absent: they bind whoever ships an image.
ALLOWED = frozenset(
    """
    0BSD
    3-Clause BSD License
    Apache
    Apache 2
    Apache 2.0
    Apache 2.0 License
    Apache License 2.0
    Apache License, Version 2.0
    Apache Software License
    Apache-2.0
    BSD
    BSD 2-Clause License
    BSD 3-Clause License
    BSD License
    BSD-2-Clause
    BSD-3-Clause
    BSL-1.0
    CC0-1.0
    CNRI-Python
    ISC License (ISCL)
    LLVM-exception
    MIT
    MIT License
    MIT-0
    MIT-CMU
    MPL-2.0
    Mozilla Public License 2.0 (MPL 2.0)
    PSF-2.0
    Python Software Foundation License
    Repoze Public License
    Zlib
    """.replace("    ", "")
    .strip()
    .splitlines()
)


def licences(name: str) -> list[str]:
    """Each licence that the package's metadata name: the expression, else the classifiers, else the first line of the text."""
    metadata = distribution(name).metadata
    if "License-Expression" in metadata:
        return re.split(r" (?:AND|OR|WITH) ", metadata["License-Expression"].replace("(", "").replace(")", ""))
    classifiers = [one.rpartition(" :: ")[2] for one in metadata.get_all("Classifier") or [] if one.startswith("License :: ")]
    text = metadata["License"].strip().splitlines()[0] if "License" in metadata else "none named"
    return [one for one in classifiers if "approved" not in one.lower()] or text.split(" AND ")


@pytest.mark.parametrize("name", PINNED)
def test_its_licence_is_on_the_list(name: str) -> None:
    """A new package under another licence fails here: look at its terms before adding it."""
    assert [licence for licence in licences(name) if licence not in ALLOWED] == []
