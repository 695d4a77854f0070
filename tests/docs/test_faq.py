"""The page of failures quotes what is really said."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("clients", "deploy", "feature_repo", "runtime", "serving", "streams", "training")
OF_OTHERS = "database is locked"  # SQLite's own words


def quoted() -> list[str]:
    """Messages in the bold questions of the part on starting, as the page quotes them."""
    starting = (ROOT / "docs" / "faq.md").read_text().split("## Starting", 1)[1].split("\n## ", 1)[0]
    return [message for bold in re.findall(r"^\*\*(.*?)\*\*", starting, flags=re.M) for message in re.findall(r"`([^`]+)`", bold)]


@pytest.fixture(scope="module")
def sources() -> str:
    """All that Headwater can say; strings that a line break parts are joined."""
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    text = "\n".join(path.read_text() for path in [*files, ROOT / "Makefile"])
    return re.sub(r'"\s*\n\s*f?"', "", text)


@pytest.mark.parametrize("message", [message for message in quoted() if message != OF_OTHERS])
def test_a_message_of_the_page_is_in_the_program(message: str, sources: str) -> None:
    """Each part between the dots stands in the sources word for word."""
    assert [part for part in message.split("...") if part.strip() not in sources] == []
