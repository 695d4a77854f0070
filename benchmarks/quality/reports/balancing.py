"""Report of the figures on balancing."""

from collections.abc import Mapping
from typing import Any

from benchmarks.quality.reports.newsroom import BALANCED
from benchmarks.quality.reports.together import Figures, more, table

__all__ = ["part", "steam_part"]

_OTHERS = {name: title for name, title in BALANCED.items() if name != "fixed"}


def part(found: Mapping[str, Any]) -> str:
    """The section on MovieLens as Markdown."""
    return "\n\n".join(
        (
            "## Ways of balancing on real data",
            "Fixed weights, the default, as they are, the others as more or less than that in percent (less is better), mean of "
            f"{len(found['seeds'])} seeds, lowest to highest in brackets.",
            "**MovieLens-100k, every event**: log loss of like, RMSE of stars. The two tasks are two views of one rating; "
            "where tasks pull apart, see the newsroom and docs/concepts/balance.md.",
            table(found["figures"], "fixed", BALANCED["fixed"], _OTHERS),
            _furthest(found["figures"]),
        )
    )


def steam_part(found: Mapping[str, Any]) -> str:
    """The section on Steam as Markdown."""
    return "\n\n".join(
        (
            f"**Steam, {found['users']:,} users' {found['pairs']:,} games**: log loss of played, RMSE of log1p hours over what "
            "was played, of a fifth of the rows and of all rows of a fifth of the games (cold); a seed draws the splits too.",
            table(found["figures"], "fixed", BALANCED["fixed"], _OTHERS),
            _furthest(found["figures"]),
        )
    )


def _furthest(figures: Figures) -> str:
    furthest = max(abs(more(figures[name][what], base).mean()) for name in _OTHERS for what, base in figures["fixed"].items())
    return f"No other way is further than {furthest:.1f} % from fixed weights in the mean of the seeds."
