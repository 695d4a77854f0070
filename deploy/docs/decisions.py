"""Page of decisions: the roads not taken, each with its page in docs/decisions."""

from pathlib import Path

__all__ = ["page"]

_DECISIONS = Path(__file__).parents[2] / "docs" / "decisions"
_PAGE = """# Decisions

Choices that close a road, each on a page: what was decided, why, and what it costs.

{lines}
"""


def page() -> str:
    """docs/reference/decisions.md."""
    lines = [f"- [{_title(path)}](../decisions/{path.name})" for path in sorted(_DECISIONS.glob("*.md"))]
    return _PAGE.format(lines="\n".join(lines))


def _title(path: Path) -> str:
    return path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")
