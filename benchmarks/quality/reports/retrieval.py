"""Report of the figures on retrieval."""

from collections.abc import Mapping
from typing import Any

__all__ = ["part"]

_NAMES = {
    "text": "text neighbours of what was liked",
    "learned": "neighbours in the learned space (by the adapter's vectors)",
    "same_users": "liked by the same users",
    "trending": "trending",
    "newest": "new",
    "served": "**what is served: text, trending and new in turns**",
    "served_learned": "the same and the learned space",
    "served_same_users": "the same and what the same users liked",
}


def part(found: Mapping[str, Any]) -> str:
    """The section as Markdown."""
    rows = "\n".join(f"| {name} | {found['recall'][source]:.3f} |" for source, name in _NAMES.items())
    return (
        "### Sources of candidates\n\n"
        f"Share of the films liked in the last fifth that are among {found['pool']} candidates drawn at its beginning, of films "
        f"that the user had not rated; mean of {found['users']} users. What people rate is what is popular, so trends lead here. "
        "A further source has to add to what the others find together, not only to find something.\n\n"
        f"| source | recall at {found['pool']} |\n| --- | --- |\n{rows}"
    )
